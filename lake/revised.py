"""Is what was kept of rewritten days true? Each revision is read again, and proved from the day that stands there."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from lake import changes, days, layout, locks, log, raw, regular, revisions, roots
from lake.layout import Shelf, checked_or_none
from lake.manifest import NONE, mark
from lake.recover import day_of
from lake.revisions import Revision
from meta.datasets import DATASETS
from meta.errors import Tampered
from meta.timeframes import DAY, TIMEFRAMES, day_start

Fault = tuple[Path, str, str, bool]  # where, what is wrong, what heals it, and whether an answer would be wrong by it
KEPT = re.compile(r"(?P<day>[0-9]{8})-(?P<old>[0-9a-f]{16})-(?P<new>none|[0-9a-f]{16})\.parquet")
LIVE = re.compile(rf"{revisions.LIVE}-(?P<day>[0-9]{{8}})\.parquet")
COPY = "take it from a copy, or remove it: what it kept is lost then"
MOVE = "move it out of the lake"
Told = Mapping[date, Sequence[log.Line]]


def faults(root: Path, share: float = 1.0) -> Iterator[Fault]:
    """What is not as it should be under revisions/? Every byte is read.

    share : of the days whose revisions are proved, spread evenly. Writers may go on: what looks wrong is looked at
    again while nothing can be published.
    """
    places = {revisions.folder(shelf): shelf for shelf in roots.shelves(root, DATASETS["bars"])}
    for tf in _entries(root / revisions.FOLDER):
        named = tf.name in TIMEFRAMES and tf.is_dir() and not tf.is_symlink()
        if not named:
            yield _stranger(tf)
        for place in _entries(tf) if named else ():
            if place.is_symlink() or not place.is_dir() or checked_or_none(place.name) != place.name:
                yield _stranger(place)
            else:
                places[place] = layout.shelf(root, DATASETS["bars"], TIMEFRAMES[tf.name], place.name)
    for shelf in places.values():
        yield from _twice(shelf, share)


def _twice(shelf: Shelf, share: float) -> list[Fault]:
    found = list(_of(shelf, share))
    if found:
        with locks.snapshot(shelf.root):
            found = list(_of(shelf, share))
    return found


def _of(shelf: Shelf, share: float) -> Iterator[Fault]:
    """What is wrong with one shelf's files?"""
    paths = _entries(revisions.folder(shelf))
    staged = {path.name for path in _entries(shelf.root / ".lake" / "staging")}
    told = revisions.told(shelf)  # read last: a writer tells, and only then clears its staging
    sound: dict[date, list[Revision]] = {}
    for path in paths:
        kept, live = KEPT.fullmatch(path.name), LIVE.fullmatch(path.name)
        day = day_of((kept or live)["day"]) if kept or live else None  # type: ignore[index]
        if day is None or path.is_symlink():
            yield from () if _is_a_writers(shelf, path, staged) else [_stranger(path)]
            continue
        try:
            if live:
                _is_live(shelf, day, path)
                continue
            one, bodies = _kept(shelf, day, path)
        except FileNotFoundError:  # its publish did not come about meanwhile
            continue
        except Tampered as error:
            yield path, str(error).removeprefix(f"{path} ").split(";")[0], COPY, True
            continue
        sound.setdefault(day, []).append(one)
        yield from _claims(shelf, one, bodies, told.get(day, ()), staged)
    yield from _proved(shelf, sound, share)
    yield from _not_kept(shelf, told, sound)


def _kept(shelf: Shelf, day: date, path: Path) -> tuple[Revision, set[str]]:
    """The revision in this file, and which bodies it names, if it is as it was written.

    Raises Tampered with what is wrong, FileNotFoundError.
    """
    rows, footer = _rows(path)
    one = revisions.of(path, rows.select(changes.SCHEMA.names), footer)
    name = f"{day:%Y%m%d}-{mark(one.old)}-{mark(one.new)}.parquet"
    if path.name != name or any(entry and entry.file != shelf.part_name(day) for entry in (one.old, one.new)):
        raise Tampered(f"holds the revision {name}")
    if not rows.equals(revisions.rows_of(shelf, day, one, rows.column("body"))):
        raise Tampered("tells of another symbol, day or part than its name")
    _within(day, rows)
    return one, {sha for text in pc.unique(rows.column("body")).to_pylist() if text for sha in text.split()}


def _is_live(shelf: Shelf, day: date, path: Path) -> None:
    """Are these changes of bars that were not committed, as they were written? Raises Tampered, FileNotFoundError."""
    rows, _ = _rows(path)
    fixed = {"symbol": shelf.symbol, "tf": shelf.tf.name, "old_part": revisions.LIVE, "new_part": revisions.LIVE}
    if any(pc.unique(rows.column(name)).to_pylist() not in ([], [value]) for name, value in fixed.items()):
        raise Tampered("tells of another symbol or timeframe than its place")
    seen = rows.column("last_seen")
    if seen.null_count or seen.to_pylist() != sorted(seen.to_pylist()):
        raise Tampered("does not tell from when to when its values stood")
    _within(day, rows)


def _rows(path: Path) -> tuple[pa.Table, Mapping[str, str]]:
    """All that a file holds, and its footer, if it is the bytes that were written. Raises Tampered, FileNotFoundError.

    Each page is compared with its checksum. What none guards is guarded by writing it again: the same writer makes the
    same bytes of the same rows.
    """
    data = regular.read(path)
    try:
        with pq.ParquetFile(pa.BufferReader(data), page_checksum_verification=True) as file:
            rows, footer, writer = file.read(use_threads=False), revisions.footer_of(file), file.metadata.created_by
    except (pa.ArrowException, OSError, ValueError, KeyError) as error:
        raise Tampered(f"is damaged ({type(error).__name__})") from None
    if rows.schema != revisions.SCHEMA:
        raise Tampered("has other columns than a revision")
    if writer == _writer() and _encoded(rows, footer) != data:
        raise Tampered("is not the bytes that were written")
    return rows, footer


@functools.cache
def _writer() -> str:
    empty = _encoded(revisions.SCHEMA.empty_table(), {})
    return str(pq.read_metadata(pa.BufferReader(empty)).created_by)


def _encoded(rows: pa.Table, footer: Mapping[str, str]) -> bytes:
    return revisions.encoded({name: rows.column(name).combine_chunks() for name in rows.column_names}, footer)


def _within(day: date, rows: pa.Table) -> None:
    ts = rows.column("ts").cast(pa.int64())
    if len(ts) and not (pc.min(ts).as_py() > day_start(day) and pc.max(ts).as_py() <= day_start(day) + DAY):
        raise Tampered("tells of bars of another day")


def _claims(
    shelf: Shelf, one: Revision, bodies: set[str], told: Sequence[log.Line], staged: set[str]
) -> Iterator[Fault]:
    """Does the log tell of this change, and are the bodies there that it names?"""
    if not _is_staged(shelf, one.path.name, staged) and not any(one.tells(line) for line in told):
        yield one.path, "is of a change the log does not tell of", "remove it, unless the log is to be mended", False
    gone = sorted(sha for sha in bodies if not raw.path(shelf.root, sha).is_file())
    if gone:
        fact = f"names {len(gone)} bodies that are gone from raw, the first {gone[0][:12]}…"
        yield one.path, fact, "take them from a copy of raw; what it kept is sound", False


def _is_staged(shelf: Shelf, name: str, staged: set[str]) -> bool:
    """Does the staging folder stand of the publish that this file is kept for?"""
    return f"{locks.job_name(shelf)}~{'~'.join(name.split('.')[0].split('-'))}" in staged


def _is_a_writers(shelf: Shelf, path: Path, staged: set[str]) -> bool:
    """Is this being written just now, or will recovery remove it?"""
    left = path.name.startswith(".") and path.name.endswith(".tmp")
    return left and (_is_staged(shelf, path.name[1:], staged) or locks.holder(shelf) is not None)


def _proved(shelf: Shelf, sound: Mapping[date, Sequence[Revision]], share: float) -> Iterator[Fault]:
    """Does each lead from the day that stands there, or one it led to, to the day it was kept of?"""
    for i, (day, some) in enumerate(sound.items()):
        if int((i + 1) * share) == int(i * share):
            continue
        try:
            today = days.read(shelf, day)
        except Tampered:  # told of as a day
            continue
        known: dict[str, pa.Table | None] = {mark(today.entry): today.table()} if today else {}
        known[NONE] = None
        rest = list(some)
        while there := [one for one in rest if mark(one.new) in known]:
            rest = [one for one in rest if mark(one.new) not in known]
            for one in there:
                was = _was(shelf, one, known[mark(one.new)])
                if was is None:
                    yield one.path, "does not lead to the day it was kept of", COPY, True
                    continue
                known[mark(one.old)] = was


def _was(shelf: Shelf, one: Revision, after: pa.Table | None) -> pa.Table | None:
    """The table it was kept of, made of the next one; None where that is another, or its changes are others."""
    start = one.schema.empty_table() if after is None else after
    was = changes.undone(start, one.cells, one.schema, shelf.symbol)
    same = changes.digest(was) == one.values and changes.between(was, start).equals(one.cells)
    return was if same else None


def _not_kept(shelf: Shelf, told: Told, sound: Mapping[date, Sequence[Revision]]) -> Iterator[Fault]:
    """Which rewrites does the log tell of that nothing was kept of, and no damaged file stands for?"""
    known = {one.path for some in sound.values() for one in some}
    damaged = {path.name[:8] for path in _entries(revisions.folder(shelf)) if path not in known}
    lost = [
        line
        for day, lines in told.items()
        for line in lines
        if line.old != log.ABSENT and f"{day:%Y%m%d}" not in damaged
        if not any(one.tells(line) for one in sound.get(day, ()))
    ]
    if lost:
        fact = f"has nothing of {len(lost)} rewrites the log tells of, the first of {lost[0].day}, {lost[0].time}"
        heals = "take what is missing from a copy; from before there were revisions there is none"
        yield revisions.folder(shelf), fact, heals, False


def _stranger(path: Path) -> Fault:
    if path.name.startswith(".") and path.name.endswith(".tmp"):
        return path, "was left by a writer that died", "remove it", False
    return path, "was put there by no phase", MOVE, path.is_symlink() or path.suffix == ".parquet"


def _entries(path: Path) -> list[Path]:
    try:
        return sorted(path.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []
