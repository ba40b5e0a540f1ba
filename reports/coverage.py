"""What is there and what is missing, hour by hour, and why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from lake import notes
from lake.reasons import Asked, Reason
from lake.why_bar import why_bar
from meta.columns import BAR_COLUMNS, PRICES
from meta.datasets import DATASETS
from meta.timeframes import DAY, HOUR
from reports.forms import brief, instant, written
from reports.held import Held
from reports.page import Figure, Section, Table, sentence

WHOLE, PART, ABSENT, UNCOMMITTED = range(4)
CLASSES = [
    {"name": "every bar there", "tone": "s2"},
    {"name": "some bars absent", "tone": "gold"},
    {"name": "no bar", "tone": "red"},
    {"name": "day not committed", "tone": "grey"},
]
STAMPS = ("symbol", "ts", "oi_ts", "ls_ts", "funding_ts")  # say when another column is of
EXPLAINED = 40  # stretches whose reason is looked up, the longest first


def section(held: Held) -> Section:
    """Coverage of bars, of every dataset and of every column."""
    text = (
        "Missing stays missing: nothing below was filled. A bar can be absent from a day that is committed: the venue"
        " was asked for all of it, and has none."
    )
    parts = [*_hours(held), _datasets(held), _columns(held), _not_offered(held)]
    return Section("coverage", "Coverage", text, parts)


@dataclass(frozen=True)
class Stretch:
    """Bars missing in a row: their first and last position on the grid, and of which class they are."""

    first: int
    last: int
    kind: int

    @property
    def bars(self) -> int:
        """How many bars is it long?"""
        return self.last - self.first + 1


def _state(held: Held) -> np.ndarray:
    """Which class is each position of the grid of? (n,) int, from the first bar of the first day."""
    n = len(held.days) * held.tf.per_day
    opened = held.connection.execute("SELECT open_ms FROM bars").fetchnumpy()["open_ms"]
    state = np.full(n, ABSENT)
    state[(opened - held.start) // held.tf.ms] = WHOLE
    committed = {day for (day,) in held.ask("SELECT day FROM days WHERE dataset = 'bars'")}
    state[np.repeat([day not in committed for day in held.days], held.tf.per_day)] = UNCOMMITTED
    return state


def _stretches(state: np.ndarray) -> list[Stretch]:
    """What is missing, as stretches of one class."""
    edges = np.flatnonzero(np.diff(state, prepend=-1)).tolist()
    found = (Stretch(a, b - 1, int(state[a])) for a, b in zip(edges, [*edges[1:], len(state)], strict=True))
    return [one for one in found if one.kind != WHOLE]


def _hours(held: Held) -> Iterator[Figure | Table]:
    state, slots = _state(held), min(DAY // HOUR, held.tf.per_day)
    missing, per = _stretches(state), held.tf.per_day // slots
    reasons = _reasons(held, missing)
    cells = state.reshape(len(held.days), slots, per)
    absent = (cells != WHOLE).sum(axis=2)
    kinds = np.where(absent == 0, WHOLE, np.where(absent == per, cells.max(axis=2), PART))
    chart = {
        "kind": "heat", "height": max(slots * 9, 40), "classes": CLASSES, "gather": "max",
        "gathered": "the worst of them", "rows": [instant(i * per * held.tf.ms)[11:] for i in range(slots)],
        "x": {"start": held.start, "step": DAY, "n": len(held.days)}, "values": kinds.T.tolist(),
        "notes": dict(_notes(missing, reasons, per, slots)),
    }  # fmt: skip
    there, inside, out = (int((state == kind).sum()) for kind in (WHOLE, ABSENT, UNCOMMITTED))
    summary = sentence([
        f"{there:,} of {len(state):,} bars are there, {written(there / len(state), 'ratio')}",
        f"{inside:,} are absent from committed days, in {sum(one.kind == ABSENT for one in missing):,} gaps",
        f"{out // held.tf.per_day:,} days are not committed",
        f"a cell is {'an hour' if held.tf.ms <= HOUR else 'a bar'} of one day",
    ])  # fmt: skip
    yield Figure("coverage-hours", "Bars by day and hour", summary, chart)
    yield _gaps(held, missing, reasons)


def _reasons(held: Held, missing: Sequence[Stretch]) -> dict[Stretch, Reason]:
    """Why is the first bar of each stretch missing? Of the longest ones, by the lake's record and its own clock."""
    longest = sorted(missing, key=lambda one: (-one.bars, one.first))[:EXPLAINED]
    now = max((_ms(state.generation) for state in held.states.values()), default=0)

    def reason(one: Stretch) -> Reason:
        close = held.start + (one.first + 1) * held.tf.ms
        return why_bar(Asked(held.root, held.symbol, held.tf, close, now))

    return {one: reason(one) for one in longest}


def _ms(iso: str) -> int:
    """An instant of the log, UTC ms."""
    return int(np.datetime64(iso.removesuffix("Z"), "ms").astype(np.int64)) if iso else 0


def _notes(
    missing: Sequence[Stretch], reasons: Mapping[Stretch, Reason], per: int, slots: int
) -> Iterator[tuple[str, str]]:
    """What is said of a cell that lacks bars: its place ("column,row"), and how many are missing in a row, and why."""
    for one in missing:
        if one.kind == ABSENT:
            why_so = reasons[one].why if one in reasons else "reason not looked up"
            for cell in range(one.first // per, one.last // per + 1):
                yield f"{cell // slots},{cell % slots}", f"bars missing in a row: {one.bars}, {why_so}"


def _gaps(held: Held, missing: Sequence[Stretch], reasons: Mapping[Stretch, Reason]) -> Table:
    columns = [("first close", "time"), ("bars", "count"), ("why", "prose"), ("last close", "time")]

    def closed(position: int) -> int:
        return held.start + (position + 1) * held.tf.ms

    rows = [
        [closed(one.first), one.bars, f"{reasons[one].why}: {reasons[one].text}", closed(one.last)]
        for one in missing
        if one in reasons
    ]
    left = len(missing) - len(rows)
    told = f"The {len(rows)} longest; {left:,} shorter ones are not listed. " if left else ""
    text = f"{told}`lake why {held.symbol} TS` tells the same of a close, with its evidence."
    return Table("gaps", "What is missing, and why", columns, rows, text, "No bar is missing.")


def _datasets(held: Held) -> Figure:
    """How many of a day's rows does each dataset hold?"""
    at = {day: i for i, day in enumerate(held.days)}
    values: dict[str, list[float | None]] = {name: [None] * len(at) for name in DATASETS if name in held.tables}
    for name, day, rows in held.ask("SELECT dataset, day, rows FROM days"):
        if name in values and day in at:
            values[name][at[day]] = brief(rows / held.tf.per_day)
    chart = {
        "kind": "heat", "height": 22 * len(values), "rows": list(values), "values": list(values.values()), "most": 1,
        "form": "ratio", "measure": "rows of the day's bars", "gather": "min", "gathered": "the least of them",
        "x": {"start": held.start, "step": DAY, "n": len(at)},
    }  # fmt: skip
    totals = held.ask("SELECT dataset, count(*), sum(rows)::BIGINT, min(day), max(day) FROM days GROUP BY dataset")
    order = {name: i for i, name in enumerate(DATASETS)}
    rows = [[a, b, c, str(d), str(e)] for a, b, c, d, e in sorted(totals, key=lambda row: order.get(row[0], 9))]
    told = [f"{name}: {rows:,} rows of {days:,} days" for name, days, rows, *_ in rows]
    columns = [("dataset", "text"), ("days", "count"), ("rows", "count"), ("first", "text"), ("last", "text")]
    table = Table("datasets-days", "Days and rows by dataset", columns, rows)
    summary = sentence(told)[:-1] + ". No cell: the day is not committed."
    return Figure(
        "coverage-datasets", "Which days each dataset holds, by share of the day's bars", summary, chart, table
    )


def _columns(held: Held) -> Figure:
    """How often did the source say each column, month by month?"""
    offered = (notes.read(held.shelf("bars"), notes.OFFERED) or {}).get("columns", {})
    have = set(held.columns("bars"))
    names = [n for n in BAR_COLUMNS if n in have and n not in STAMPS and offered.get(n, True) is True]
    counts = ", ".join(f"count({name}) / count(*)" for name in names)
    found = held.ask(f"SELECT strftime(day, '%Y-%m') AS month, {counts} FROM bars GROUP BY month ORDER BY month")
    months = [month for month, *_ in found]
    values = [[brief(shares[i]) for _, *shares in found] for i in range(len(names))]
    chart = {
        "kind": "heat", "rows": names, "columns": months, "values": values, "most": 1, "form": "ratio", "texts": True,
        "height": 20 * len(names), "measure": "bars that have it",
    }  # fmt: skip
    thin = [f"{name} {written(min(v), 'ratio')}" for name, v in zip(names, values, strict=True) if min(v) < 0.95]
    told = f"below 95 % in some month: {', '.join(thin)}" if thin else "every offered column is there in 95 % or more"
    summary = sentence([f"{len(names)} columns are offered", told, "numbers are percent of the month's bars"])
    rows = [[name, *v] for name, v in zip(names, values, strict=True)]
    table = Table(
        "columns-months",
        "Share of bars that have each column",
        [("column", "text"), *((m, "ratio") for m in months)],
        rows,
    )
    return Figure("coverage-columns", "Columns by month", summary, chart, table, "half")


def _not_offered(held: Held) -> Table:
    """Which columns does the source never give, by reason?"""
    offered = (notes.read(held.shelf("bars"), notes.OFFERED) or {}).get("columns", {})
    grouped: dict[str, list[str]] = {}
    for name, reason in offered.items():
        if reason is not True and name not in PRICES:
            grouped.setdefault(str(reason), []).append(name)
    rows = [[", ".join(names), reason] for reason, names in grouped.items()]
    columns = [("columns", "text"), ("why", "prose")]
    title, empty = "Columns the source does not offer here", "The source offers every column."
    return Table("not-offered", title, columns, rows, empty=empty, wide="half")
