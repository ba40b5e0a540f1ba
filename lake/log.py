"""The log tells, line by line, when each day became what it is."""

from __future__ import annotations

import functools
import io
import re
from collections import deque
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import NamedTuple

from lake import disk, locks, regular
from lake.layout import Shelf

ABSENT = "absent"
PART = re.compile(f"[0-9a-f]{{64}}|{ABSENT}")


class Line(NamedTuple):
    """One publish: when, which day, and the sha256 of its part before and after (`absent` where there is none)."""

    time: str
    dataset: str
    tf: str
    symbol: str
    day: str
    old: str
    new: str

    def tells(self, other: Line) -> bool:
        """Do both lines tell the same publish, whenever they were written?"""
        return self[1:] == other[1:]

    def concerns(self, other: Line) -> bool:
        """Are both about the same day of the same shelf?"""
        return self[1:5] == other[1:5]


def line(shelf: Shelf, day: date, old: str, new: str) -> Line:
    """Which line tells that this day was published just now?"""
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return Line(now, shelf.dataset.name, shelf.tf.name, shelf.symbol, day.isoformat(), old, new)


def path(root: Path) -> Path:
    """Where is the log of this lake?"""
    return root / ".lake" / "log.tsv"


def append(root: Path, lines: Iterable[Line]) -> None:
    """Tell of publishes, durably. Writers of other shelves may append at the same time."""
    data = "".join("\t".join(entry) + "\n" for entry in lines).encode()
    with locks.telling(root):
        disk.append(path(root), data)
        disk.sync_folder(path(root).parent)


def lines(root: Path, about: str = "") -> Iterator[Line]:
    """What does the log tell, oldest first? A line torn by a crash is passed over: recovery tells it again.

    A last line that lacks only its line break has told everything; telling it again would tell of two publishes.
    about : only of lines with these words.
    """
    try:
        found = regular.opened(path(root))
    except FileNotFoundError:
        return
    with io.TextIOWrapper(found, encoding="utf-8", errors="replace") as file:
        for text in file:
            cells = text.rstrip("\n").split("\t") if about in text else ()
            if len(cells) == 7 and _is_day(cells[4]) and PART.fullmatch(cells[6]):
                yield Line(*cells)


def of(shelf: Shelf) -> Iterator[Line]:
    """What does the log tell of this shelf, oldest first? Lines of others cost nothing: a lake may have hundreds."""
    return lines(shelf.root, "\t".join(("", shelf.dataset.name, shelf.tf.name, shelf.symbol, "")))


@functools.lru_cache(1 << 14)
def _is_day(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def last_words(shelf: Shelf) -> dict[date, str]:
    """What is the log's last word on each day of this shelf: the sha256 of its part? Not of days taken away."""
    told = {line.day: line.new for line in of(shelf)}
    return {date.fromisoformat(day): new for day, new in told.items() if new != ABSENT}


def complete(root: Path, wanted: Line) -> bool:
    """Make sure the log's last word on this day is `wanted`; returns whether it had to be added."""
    last = None
    for told in lines(root):
        if told.concerns(wanted):
            last = told
    if last is not None and last.tells(wanted):
        return False
    append(root, [wanted])
    return True


def generation(shelf: Shelf) -> Line | None:
    """What is the last line about this shelf?"""
    return next(iter(deque(of(shelf), 1)), None)
