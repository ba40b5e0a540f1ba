"""The status of a lake on a terminal: the same numbers as its plain lines, and in colour what needs an eye."""

from __future__ import annotations

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from lake.status import HEAD, ShelfStatus, Status

NUMBERS = ("days", "holes", "rows", "stale", "damaged", "schemas")
USUAL = {"holes": "0", "stale": "0", "damaged": "0", "schemas": "1"}  # a column of nothing else is not shown
WORRYING = {"holes": "yellow", "stale": "yellow", "damaged": "bold red", "schemas": "yellow"}


def show(found: Status, stale: bool, now: int, console: Console | None = None) -> None:
    """Print it, at this instant (UTC ms), as wide as the terminal is; without colour where NO_COLOR says so."""
    screen = console or Console(highlight=False)
    screen.print(Text(found.first(), style="dim"))
    if found.shelves:
        screen.print(table(found.shelves))
    for line in found.notes(stale, now):
        screen.print(Text(line, style="bold red" if ": damaged: " in line else ""))


def table(shelves: list[ShelfStatus]) -> Table:
    """A row a shelf, a rule between datasets, and only the columns that say something."""
    rows = [dict(zip(HEAD, one.cells(), strict=True)) for one in shelves]
    names = [name for name in HEAD if any(row[name] != USUAL.get(name) for row in rows)]
    look = {"box": box.SIMPLE_HEAD, "pad_edge": False, "collapse_padding": True, "header_style": "bold"}
    made = Table(**look, caption=_verdict(shelves), caption_justify="left")  # type: ignore[arg-type]
    for name in names:
        made.add_column(name, justify="right" if name in NUMBERS else "left", no_wrap=True)
    many = len({row["symbol"] for row in rows}) > 1
    for row, after in zip(rows, [*rows[1:], rows[-1]], strict=True):
        cells = (_cell(name, row[name]) for name in names)
        made.add_row(*cells, end_section=many and row["dataset"] != after["dataset"])
    return made


def _cell(name: str, text: str) -> Text:
    return Text(text, style=WORRYING.get(name, "") if text != USUAL.get(name) else "dim")


def _verdict(shelves: list[ShelfStatus]) -> Text:
    """What all of it comes to, in a line."""
    counts = {
        "damaged": sum(len(one.damaged) for one in shelves),
        "stale": sum(len(one.stale) for one in shelves),
        "missing between others": sum(one.holes for one in shelves),
    }
    told = [f"{many:,} days {what}" for what, many in counts.items() if many]
    if not told:
        return Text("no day is stale or damaged, by the manifests", style="green")
    return Text(", ".join(told), style="bold red" if counts["damaged"] else "yellow")
