"""A day is published by one rename: before it nothing shows, after it nothing is missing."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path

from lake import disk, log, recover
from lake.layout import MANIFEST, Shelf
from lake.manifest import Entry, written
from lake.staging import Staged
from meta.errors import DurabilityUnknown


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


def make_durable(shelf: Shelf, published: Sequence[date]) -> None:
    """See to it that these days stay published. Raises DurabilityUnknown where the disk does not confirm it."""
    parents = sorted({shelf.day_folder(day).parent for day in published})
    try:
        for parent in parents:
            disk.sync_folder(parent)
    except OSError as error:
        raise DurabilityUnknown(
            f"{shelf} {published[0]} … {published[-1]}: published and valid, but the disk did not confirm it"
            f" ({error.strerror}); run the same command again"
        ) from None


def logged(shelf: Shelf, staged: Staged) -> log.Line:
    """Which log line tells this publish?"""
    return log.line(shelf, staged.day, *(one.sha256 if one else log.ABSENT for one in (staged.old, staged.new)))
