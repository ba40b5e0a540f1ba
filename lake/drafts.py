"""What is to be written of a day is judged, encoded and described before anything is written."""

from __future__ import annotations

import stat
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from lake import days, parts, revisions
from lake.layout import MANIFEST, SUCCESS, Shelf
from lake.manifest import Entry, Provenance
from meta.errors import Refused


@dataclass(frozen=True)
class Draft:
    """A day as it will be: its manifest entries before and after (None: absent), and the bytes of its part.

    kept : what is kept of the generation that goes, where revisions are.
    """

    day: date
    old: Entry | None
    new: Entry | None
    data: bytes = b""
    kept: revisions.Kept | None = None


def of(
    shelf: Shelf, day: date, table: pa.Table, provenance: Provenance, guard: bool, bodies: Mapping[str, str]
) -> Draft:
    """What is to be written of this day? Reads only, so that any thread may ask; old and new alike: nothing.

    With `guard`, a day of fewer bars, or fewer values in any column, than the committed one is refused.
    bodies : column -> sha256 of the bodies its values come from. Raises Refused, Tampered.
    """
    parts.belongs(table, day, shelf.tf, shelf.symbol)
    old = days.entry(shelf, day)
    data = parts.encoded(table)
    new = parts.entry_of(table, data, shelf.part_name(day), provenance)
    if old is None:
        _nothing_in_the_way(shelf, day)
    if old is None or old == new:
        return Draft(day, old, new, data)
    _no_stranger_in(shelf, day)
    if guard:
        _does_not_shrink(shelf, day, table)
    return Draft(day, old, new, data, _kept(shelf, day, table, new, bodies))


def removal(shelf: Shelf, day: date) -> Draft:
    """What is to be done so that this day goes? Nothing where it is not committed. Raises Refused, Tampered."""
    old = days.entry(shelf, day)
    if old is None:
        return Draft(day, None, None)
    _no_stranger_in(shelf, day)
    return Draft(day, old, None, kept=_kept(shelf, day, None, None, {}))


def stays_inside(shelf: Shelf, folder: Path) -> None:
    """A lake is written below its root only, however the folders in it came to be links. Raises Refused."""
    if not folder.resolve().is_relative_to(shelf.root.resolve()):
        raise Refused(f"{shelf}: {folder} leads out of the lake by a link; put a folder in the link's place")


def _kept(
    shelf: Shelf, day: date, table: pa.Table | None, new: Entry | None, bodies: Mapping[str, str]
) -> revisions.Kept | None:
    if not revisions.are_kept(shelf):
        return None
    return revisions.kept(shelf, days.need(shelf, day), table, new, bodies)


def _nothing_in_the_way(shelf: Shelf, day: date) -> None:
    folder = shelf.day_folder(day)
    try:
        known = folder.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return
    if not stat.S_ISDIR(known.st_mode) or any(folder.iterdir()):
        raise Refused(f"{shelf} {day}: {folder} holds files that no commit of ours made; move them away first")


def _no_stranger_in(shelf: Shelf, day: date) -> None:
    """A folder is exchanged whole, and a stranger's file would go with it."""
    known, folder = {shelf.part_name(day), MANIFEST, SUCCESS}, shelf.day_folder(day)
    strangers = sorted(path.name for path in folder.iterdir() if path.name not in known)
    if strangers:
        raise Refused(f"{shelf} {day}: {folder} also holds {strangers[0]!r}, which is not ours; move it away first")


def _does_not_shrink(shelf: Shelf, day: date, table: pa.Table) -> None:
    old = days.need(shelf, day).table()
    if table.num_rows < old.num_rows:
        raise Refused(_shrinks(shelf, day, f"{table.num_rows} bars", f"{old.num_rows}"))
    for name in old.column_names:
        kept = _said(table.column(name)) if name in table.column_names else 0
        if kept < _said(old.column(name)):
            raise Refused(_shrinks(shelf, day, f"{kept} values of {name}", f"{_said(old.column(name))}"))


def _said(column: pa.ChunkedArray) -> int:
    """How many values does a column hold that are neither null nor NaN?"""
    if pa.types.is_floating(column.type):
        return int(pc.sum(pc.is_finite(column)).as_py() or 0)
    return len(column) - column.null_count


def _shrinks(shelf: Shelf, day: date, now: str, before: str) -> str:
    return f"{shelf} {day}: the answer holds {now}, the committed day {before}; --force writes it all the same"
