"""Days are computed in stretches, and each stretch is published before the next, so that memory stays flat."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import date
from typing import TypeVar

from lake.commit import Writer
from lake.progress import Pace

T = TypeVar("T")
MOST = 400  # days from end to end: what lies around a stretch is read again for each


def stretches(days: Sequence[date], apart: int) -> list[list[date]]:
    """Ascending days in stretches that share what is read around them: none more than `apart` days from the next."""
    found: list[list[date]] = []
    for day in days:
        if not found or (day - found[-1][-1]).days > apart or (day - found[-1][0]).days >= MOST:
            found.append([])
        found[-1].append(day)
    return found


def published(
    writer: Writer,
    chunks: Sequence[Sequence[date]],
    outcomes: Iterable[T],
    stage: Callable[[T], None],
    tell: Callable[[str], None],
) -> list[date]:
    """Stage what each stretch came to, publish it, and tell how far that is; which days were written?"""
    written: list[date] = []
    done, pace = 0, Pace(sum(map(len, chunks)), "days")
    for chunk, outcome in zip(chunks, outcomes, strict=True):
        stage(outcome)
        written += writer.publish()
        done += len(chunk)
        tell(f"{writer.shelf}: {chunk[0]} … {chunk[-1]}: {pace.at(done)}")
    return written
