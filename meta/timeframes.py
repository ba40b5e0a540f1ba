"""Which bar lengths exist, and how they lie on the UTC grid."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from meta.errors import Usage

MINUTE = 60_000  # milliseconds
HOUR = 60 * MINUTE
DAY = 24 * HOUR


@dataclass(frozen=True, order=True)
class Timeframe:
    """One bar length; `ms` is its length in milliseconds."""

    ms: int
    name: str

    @property
    def per_day(self) -> int:
        """How many bars does a UTC day hold?"""
        return DAY // self.ms

    def bars(self, ms: int) -> int:
        """How many bars make up `ms` milliseconds (whole ones)?"""
        return ms // self.ms

    def __str__(self) -> str:
        return self.name


TIMEFRAMES = {
    name: Timeframe(minutes * MINUTE, name)
    for name, minutes in {
        "1m": 1, "3m": 3, "5m": 5, "15m": 15, "30m": 30, "1h": 60, "2h": 120,
        "4h": 240, "6h": 360, "8h": 480, "12h": 720, "1d": 1440,
    }.items()
}  # fmt: skip


def timeframe(name: str) -> Timeframe:
    """Which timeframe does this name mean?

    Raises Usage, naming the nearest, where there is none.
    """
    if name in TIMEFRAMES:
        return TIMEFRAMES[name]
    near = difflib.get_close_matches(name, TIMEFRAMES, 1)
    hint = f"; did you mean {near[0]}?" if near else ""
    raise Usage(f"timeframe {name!r} is not one of {' '.join(TIMEFRAMES)}{hint}")


def day_start(day: date) -> int:
    """At which instant (UTC ms) does this UTC day begin?"""
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * 1000


def day_of(ms: int) -> date:
    """In which UTC day does this instant (UTC ms) lie?"""
    return date(1970, 1, 1) + timedelta(days=ms // DAY)


def days_between(start: date, end: date) -> list[date]:
    """Which UTC days lie from start to end, both inclusive?"""
    return [start + timedelta(days=i) for i in range((end - start).days + 1)]


def utc(ms: int) -> str:
    """How is this instant written? ISO 8601, Z, milliseconds."""
    return datetime.fromtimestamp(ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S") + f".{ms % 1000:03d}Z"
