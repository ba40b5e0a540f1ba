"""Which days is a command about? A stretch of UTC days, as flags name it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from meta.errors import Usage


@dataclass(frozen=True)
class Span:
    """Which days a command is about: the last `days`, or start to end; all None means all there are."""

    days: int | None = None
    start: date | None = None
    end: date | None = None
    only: frozenset[date] | None = None  # of these, the days a glob selects

    def __bool__(self) -> bool:
        return not (self.days is None and self.start is None and self.end is None)

    def has(self, day: date) -> bool:
        """Does a day lie between start and end?"""
        inside = (self.start is None or day >= self.start) and (self.end is None or day <= self.end)
        return inside and (self.only is None or day in self.only)

    def of(self, known: list[date]) -> list[date]:
        """Which of these ascending days are meant?"""
        inside = [day for day in known if self.has(day)]
        return inside[-self.days :] if self.days is not None else inside


def parsed_day(text: str, flag: str) -> date:
    """Which UTC day does this date or time name? Raises Usage."""
    cleaned = text.strip()
    try:
        if re.fullmatch(r"\d{4}-\d{2}-\d{2}", cleaned):
            return date.fromisoformat(cleaned)
        moment = datetime.fromisoformat(cleaned)
        return (moment.astimezone(UTC) if moment.tzinfo else moment).date()
    except (ValueError, OverflowError):
        raise Usage(f"{flag} {text!r} is not a date; write it like 2025-01-31") from None


def make_span(days: int | None, start: str | None, end: str | None) -> Span:
    """Which days do the flags mean? Raises Usage where they contradict each other."""
    if days is not None and start and end:
        raise Usage("give --days, or --start and --end, not both")
    first = parsed_day(start, "--start") if start else None
    last = parsed_day(end, "--end") if end else None
    try:
        if days is not None and first:
            return Span(None, first, first + timedelta(days=days - 1))
        if days is not None and last:
            return Span(None, last - timedelta(days=days - 1), last)
    except OverflowError:
        raise Usage(f"{days} days reach beyond the calendar; give fewer") from None
    if first and last and first > last:
        raise Usage(f"--start {first} lies after --end {last}; swap them")
    return Span(days, first, last)
