"""A universe file is written once and read strictly."""

from __future__ import annotations

import json
import os
import re
from datetime import date
from pathlib import Path
from typing import Any

import msgspec

from lake import disk
from lake.manifest import digest
from lake.settings import shown
from lake.span import parsed_day
from meta.errors import Refused, Usage
from meta.symbols import symbol as checked_symbol
from meta.timeframes import days_between
from meta.universe import Snapshot, Universe, fault

When = str | date | None
LARGEST = 1 << 29  # bytes; a thousand symbols over ten years are 150 MB
DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)


def read(path: Path) -> Universe:
    """What does this universe file say? Raises Usage, naming what is wrong with it."""
    return decoded(_bytes(path), shown(path))


def sha256(path: Path) -> str:
    """What is the sha256 of this file?"""
    return digest(_bytes(path))


def decoded(data: bytes, where: str) -> Universe:
    """Which universe is this? Raises Usage: unknown keys, keys twice, days or symbols that do not add up."""
    try:
        found = msgspec.json.decode(data, type=Universe)
        json.loads(data, object_pairs_hook=_each_once)  # msgspec keeps the last of two equal keys in silence
        wrong = fault(found, _days(found))
        for name in found.requested_symbols:
            if checked_symbol(name) != name:
                wrong = wrong or f"symbol {name!r} is not in capitals"
    except (msgspec.DecodeError, ValueError, RecursionError, Usage) as error:
        wrong = " ".join(str(error).split())[:200]
    if wrong:
        raise Usage(f"{where} is no universe of version 2.0 or 2.1: {wrong}; define it anew")
    return found


def encoded(universe: Universe) -> bytes:
    """How is a universe written?"""
    return msgspec.json.format(msgspec.json.encode(universe), indent=1) + b"\n"


def is_free(path: Path, force: bool) -> None:
    """May a universe be written here? Raises Refused where one stands, unless `force`: such a file is never changed;
    and where nothing can be written, before hours of asking are lost."""
    if path.is_dir():
        raise Refused(f"{shown(path)} is a folder; give a file as --output")
    if path.exists() and not force:
        raise Refused(f"{shown(path)} exists, and a universe is not changed; give another --output, or --force")
    above = next(folder for folder in path.absolute().parents if folder.exists())
    if not above.is_dir() or not os.access(above, os.W_OK | os.X_OK):
        raise Refused(f"{shown(above)} is no folder that can be written to; give another --output")


def write(path: Path, universe: Universe, force: bool = False) -> None:
    """Write this universe, whole or not at all. Raises Refused where a file stands there, unless `force`."""
    data = encoded(universe)
    decoded(data, shown(path))
    is_free(path, force)
    disk.make_folders(path.absolute().parent)
    disk.write_over(path.absolute(), data)


def bounds(start: When, end: When) -> tuple[date | None, date | None]:
    """Which days do these mean? None stays None. Raises Usage."""
    return _bound(start, "--start-date"), _bound(end, "--end-date")


def _bound(when: When, flag: str) -> date | None:
    return parsed_day(when, flag) if isinstance(when, str) else when


def within(universe: Universe, start: When = None, end: When = None) -> list[Snapshot]:
    """Which of its days lie from start to end, both inclusive? A bound that is None is the universe's own.

    Raises Usage where they lie outside of it, or the wrong way round.
    """
    first, last = _date(universe.start_date), _date(universe.end_date)
    begin, until = bounds(start, end)
    start, end = begin or first, until or last
    if start > end:
        raise Usage(f"--start-date {start} lies after --end-date {end}; swap them")
    if start < first or end > last:
        raise Usage(f"{start} … {end} is not within the universe's {first} … {last}; give dates inside of it")
    return list(universe.daily_snapshots[(start - first).days : (end - first).days + 1])


def active(universe: Universe) -> dict[str, set[str]]:
    """Which symbols are active on each day (ISO date)?"""
    return {snapshot.date: set(snapshot.active_symbols) for snapshot in universe.daily_snapshots}


def _bytes(path: Path) -> bytes:
    try:
        if path.stat().st_size > LARGEST:
            raise Usage(f"{shown(path)} is larger than {LARGEST:,} bytes; no universe is")
        return path.read_bytes()
    except FileNotFoundError:
        raise Usage(f"{shown(path)} does not exist; `python -m p1_ingest universe define` makes one") from None
    except IsADirectoryError:
        raise Usage(f"{shown(path)} is a folder; give a universe file") from None


def _days(universe: Universe) -> list[str]:
    start, end, held = _date(universe.start_date), _date(universe.end_date), len(universe.daily_snapshots)
    if (end - start).days + 1 != held or not held:
        raise ValueError(f"{start} … {end} are not the {held} days that daily_snapshots hold")
    return [str(day) for day in days_between(start, end)]


def _date(text: str) -> date:
    try:
        if DATE.fullmatch(text):
            return date.fromisoformat(text)
    except ValueError:
        pass
    raise ValueError(f"{text[:40]!r} is no date such as 2024-10-01")


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return found
