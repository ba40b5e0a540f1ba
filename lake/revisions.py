"""What a day said before it was rewritten is kept: the cells that changed, the manifest, and proof of the way back.

    revisions/{tf}/{SYMBOL}/20250501-<old>-<new>.parquet    a committed day, by what its manifest was and became
    revisions/{tf}/{SYMBOL}/live-20250501.parquet           bars that changed before their day was committed

The first is a function of the two generations alone and tells no time: the log does, of each publish. It is durable
before the publish; one whose publish the log never tells is no revision, and recovery removes it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from lake import changes, disk, log, parts, regular
from lake.days import Day
from lake.layout import Shelf
from lake.manifest import Entry, mark, parsed, written
from lake.roots import source_name
from meta.columns import REVISIONS
from meta.datasets import DATASETS
from meta.errors import Refused, Tampered

FOLDER, LIVE = "revisions", "live"
FOOTER = ("old", "new", "schema", "values")  # manifests, columns, digest of the values: in this order
SCHEMA = parts.schema_of(REVISIONS)
KINDS = {str(kind): kind for kind in parts.TYPES.values()}


@dataclass(frozen=True)
class Kept:
    """A revision as it will be written, once its day is to be published."""

    path: Path
    data: bytes


@dataclass(frozen=True)
class Revision:
    """One generation of a day, by what the next one changed of it.

    old : its manifest entry; new : the next one's, None where the day went away. values : the digest of all it said.
    """

    path: Path
    old: Entry
    new: Entry | None
    schema: pa.Schema
    values: str
    cells: pa.Table

    def tells(self, line: log.Line) -> bool:
        """Is this line of the log about this change?"""
        return (line.old, line.new) == (self.old.sha256, self.new.sha256 if self.new else log.ABSENT)


def are_kept(shelf: Shelf) -> bool:
    """Are this shelf's revisions kept? P2's and P3's days are made again from P1's."""
    return shelf.dataset is DATASETS["bars"]


def folder(shelf: Shelf) -> Path:
    """Where are this shelf's revisions?"""
    return shelf.root / FOLDER / shelf.tf.name / shelf.symbol


def kept(shelf: Shelf, before: Day, table: pa.Table | None, new: Entry | None, bodies: Mapping[str, str]) -> Kept:
    """What is kept of a day, as committed before, that this table replaces (None: nothing does)?

    bodies : column -> sha256 of the bodies its values come from. Raises Refused where the way back is not exact.
    """
    was = before.table()
    after = was.slice(0, 0) if table is None else table
    cells = changes.between(was, after)
    values = changes.digest(was)
    if changes.digest(changes.undone(after, cells, was.schema, shelf.symbol)) != values:
        raise Refused(f"{shelf} {before.day}: the way back to what it said is not exact; report this as a fault")
    names = cells.column("column").combine_chunks().dictionary_encode()
    told = pa.array([bodies.get(name) for name in names.dictionary.to_pylist()], pa.string()).take(names.indices)
    manifests = written([before.entry]).decode(), written([new]).decode() if new else ""
    schema = "".join(f"{field.name}\t{field.type}\n" for field in was.schema)
    footer = dict(zip(FOOTER, (*manifests, schema, values), strict=True))
    data = encoded(_between(shelf, before.day, cells, before.entry, new, told), footer)
    return Kept(_path(shelf, before.day, mark(before.entry), mark(new)), data)


def write(shelf: Shelf, some: Sequence[Kept]) -> None:
    """Put these in their place, durably."""
    if not some:
        return
    place = folder(shelf)
    disk.make_folders(place)
    for one in some:
        disk.write_loose(one.path, one.data)
    disk.sync_all([one.path for one in some])
    disk.sync_folder(place)


def forget(shelf: Shelf, day: date, old: str, new: str) -> None:
    """Remove what was kept for a publish that did not come about (manifests as marked), unless an earlier one did."""
    path = _path(shelf, day, old, new)
    for left in folder(shelf).glob(f".{path.name}.*.tmp"):
        disk.unlink(left)
    try:
        found = read(path)
    except (FileNotFoundError, Tampered):
        return
    if not any(found.tells(line) for line in told(shelf).get(day, ())):
        disk.unlink(path)


def told(shelf: Shelf) -> dict[date, list[log.Line]]:
    """What does the log tell of this shelf's days, oldest first?"""
    found: dict[date, list[log.Line]] = {}
    for line in log.of(shelf):
        found.setdefault(date.fromisoformat(line.day), []).append(line)
    return found


def into(shelf: Shelf, day: date, new: Entry | None) -> list[Revision]:
    """Which generations of this day did this one (None: its absence) take the place of?"""
    start = f"{day:%Y%m%d}-"
    return [read(path) for path in sorted(folder(shelf).glob(f"{start}*-{mark(new)}.parquet"))]


def read(path: Path) -> Revision:
    """Which revision does this file keep? Raises FileNotFoundError, Tampered."""
    data = regular.read(path)
    try:
        with pq.ParquetFile(pa.BufferReader(data)) as file:
            rows, footer = file.read(columns=changes.SCHEMA.names, use_threads=False), footer_of(file)
    except (pa.ArrowException, OSError, KeyError, ValueError) as error:
        raise _is_none(path, error) from None
    return of(path, rows, footer)


def footer_of(file: pq.ParquetFile) -> dict[str, str]:
    """What does the footer say beside the rows? Nothing in a file of live bars. Raises KeyError, ValueError."""
    said = file.metadata.metadata or {}
    return {name: said[name.encode()].decode() for name in FOOTER if said}


def of(path: Path, cells: pa.Table, footer: Mapping[str, str]) -> Revision:
    """Which revision do these rows and this footer make? Raises Tampered."""
    try:
        named = (line.split("\t") for line in footer["schema"].splitlines())
        schema = pa.schema([pa.field(name, KINDS[kind]) for name, kind in named])
        old, new = (parsed(footer[side].encode(), str(path)) if footer[side] else [None] for side in ("old", "new"))
        assert old[0] is not None
        return Revision(path, old[0], new[0], schema, footer["values"], cells)
    except (pa.ArrowException, KeyError, ValueError, AttributeError, AssertionError) as error:
        raise _is_none(path, error) from None


def _is_none(path: Path, error: Exception) -> Tampered:
    fact = f"is no revision ({type(error).__name__})"
    return Tampered(f"{path} {fact}; take it from a copy, or remove it: what it kept is lost then")


def add_live(shelf: Shelf, day: date, source: str, cells: pa.Table, first: Sequence[int | None], at: int) -> None:
    """Keep what changed of bars of a day that is not committed, as known from `at` (UTC ms) on.

    first : for each cell, when its old value was first seen (UTC ms), None where nobody knows. The caller holds the
    right to follow.
    """
    path = folder(shelf) / f"{LIVE}-{day:%Y%m%d}.parquet"
    rows = _rows(shelf, day, cells, (LIVE, LIVE))
    rows["first_seen"] = pa.array(first, pa.int64()).cast(changes.STAMP)
    rows["last_seen"] = pa.array([at] * len(cells), pa.int64()).cast(changes.STAMP)
    rows["source"] = _same(source, len(cells))
    before = live(shelf, day)
    disk.make_folders(path.parent)
    disk.write_over(path, encoded({name: pa.concat_arrays([*_chunks(before, name), rows[name]]) for name in rows}, {}))


def live(shelf: Shelf, day: date) -> pa.Table:
    """What changed of this day's bars before it was committed, oldest first?"""
    path = folder(shelf) / f"{LIVE}-{day:%Y%m%d}.parquet"
    try:
        return parts.decoded(regular.read(path), str(path), remedy="remove it: what it kept is lost")
    except FileNotFoundError:
        return SCHEMA.empty_table()


def folders(root: Path) -> Iterator[Path]:
    """Which folders hold revisions, of any symbol?"""
    yield from sorted(path for path in (root / FOLDER).glob("*/*") if any(path.glob("*.parquet")))


def _path(shelf: Shelf, day: date, old: str, new: str) -> Path:
    return folder(shelf) / f"{day:%Y%m%d}-{old}-{new}.parquet"


def _rows(shelf: Shelf, day: date, cells: pa.Table, between: tuple[str, str]) -> dict[str, pa.Array]:
    """The columns of a file, those that are one value throughout filled with it, those that are not known with null."""
    n = len(cells)
    fixed = {"symbol": shelf.symbol, "tf": shelf.tf.name, "old_part": between[0], "new_part": between[1], "day": day}
    found = {}
    for field in SCHEMA:
        if field.name in cells.column_names:
            found[field.name] = cells.column(field.name).combine_chunks()
        elif field.name in fixed:
            found[field.name] = _same(fixed[field.name], n, field.type)
        else:
            found[field.name] = pa.nulls(n, field.type)
    return found


def rows_of(shelf: Shelf, day: date, one: Revision, bodies: pa.ChunkedArray) -> pa.Table:
    """All rows of a file that keeps this revision, whose values come from these bodies."""
    rows = _between(shelf, day, one.cells, one.old, one.new, bodies.combine_chunks())
    return pa.Table.from_arrays(list(rows.values()), schema=SCHEMA)


def _between(
    shelf: Shelf, day: date, cells: pa.Table, old: Entry, new: Entry | None, bodies: pa.Array
) -> dict[str, pa.Array]:
    rows = _rows(shelf, day, cells, (old.sha256, new.sha256 if new else log.ABSENT))
    return rows | {"body": bodies, "source": _same(source_name((new or old).source), len(cells))}


def _same(value: object, n: int, kind: pa.DataType | None = None) -> pa.Array:
    return pa.repeat(pa.scalar(value, kind or pa.string()), n)


def _chunks(table: pa.Table, name: str) -> Iterable[pa.Array]:
    return table.column(name).chunks


def encoded(rows: Mapping[str, pa.Array], footer: Mapping[str, str]) -> bytes:
    """How are these rows written? The same bytes for the same rows and footer."""
    sink = pa.BufferOutputStream()
    options = {"compression": "zstd", "compression_level": 3, "write_page_checksum": True, "store_schema": False}
    with pq.ParquetWriter(sink, SCHEMA, **options) as writer:
        writer.write_table(pa.Table.from_arrays(list(rows.values()), schema=SCHEMA))
        if footer:
            writer.add_key_value_metadata(dict(footer))
    return sink.getvalue().to_pybytes()
