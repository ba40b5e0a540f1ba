"""Which instants does an export cover: the last days there are, or from one instant to another?"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from lake.layout import Shelf
from meta.errors import NotReady, Usage
from meta.timeframes import DAY, day_of, utc
from reports.exports.held import newest_first

FIRST, LAST = 0, 253_402_300_800_000  # 1970 and the end of year 9999


@dataclass(frozen=True)
class Between:
    """Bars whose open lies in [start, end), UTC ms."""

    start: int
    end: int

    def days(self, known: Iterable[date]) -> list[date]:
        """Which of these days may hold such bars?"""
        first, last = day_of(self.start), day_of(self.end - 1)
        return [day for day in known if first <= day <= last]

    def __str__(self) -> str:
        if self.start == FIRST:
            return "at all" if self.end == LAST else f"before {utc(self.end)}"
        return f"from {utc(self.start)} on" if self.end == LAST else f"in {utc(self.start)} … {utc(self.end)}"


@dataclass(frozen=True)
class Asked:
    """What the options say: the last `days`, or start and end (UTC ms); all None: everything there is."""

    days: int | None = None
    start: int | None = None
    end: int | None = None

    def between(self, shelves: Iterable[Shelf]) -> Between:
        """Which instants are meant, the last days ending with the last committed bar of these shelves?"""
        if self.days is None:
            return Between(FIRST if self.start is None else self.start, LAST if self.end is None else self.end)
        end = _end(shelves)
        return Between(max(FIRST, end - self.days * DAY), end)


def asked(days: int | None, start: str | None, end: str | None) -> Asked:
    """What do --days, --start-time and --end-time mean together? Raises Usage."""
    if days is not None and (start is not None or end is not None):
        raise Usage("give --days, or --start-time and --end-time, not both")
    first = None if start is None else instant(start, "--start-time")
    last = None if end is None else instant(end, "--end-time")
    if first is not None and last is not None and first >= last:
        raise Usage(f"--start-time {start} does not lie before --end-time {end}: the end itself is not included")
    return Asked(days, first, last)


def instant(text: str, flag: str) -> int:
    """Which instant (UTC ms) is this: ISO 8601, UTC where it names no zone, or Unix seconds? Raises Usage."""
    cleaned = text.strip()
    if re.fullmatch(r"[0-9]{9,10}", cleaned, re.ASCII):
        return int(cleaned) * 1000
    try:
        # Eight digits could be a date or seconds, and thirteen are milliseconds: neither is guessed at.
        moment = datetime.fromisoformat("" if cleaned.isdigit() else cleaned)
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        ms = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
    except (ValueError, OverflowError):
        ms = -1
    if not FIRST <= ms < LAST:
        raise Usage(f"{flag} {text!r} is no instant; write 2025-10-15, 2025-10-15T08:00:00 (UTC) or Unix seconds")
    return ms


def _end(shelves: Iterable[Shelf]) -> int:
    found = [last for shelf in shelves if (last := _last_close(shelf)) is not None]
    if not found:
        raise NotReady("the lake holds no bar of it yet; run `make p1`")
    return max(found)


def _last_close(shelf: Shelf) -> int | None:
    last = next((entry.max_ts for _, entry in newest_first(shelf) if entry.max_ts), None)
    return None if last is None else instant(last, "max_ts")
