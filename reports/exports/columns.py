"""What an export's columns are called, and which of the lake's each one is."""

from __future__ import annotations

from dataclasses import dataclass

from meta.columns import BAR_COLUMNS, TS, Column


@dataclass(frozen=True)
class Taken:
    """One exported column. `of`: the lake's columns it is made of; none where no source is asked for it."""

    column: Column
    of: tuple[str, ...]

    @property
    def name(self) -> str:
        """What is it called in the export?"""
        return self.column.name


def _same(name: str, of: str) -> Taken:
    known = BAR_COLUMNS[of]
    return Taken(Column(name, known.type, known.unit, known.meaning), (of,))


TIME = Taken(Column("time", TS, "UTC", "the bar's open"), ("ts",))
CLOSE = Taken(Column("ts", TS, "UTC", "the bar's close, when all of its row was knowable"), ("ts",))
UNASKED = "no source is asked for it"

PRICES = [
    _same(name, of)
    for name, of in {
        "open": "open", "high": "high", "low": "low", "close": "close", "volume": "volume", "num_trades": "trades",
    }.items()
]  # fmt: skip
FUNDING = [
    _same("funding_rate", "funding_now"),
    _same("premium", "premium"),
    _same("mark_price", "mark_price"),
    _same("index_price", "index_price"),
    Taken(Column("oracle_price", "double", "quote", "oracle price: not offered by these venues"), ()),
    Taken(Column("mid_price", "double", "quote", "middle of bid and ask: not kept in bars"), ()),
    Taken(
        Column("next_funding_time", TS, "UTC", "the settlement after the one funding_rate comes from"),
        ("funding_ts", "funding_interval_hours"),
    ),
]
OPEN_INTEREST = [
    _same("open_interest", "oi_base"),
    _same("notional_value", "oi_now"),
    Taken(
        Column("day_base_volume", "double", "base", "volume of the 24 hours up to ts; null where a bar is missing"),
        ("volume",),
    ),
    Taken(
        Column("day_notional_volume", "double", "quote", "turnover of those 24 hours; null where a bar is missing"),
        ("quote_volume",),
    ),
]
BARS = {
    "candles": PRICES,
    "funding": FUNDING,
    "open_interest": OPEN_INTEREST,
    "merged": [*PRICES, *FUNDING, *OPEN_INTEREST],
}


def of_bars(kind: str) -> list[Taken]:
    """Which columns has an export of bars, in order? As its readers expect them, and the bar's close after them."""
    return [TIME, *BARS[kind], CLOSE]
