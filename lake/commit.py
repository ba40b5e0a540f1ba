"""A day is committed by one rename; before it nothing shows, after it nothing is missing.

    stage    .lake/staging/<tx>/new/{part, MANIFEST.tsv, _SUCCESS}, complete; read back and compared
    settle   fsync every staged file and folder, and what is kept of the generations that go (lake.revisions)
    publish  absent: rename into place · present: exchange the two folders — the only commit point
             refused by the file system: make-before-break, the manifest listing {old, new} while the part changes
    durable  fsync the parent folders; log; then remove the old generation
    remove   a day that nothing makes any more goes the same way: one rename out of its place into the staging folder

The name of a staging folder says its job, its day and the manifests before and after it, so that recovery needs
nothing else to tell what was going on.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from types import MappingProxyType

import pyarrow as pa
import pyarrow.compute as pc

from lake import days, disk, locks, log, parts, recover, revisions
from lake.layout import MANIFEST, SUCCESS, Shelf
from lake.manifest import Entry, Provenance, digest, mark, parsed, written
from meta.errors import DurabilityUnknown, PerplakeError, Refused


@dataclass(frozen=True)
class Staged:
    """A day ready to be published: its staging folder, and its manifest entries before and after (None: absent).

    kept : what is kept of the generation that goes, where revisions are.
    """

    day: date
    folder: Path
    old: Entry | None
    new: Entry | None
    kept: revisions.Kept | None = None


@contextmanager
def writing(shelf: Shelf, wait: float = 0.0) -> Iterator[Writer]:
    """Hold this shelf's job lock, finish or remove what an earlier writer left, and write.

    What was staged and not published when the block ends is removed, however it ends. Raises Busy, Refused.
    """
    _is_no_other_symbols(shelf)
    _stays_inside(shelf, shelf.folder)
    with locks.job(shelf, wait):
        recover.shelf(shelf)
        writer = Writer(shelf)
        try:
            yield writer
        except BaseException:
            with contextlib.suppress(OSError):  # what failed first is what the caller needs to hear
                recover.shelf(shelf)
            raise
        recover.shelf(shelf)


class Writer:
    """Stages days one by one and publishes them together, under one hold."""

    def __init__(self, shelf: Shelf) -> None:
        self.shelf = shelf
        self.staged: list[Staged] = []

    def stage(
        self,
        day: date,
        table: pa.Table,
        provenance: Provenance,
        *,
        guard: bool = False,
        allow_shrink: bool = False,
        bodies: Mapping[str, str] = MappingProxyType({}),
    ) -> bool:
        """Prepare a day. Returns False, with nothing staged, where the committed day is the same already.

        With `guard`, a day of fewer bars, or fewer values in any column, than the committed one is refused unless
        `allow_shrink`. bodies : column -> sha256 of the bodies its values come from. Raises Refused, Tampered.
        """
        self._is_not_staged(day)
        _stays_inside(self.shelf, self.shelf.day_folder(day).parent)
        parts.belongs(table, day, self.shelf.tf, self.shelf.symbol)
        old = days.entry(self.shelf, day)
        data = parts.encoded(table)
        new = parts.entry_of(table, data, self.shelf.part_name(day), provenance)
        if old == new:
            return False
        kept = None
        if old is None:
            self._nothing_in_the_way(day)
        else:
            self._no_stranger_in(day)
            if guard and not allow_shrink:
                self._does_not_shrink(day, table)
            kept = self._kept(day, table, new, bodies)
        self.staged.append(replace(_stage(self.shelf, day, old, new, data), kept=kept))
        return True

    def remove(self, day: date) -> bool:
        """Prepare to take a day away. Returns False where it is not committed. Raises Refused, Tampered."""
        self._is_not_staged(day)
        _stays_inside(self.shelf, self.shelf.day_folder(day).parent)
        old = days.entry(self.shelf, day)
        if old is None:
            return False
        self._no_stranger_in(day)
        folder = _staging(self.shelf, day, old, None)
        disk.make_folders(folder.parent)
        disk.make_folder(folder)
        self.staged.append(Staged(day, folder, old, None, self._kept(day, None, None, {})))
        return True

    def publish(self) -> list[date]:
        """Publish everything staged: made durable, under one hold all renames and their fsyncs, the log, the clean-up.

        Raises DurabilityUnknown where the disk did not confirm what is otherwise valid.
        """
        if not self.staged:
            return []
        _settle(self.shelf, self.staged)
        with locks.publishing(self.shelf.root):
            for staged in self.staged:
                publish(self.shelf, staged)
            _make_durable(self.shelf, [staged.day for staged in self.staged])
        log.append(self.shelf.root, [logged(self.shelf, s.day, s.old, s.new) for s in self.staged])
        done = [staged.day for staged in self.staged]
        while self.staged:
            disk.remove_tree(self.staged.pop().folder)
        return done

    def _kept(
        self, day: date, table: pa.Table | None, new: Entry | None, bodies: Mapping[str, str]
    ) -> revisions.Kept | None:
        if not revisions.are_kept(self.shelf):
            return None
        return revisions.kept(self.shelf, days.need(self.shelf, day), table, new, bodies)

    def _is_not_staged(self, day: date) -> None:
        if any(staged.day == day for staged in self.staged):
            raise Refused(f"{self.shelf} {day} is staged already; publish it before staging it again")

    def _nothing_in_the_way(self, day: date) -> None:
        folder = self.shelf.day_folder(day)
        if (
            folder.is_symlink()
            or (folder.exists() and not folder.is_dir())
            or (folder.is_dir() and any(folder.iterdir()))
        ):
            raise Refused(f"{self.shelf} {day}: {folder} holds files that no commit of ours made; move them away first")

    def _no_stranger_in(self, day: date) -> None:
        """A folder is exchanged whole, and a stranger's file would go with it."""
        known = {self.shelf.part_name(day), MANIFEST, SUCCESS}
        strangers = sorted(path.name for path in self.shelf.day_folder(day).iterdir() if path.name not in known)
        if strangers:
            where = self.shelf.day_folder(day)
            raise Refused(
                f"{self.shelf} {day}: {where} also holds {strangers[0]!r}, which is not ours; move it away first"
            )

    def _does_not_shrink(self, day: date, table: pa.Table) -> None:
        old = days.need(self.shelf, day).table()
        if table.num_rows < old.num_rows:
            raise Refused(_shrinks(self.shelf, day, f"{table.num_rows} bars", f"{old.num_rows}"))
        for name in old.column_names:
            kept = _said(table.column(name)) if name in table.column_names else 0
            if kept < _said(old.column(name)):
                raise Refused(_shrinks(self.shelf, day, f"{kept} values of {name}", f"{_said(old.column(name))}"))


def _is_no_other_symbols(shelf: Shelf) -> None:
    """A one-symbol lake's folder does not say whose it is, but its log does."""
    first = next(log.lines(shelf.root), None) if shelf.root == shelf.folder else None
    if first and (first.dataset, first.tf, first.symbol) != (shelf.dataset.name, shelf.tf.name, shelf.symbol):
        theirs = f"{first.dataset} {first.tf} {first.symbol}"
        raise Refused(f"{shelf.folder} is the lake of {theirs}, not of {shelf}; give another --out")


def _stays_inside(shelf: Shelf, folder: Path) -> None:
    """A lake is written below its root only, however the folders in it came to be links."""
    if not folder.resolve().is_relative_to(shelf.root.resolve()):
        raise Refused(f"{shelf}: {folder} leads out of the lake by a link; put a folder in the link's place")


def logged(shelf: Shelf, day: date, old: Entry | None, new: Entry | None) -> log.Line:
    """Which log line tells this publish?"""
    return log.line(shelf, day, *(entry.sha256 if entry else log.ABSENT for entry in (old, new)))


def _said(column: pa.ChunkedArray) -> int:
    """How many values does a column hold that are neither null nor NaN?"""
    if pa.types.is_floating(column.type):
        return int(pc.sum(pc.is_finite(column)).as_py() or 0)
    return len(column) - column.null_count


def _shrinks(shelf: Shelf, day: date, now: str, before: str) -> str:
    return f"{shelf} {day}: the answer holds {now}, the committed day {before}; --force writes it all the same"


def _staging(shelf: Shelf, day: date, old: Entry | None, new: Entry | None) -> Path:
    """Where is a job staged? The name says all that recovery has to know."""
    return shelf.root / ".lake" / "staging" / f"{locks.job_name(shelf)}~{day:%Y%m%d}~{mark(old)}~{mark(new)}"


def _stage(shelf: Shelf, day: date, old: Entry | None, new: Entry, data: bytes) -> Staged:
    manifest, folder = written([new]), _staging(shelf, day, old, new)
    fresh = folder / "new"
    staged = Staged(day, folder, old, new)
    try:
        disk.make_folders(folder.parent)
        disk.make_folder(folder)
        disk.make_folder(fresh)
        disk.create(fresh / new.file, data)
        disk.create(fresh / MANIFEST, manifest)
        disk.create(fresh / SUCCESS, b"")
        _check(shelf, staged, new)
    except BaseException:
        with contextlib.suppress(OSError):  # what failed first is what the caller needs to hear
            disk.remove_tree(folder)
        raise
    return staged


def _check(shelf: Shelf, staged: Staged, new: Entry) -> None:
    """Does the disk hold what was staged? Reopened and compared, before anything is published."""
    fresh = staged.folder / "new"
    data = (fresh / new.file).read_bytes()
    told = parsed((fresh / MANIFEST).read_bytes(), f"{shelf} {staged.day} (staged) {MANIFEST}")
    if digest(data) != new.sha256 or told != [new]:
        raise Refused(f"{shelf} {staged.day}: the disk gave back other bytes than were written; check the disk")
    keys, schema = parts.keys_of(data, f"{shelf} {staged.day} (staged)")
    parts.belongs(keys, staged.day, shelf.tf, shelf.symbol)
    if keys.num_rows != new.rows or parts.schema_digest(schema) != new.schema:
        raise Refused(f"{shelf} {staged.day}: the staged part reads back as another table; report this as a fault")


def _settle(shelf: Shelf, staged: list[Staged]) -> None:
    """Make what is staged, and what is kept of the generations before, durable before any of it shows."""
    revisions.write(shelf, [one.kept for one in staged if one.kept])
    made = [(one.folder / "new", one.new.file) for one in staged if one.new]
    disk.sync_all([folder / name for folder, part in made for name in (part, MANIFEST, SUCCESS)])
    disk.sync_all([folder for folder, _ in made])


def publish(shelf: Shelf, staged: Staged) -> None:
    """The commit point: from here on every reader sees the new day, or that there is none."""
    fresh, folder = staged.folder / "new", shelf.day_folder(staged.day)
    if staged.new is None:
        disk.place(folder, staged.folder / recover.GONE)
        return
    if staged.old is None:
        disk.make_folders(folder.parent)
        disk.place(fresh, folder)
        return
    try:
        disk.exchange(fresh, folder)
    except OSError as error:
        if error.errno not in disk.REFUSALS:
            raise
        _make_before_break(folder, staged.folder, staged.old, staged.new)


def _make_before_break(folder: Path, staging: Path, old: Entry, new: Entry) -> None:
    """Publish where two folders cannot be exchanged. The marker never goes away, and the part always has its row."""
    both = written([old, new])
    disk.write_new(staging / recover.BOTH, both)
    disk.write_new(staging / "swap", both)
    disk.sync_folder(staging)
    for source, target in (
        ("swap", MANIFEST),
        (f"new/{new.file}", new.file),
        (f"new/{MANIFEST}", MANIFEST),
    ):
        disk.replace(staging / source, folder / target)
        disk.sync_folder(folder)


def _make_durable(shelf: Shelf, published: list[date]) -> None:
    parents = sorted({shelf.day_folder(day).parent for day in published})
    try:
        for parent in parents:
            disk.sync_folder(parent)
    except OSError as error:
        raise DurabilityUnknown(
            f"{shelf} {published[0]} … {published[-1]}: published and valid, but the disk did not confirm it"
            f" ({error.strerror}); run the same command again"
        ) from None


def committed_or_none(shelf: Shelf, day: date) -> Entry | None:
    """What does a day's manifest say, None also where it is damaged? For looking, never for deciding to write."""
    try:
        return days.entry(shelf, day)
    except PerplakeError:
        return None
