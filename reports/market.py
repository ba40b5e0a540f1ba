"""What happened on the market: price, turnover, open interest, funding and liquidations over one time axis."""

from __future__ import annotations

from typing import Any

from lake import notes
from meta.timeframes import DAY, HOUR, MINUTE, day_start
from reports.forms import brief, day, instant, written
from reports.held import Held
from reports.page import Figure, Section, Table, sentence

MOST = 9_000  # steps of time a page keeps; the pen makes as many of them one as the width asks for
LENGTHS = (
    [n * MINUTE for n in (1, 5, 15, 30)] + [n * HOUR for n in (1, 2, 4, 8, 12)] + [n * DAY for n in (1, 2, 4, 7, 14)]
)
FEW = 40  # bars of a day below which its neighbours are drawn with it
TAKEN = {  # a step's value of each column, and how steps combine further
    "open": ("arg_min(open, open_ms)", "first"),
    "high": ("max(high)", "max"),
    "low": ("min(low)", "min"),
    "close": ("arg_max(close, open_ms)", "last"),
    "quote_volume": ("sum(quote_volume)", "sum"),
    "oi_now": ("arg_max(oi_now, open_ms)", "last"),
    "funding_now": ("arg_max(funding_now, open_ms)", "last"),
    "liq_long": ("sum(liq_long)", "sum"),
    "liq_short": ("sum(liq_short)", "sum"),
}
MONTHLY = [
    ("month", "text"), ("open", "price"), ("high", "price"), ("low", "price"), ("close", "price"),
    ("turnover", "count"), ("open interest", "count"), ("funding, mean", "rate"), ("long liquidations", "count"),
    ("short liquidations", "count"),
]  # fmt: skip


def section(held: Held) -> Section:
    """Price and what went with it."""
    text = "Each step keeps its first, highest, lowest and last price, so no extreme is lost. Times are UTC."
    return Section("market", "Market", text, [_whole(held), _wildest(held)])


def step_of(held: Held, first: int, last: int, most: int) -> int:
    """How long is a step, so that at most so many of them fill the time between two instants? UTC ms, whole bars."""
    fitting = (each for each in LENGTHS if each % held.tf.ms == 0 and (last - first) / each <= most)
    return next(fitting, LENGTHS[-1])


def stepped(held: Held, step: int, first: int, last: int) -> tuple[dict[str, Any], dict[str, list[float | None]]]:
    """Every column on a regular grid of steps: the grid, and name -> values, null where nothing was said."""
    cells = ", ".join(f"{sql} AS {name}" for name, (sql, _) in TAKEN.items())
    inside = f"open_ms >= {first} AND open_ms < {last}"
    rows = held.ask(
        f"SELECT (open_ms - {first}) // {step} AS i, {cells} FROM bars WHERE {inside} GROUP BY i ORDER BY i"
    )
    n = -(-(last - first) // step)
    values: dict[str, list[float | None]] = {name: [None] * n for name in TAKEN}
    for i, *found in rows:
        for name, value in zip(TAKEN, found, strict=True):
            values[name][i] = brief(value)
    return {"start": first, "step": step, "n": n}, values


def _whole(held: Held) -> Figure:
    first = held.start
    last = held.row("SELECT max(open_ms) FROM bars")[0] + held.tf.ms
    step = step_of(held, first, last, MOST)
    grid, values = stepped(held, step, first, last)
    chart = {"kind": "time", "x": grid, "tools": True, "panels": _panels(values)}
    lacking = _lacking(held, values)
    low, low_at, high, high_at = held.row(
        "SELECT min(low), arg_min(open_ms, low), max(high), arg_max(open_ms, high) FROM bars"
    )
    kept = "every bar" if step == held.tf.ms else f"{held.tf} bars in steps of {_long(step)}"
    summary = sentence([
        f"Highest {written(high, 'price')} in the bar opening {instant(high_at)}",
        f"lowest {written(low, 'price')} in the one opening {instant(low_at)}",
        f"kept here: {kept}",
        f"not offered: {', '.join(f'{name} ({why})' for name, why in lacking.items())}" if lacking else "",
    ])  # fmt: skip
    title = "Price, turnover, open interest, funding, liquidations"
    return Figure("price", title, summary, chart, _monthly(held))


def _long(ms: int) -> str:
    if ms % DAY == 0:
        return f"{ms // DAY} d"
    return f"{ms // HOUR} h" if ms % HOUR == 0 else f"{ms // MINUTE} min"


def _panels(values: dict[str, list[float | None]]) -> list[dict[str, Any]]:
    def said(*names: str) -> bool:
        return any(value is not None for name in names for value in values[name])

    def series(name: str, column: str, mark: str, tone: str, **more: Any) -> dict[str, Any]:
        return {"name": name, "mark": mark, "tone": tone, "values": values[column], "how": TAKEN[column][1], **more}

    panels: list[dict[str, Any]] = [{
        "title": "Price, quote currency", "height": 260, "form": "price",
        "series": [candles(values)],
    }, {
        "title": "Turnover, USDT", "height": 80, "form": "short", "zero": True,
        "series": [series("turnover", "quote_volume", "bars", "grey")],
    }]  # fmt: skip
    if said("oi_now"):
        one = series("open interest", "oi_now", "line", "green")
        panels.append({"title": "Open interest, USD", "height": 80, "form": "short", "series": [one]})
    if said("funding_now"):
        one = series("funding", "funding_now", "steps", "gold")
        title = "Funding rate per period, basis points"
        panels.append({"title": title, "height": 80, "form": "rate", "zero": True, "series": [one]})
    if said("liq_long", "liq_short"):
        both = [
            series("shorts liquidated", "liq_short", "bars", "blue"),
            series("longs liquidated", "liq_long", "bars", "red", mirrored=True),
        ]
        title = "Liquidations, USD: shorts up, longs down"
        panels.append({"title": title, "height": 90, "form": "short", "zero": True, "series": both})
    return panels


def candles(values: dict[str, list[float | None]]) -> dict[str, Any]:
    """A series of open, high, low and close."""
    return {"name": "price", "mark": "candles", "tone": "blue"} | {
        name: values[name] for name in ("open", "high", "low", "close")
    }


def _lacking(held: Held, values: dict[str, list[float | None]]) -> dict[str, str]:
    """Which of the panels' columns have no value at all, and why by the source's own note?"""
    said = (notes.read(held.shelf("bars"), notes.OFFERED) or {}).get("columns", {})
    empty = [name for name, found in values.items() if all(value is None for value in found)]
    return {name: str(why) if (why := said.get(name, True)) is not True else "no value in this range" for name in empty}


def _monthly(held: Held) -> Table:
    rows = held.ask(
        "SELECT strftime(day, '%Y-%m') AS month, arg_min(open, open_ms), max(high), min(low), arg_max(close, open_ms),"
        " sum(quote_volume), arg_max(oi_now, open_ms), avg(funding_now), sum(liq_long), sum(liq_short)"
        " FROM bars GROUP BY month ORDER BY month"
    )
    return Table("price-months", "Price and turnover by month", MONTHLY, [[_cell(v) for v in row] for row in rows])


def _cell(value: Any) -> Any:
    return brief(value) if isinstance(value, float) else value


def _wildest(held: Held) -> Figure:
    """The day of the widest range at every bar; of bars too long for that, those around it."""
    found, wide = held.row(
        "SELECT day, ln(max(high) / min(low)) AS wide FROM bars GROUP BY day ORDER BY wide DESC, day LIMIT 1"
    )
    start = day_start(found)
    around = 0 if held.tf.per_day >= FEW else FEW * held.tf.ms
    first, last = held.row(
        f"SELECT min(open_ms), max(open_ms) + {held.tf.ms} FROM bars"
        f" WHERE open_ms >= {start - around} AND open_ms < {start + DAY + around}"
    )
    grid, values = stepped(held, held.tf.ms, first, last)
    worst, worst_at = held.row(
        f"SELECT max(ln(high / low)), arg_max(open_ms, ln(high / low)) FROM bars WHERE day = DATE '{found}'"
    )
    summary = sentence([
        f"{day(start)}: high over low {written(wide, 'ratio')} in logs",
        f"its widest bar opened {instant(worst_at)}, {written(worst, 'ratio')}",
        f"every {held.tf} bar is drawn",
    ])  # fmt: skip
    chart = {"kind": "time", "x": grid, "panels": _panels(values)[:2]}
    return Figure("wildest", "The day of the widest range", summary, chart)
