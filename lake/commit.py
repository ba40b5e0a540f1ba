"""A day is committed in five acts, and only the fourth shows.

    draft    judge, encode and describe it (lake.drafts), by threads ahead of the writing
    stage    .lake/staging/<tx>/new/{part, MANIFEST.tsv, _SUCCESS}, complete; read back and compared (lake.staging)
    settle   fsync every staged file and folder, and what is kept of the generations that go (lake.revisions)
    publish  absent: rename into place · present: exchange the two folders — the only commit point (lake.publishing)
             refused by the file system: make-before-break, the manifest listing {old, new} while the part changes
    durable  fsync the parent folders; log; then remove the old generation

A day that nothing makes any more goes the same way: one rename out of its place into the staging folder.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from types import MappingProxyType

import pyarrow as pa

from lake import disk, drafts, locks, log, publishing, recover, run, staging
from lake.drafts import Draft
from lake.layout import Shelf
from lake.manifest import Provenance
from lake.staging import Staged
from meta.errors import Refused

Made = tuple[date, pa.Table, Provenance]  # a day, its rows, and what they were made of
THREADS = min(4, os.cpu_count() or 1)  # one thread writes, and more than four are ahead of any disk


@contextmanager
def writing(shelf: Shelf, wait: float = 0.0) -> Iterator[Writer]:
    """Hold this shelf's job lock, finish or remove what an earlier writer left, and write.

    What was staged and not published when the block ends is removed, however it ends. Raises Busy, Refused.
    """
    _is_no_other_symbols(shelf)
    drafts.stays_inside(shelf, shelf.folder)
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
    """Stages days one by one, or many at once, and publishes them together, under one hold."""

    def __init__(self, shelf: Shelf) -> None:
        self.shelf = shelf
        self.staged: list[Staged] = []
        self._months: set[Path] = set()  # known to be inside the lake

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
        made = [(day, table, provenance)]
        return self._stage(run.Engine(), made, guard and not allow_shrink, bodies)[0]

    def stage_all(self, made: Iterable[Made], *, guard: bool = False, allow_shrink: bool = False) -> list[bool]:
        """The same for many days, in their order: all of them, or none where one fails.

        Threads encode a few days ahead and read back what was written; the caller alone writes, so that the bytes and
        the order of all that changes on disk are those of one day after the other.
        """
        with run.engine("threads", THREADS) as threads:
            return self._stage(threads, made, guard and not allow_shrink, {})

    def _stage(self, engine: run.Engine, made: Iterable[Made], guard: bool, bodies: Mapping[str, str]) -> list[bool]:
        before = len(self.staged)
        try:
            drafted = run.spread(engine, lambda one: drafts.of(self.shelf, *one, guard, bodies), self._inside(made))
            return list(run.spread(engine, self._checked, map(self._write, drafted)))
        except BaseException:
            self._take_back(before)
            raise

    def _inside(self, made: Iterable[Made]) -> Iterator[Made]:
        for one in made:
            self._stays_inside(one[0])
            yield one

    def _write(self, draft: Draft) -> Staged | None:
        if any(staged.day == draft.day for staged in self.staged):
            raise Refused(f"{self.shelf} {draft.day} is staged already; publish it before staging it again")
        if draft.old == draft.new:
            return None
        staged = staging.write(self.shelf, draft)
        self.staged.append(staged)
        return staged

    def _checked(self, staged: Staged | None) -> bool:
        if staged is not None:
            staging.check(self.shelf, staged)
        return staged is not None

    def _take_back(self, before: int) -> None:
        """What was staged with a day that failed is not published, least of all unread."""
        gone = self.staged[before:]
        del self.staged[before:]
        with contextlib.suppress(OSError):  # what failed first is what the caller needs to hear
            for staged in gone:
                disk.remove_tree(staged.folder)

    def remove(self, day: date) -> bool:
        """Prepare to take a day away. Returns False where it is not committed. Raises Refused, Tampered."""
        self._stays_inside(day)
        return self._write(drafts.removal(self.shelf, day)) is not None

    def publish(self) -> list[date]:
        """Publish everything staged: made durable, under one hold all renames and their fsyncs, the log, the clean-up.

        Raises DurabilityUnknown where the disk did not confirm what is otherwise valid.
        """
        if not self.staged:
            return []
        staging.settle(self.shelf, self.staged)
        done = [staged.day for staged in self.staged]
        with locks.publishing(self.shelf.root):
            for staged in self.staged:
                publishing.publish(self.shelf, staged)
            publishing.make_durable(self.shelf, done)
        log.append(self.shelf.root, [publishing.logged(self.shelf, staged) for staged in self.staged])
        while self.staged:
            disk.remove_tree(self.staged.pop().folder)
        return done

    def _stays_inside(self, day: date) -> None:
        month = self.shelf.day_folder(day).parent
        if month not in self._months:
            drafts.stays_inside(self.shelf, month)
            self._months.add(month)


def _is_no_other_symbols(shelf: Shelf) -> None:
    """A one-symbol lake's folder does not say whose it is, but its log does."""
    first = next(log.lines(shelf.root), None) if shelf.root == shelf.folder else None
    if first and (first.dataset, first.tf, first.symbol) != (shelf.dataset.name, shelf.tf.name, shelf.symbol):
        theirs = f"{first.dataset} {first.tf} {first.symbol}"
        raise Refused(f"{shelf.folder} is the lake of {theirs}, not of {shelf}; give another --out")
