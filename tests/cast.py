"""A made-up archive of symbols that live as they do: listed late, delisted, listed again, with holes and bad files.

All of them have the price and the open interest of one, fallen or not, and a turnover of their own: what it costs to
make up a market is then paid once.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

from meta.timeframes import HOUR, Timeframe, day_start, days_between, timeframe
from tests.archive import FOLDERS, KLINES, METRICS, STEP, Archive, bars, csv, metrics, premiums

TF = timeframe("1h")
START = date(2024, 3, 4)
BASE = "BASEUSDT"
PRICES, COINS, TURNOVER = (1, 2, 3, 4), (5, 9), (7, 10)  # fields of a kline row


@dataclass(frozen=True)
class Life:
    """One symbol's time on the venue.

    stretches : first and last day of each listing, counted from START. opens, ends : the hour its first day begins
    at, its last one ends at. hole : (day, hour from, hour to) without bars. lost : days without a file. broken : series
    -> days whose file is not the one its digest describes. fall : log loss a day. size : turnover, as a multiple.
    """

    symbol: str
    stretches: tuple[tuple[int, int], ...]
    opens: int = 0
    ends: int = 24
    hole: tuple[int, int, int] | None = None
    lost: tuple[int, ...] = ()
    broken: dict[str, tuple[int, ...]] = field(default_factory=dict)
    fall: float = 0.0
    size: float = 1.0

    def days(self) -> list[date]:
        """Every day it traded on."""
        return [day for first, last in self.stretches for day in days_between(on(first), on(last))]

    def survives(self, last: int) -> bool:
        """Is it still listed at the end of the archive?"""
        return self.stretches[-1][1] >= last

    def hours(self, day: date) -> tuple[int, int]:
        """From which hour to which does it trade on this day?"""
        (first, _), (_, last) = self.stretches[0], self.stretches[-1]
        return (self.opens if day == on(first) else 0), (self.ends if day == on(last) else 24)


def on(number: int) -> date:
    """The day so many days after START."""
    return START + timedelta(days=number)


def cast(length: int, steady: int, before: int = 3, after: int = 3) -> list[Life]:
    """A cast for a universe of `length` days: `steady` symbols that are always there, and one of each other kind."""
    first, last, half = -before, length - 1 + after, length // 2
    found = [Life(f"S{i:02}USDT", ((first, last),), size=1 + i) for i in range(steady)]
    return [
        *found,
        Life("LATEUSDT", ((half, last),), opens=8),
        Life("GONEUSDT", ((first, half),), ends=9, fall=2.5 / half),
        Life("DOOMEDUSDT", ((first, length - 2),), ends=5, fall=2.5 / length),
        Life("BACKUSDT", ((first, 0), (length - 2, last))),
        Life("HOLEUSDT", ((first, last),), hole=(half, 5, 8)),
        Life("LOSTUSDT", ((first, last),), lost=(half - 1,)),
        Life("CRACKUSDT", ((first, last),), broken={"klines": (half + 1,)}),
        Life("TORNUSDT", ((first, last),), broken={"metrics": (half,)}),
        Life("BYGONEUSDT", ((first, -2),), fall=0.5),
        Life("FUTUREUSDT", ((length + 1, last),)),
    ]


def symbols(lives: Sequence[Life]) -> list[str]:
    """The symbols to ask for: the cast, and one that nobody knows."""
    return [*(life.symbol for life in lives), "UNKNOWNUSDT"]


def publish(archive: Archive, lives: Sequence[Life], with_metrics: bool = True, tf: Timeframe = TF) -> None:
    """Put all of it into the archive, as the venue would have by the day after its last."""
    for life in lives:
        for day in life.days():
            if (day - START).days not in life.lost:
                _put_day(archive, life, day, tf, with_metrics)
        if with_metrics:
            _put_metrics(archive, life.symbol, life.days()[-1] + timedelta(days=1))
            for month in {day.replace(day=1) for d in life.days() for day in (d, d - timedelta(days=1))}:
                archive.funding(life.symbol, month)
        for series, days in life.broken.items():
            for number in days if with_metrics or series == "klines" else ():
                _break(archive, life.symbol, series, on(number), tf)


def text(life: Life, days: Sequence[date], tf: Timeframe = TF) -> str:
    """The klines of these days, as one file has them."""
    rows = [_lived(row, life) for day in days for row in _rows(day, tf) if _trades(life, day, int(row[0]))]
    return csv(rows, KLINES)


def _put_day(archive: Archive, life: Life, day: date, tf: Timeframe, with_metrics: bool) -> None:
    rows = [_lived(row, life) for row in _rows(day, tf) if _trades(life, day, int(row[0]))]
    for series in ("klines", "mark", "index", "premium", "spot") if with_metrics else ("klines",):
        folder, told = FOLDERS[series].format(cadence="daily"), premiums(rows) if series == "premium" else rows
        header = "" if series == "spot" else KLINES
        archive.put(f"data/{folder}/{life.symbol}/{tf}/{life.symbol}-{tf}-{day}.zip", csv(told, header))
    if with_metrics:
        _put_metrics(archive, life.symbol, day)


def _put_metrics(archive: Archive, symbol: str, day: date) -> None:
    text = _metrics(day).replace(BASE, symbol)
    archive.put(f"data/futures/um/daily/metrics/{symbol}/{symbol}-metrics-{day}.zip", text)


@functools.cache
def _rows(day: date, tf: Timeframe) -> list[list[str]]:
    return bars(BASE, tf, [day])


@functools.cache
def _metrics(day: date) -> str:
    return csv(metrics(BASE, day, STEP), METRICS)


def _trades(life: Life, day: date, open_ms: int) -> bool:
    hour, (first, last) = (open_ms - day_start(day)) / HOUR, life.hours(day)
    silent = life.hole is not None and day == on(life.hole[0]) and life.hole[1] <= hour < life.hole[2]
    return first <= hour < last and not silent


def _lived(row: list[str], life: Life) -> list[str]:
    """The row at the price that is left of it, and with the symbol's own turnover."""
    left = math.exp(-life.fall * (int(row[0]) - day_start(START)) / (24 * HOUR))
    by = dict.fromkeys(PRICES, left) | dict.fromkeys(COINS, life.size) | dict.fromkeys(TURNOVER, left * life.size)
    return [f"{float(cell) * by[i]:.8f}" if i in by else cell for i, cell in enumerate(row)]


def _break(archive: Archive, symbol: str, series: str, day: date, tf: Timeframe) -> None:
    """Have the digest of this day's file be another's."""
    where = f"data/futures/um/daily/metrics/{symbol}/{symbol}-metrics-{day}.zip.CHECKSUM"
    if series != "metrics":
        where = f"data/{FOLDERS[series].format(cadence='daily')}/{symbol}/{tf}/{symbol}-{tf}-{day}.zip.CHECKSUM"
    place = archive.root / where
    place.write_text("0" * 64 + place.read_text()[64:])
