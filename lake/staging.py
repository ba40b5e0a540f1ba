"""A day is written beside the lake's, complete, and read back, before any of it shows.

The name of a staging folder says its job, its day and the manifests before and after it, so that recovery needs
nothing else to tell what was going on.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from lake import disk, locks, parts, revisions
from lake.drafts import Draft
from lake.layout import MANIFEST, SUCCESS, Shelf
from lake.manifest import Entry, digest, mark, parsed, written
from meta.errors import Refused


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


def write(shelf: Shelf, draft: Draft) -> Staged:
    """Write a day into a staging folder of its own; of one that goes, the folder it goes to. All of it or nothing."""
    name = f"{locks.job_name(shelf)}~{draft.day:%Y%m%d}~{mark(draft.old)}~{mark(draft.new)}"
    folder = shelf.root / ".lake" / "staging" / name
    try:
        disk.make_folders(folder.parent)
        disk.make_folder(folder)
        if draft.new is not None:
            _write_new(folder / "new", draft.new, draft.data)
    except BaseException:
        with contextlib.suppress(OSError):  # what failed first is what the caller needs to hear
            disk.remove_tree(folder)
        raise
    return Staged(draft.day, folder, draft.old, draft.new, draft.kept)


def _write_new(fresh: Path, new: Entry, data: bytes) -> None:
    disk.make_folder(fresh)
    disk.create(fresh / new.file, data)
    disk.create(fresh / MANIFEST, written([new]))
    disk.create(fresh / SUCCESS, b"")


def check(shelf: Shelf, staged: Staged) -> None:
    """Does the disk hold what was staged? Reopened and compared, before anything is published. Raises Refused.

    Reads only, so that any thread may ask.
    """
    new, fresh = staged.new, staged.folder / "new"
    assert new is not None, "of a day that goes there is nothing to read back"
    data = (fresh / new.file).read_bytes()
    told = parsed((fresh / MANIFEST).read_bytes(), f"{shelf} {staged.day} (staged) {MANIFEST}")
    if digest(data) != new.sha256 or told != [new]:
        raise Refused(f"{shelf} {staged.day}: the disk gave back other bytes than were written; check the disk")
    keys, schema = parts.keys_of(data, f"{shelf} {staged.day} (staged)")
    parts.belongs(keys, staged.day, shelf.tf, shelf.symbol)
    if keys.num_rows != new.rows or parts.schema_digest(schema) != new.schema:
        raise Refused(f"{shelf} {staged.day}: the staged part reads back as another table; report this as a fault")


def settle(shelf: Shelf, staged: Sequence[Staged]) -> None:
    """Make what is staged, and what is kept of the generations before, durable before any of it shows."""
    revisions.write(shelf, [one.kept for one in staged if one.kept])
    made = [(one.folder / "new", one.new.file) for one in staged if one.new]
    disk.sync_all([folder / name for folder, part in made for name in (part, MANIFEST, SUCCESS)])
    disk.sync_all([folder for folder, _ in made])
