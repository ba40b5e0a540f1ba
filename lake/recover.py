"""What a writer left behind when it died is finished or removed, so that the next run always converges."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

from lake import days, disk, locks, log
from lake.layout import MANIFEST, Shelf
from lake.manifest import NONE, Entry, mark, parsed, written
from meta.errors import Tampered

GONE = "gone"  # in a staging folder: the day that was taken away
BOTH = "both"  # in a staging folder: the manifest that lists the old and the new part
STAGING = re.compile(r"(?P<job>.+)~(?P<day>[0-9]{8})~(?P<old>none|[0-9a-f]{16})~(?P<new>none|[0-9a-f]{16})")


@dataclass(frozen=True)
class Leftover:
    """A staging folder of this shelf's job, and what its name tells: the day, and the manifests before and after."""

    folder: Path
    day: date
    old: str
    new: str


def leftovers(shelf: Shelf) -> list[Leftover]:
    """What did earlier writers of this shelf leave? Other jobs' folders are not looked at."""
    staging = shelf.root / ".lake" / "staging"
    found = []
    for folder in sorted(staging.glob(f"{locks.job_name(shelf)}~*")) if staging.is_dir() else []:
        match = STAGING.fullmatch(folder.name)
        day = day_of(match["day"]) if match and match["job"] == locks.job_name(shelf) else None
        if match and day:
            found.append(Leftover(folder, day, match["old"], match["new"]))
    return found


def day_of(digits: str) -> date | None:
    """Which day do the eight digits in a staging folder's name mean? None for a name of somebody else's."""
    try:
        return datetime.strptime(digits, "%Y%m%d").date()
    except ValueError:
        return None


def shelf(shelf: Shelf) -> list[date]:
    """Finish or remove everything left in staging by this shelf's job. Returns the days looked at.

    The caller holds the job lock. Running it again, or dying in the middle of it, changes nothing about where it ends.
    """
    found = leftovers(shelf)
    for left in found:
        with locks.publishing(shelf.root):
            now = _one_row(shelf, left)
            if mark(now) != left.new:
                from lake import revisions  # what only looks at a lake starts without Arrow

                revisions.forget(shelf, left.day, left.old, left.new)  # under the eyes of no query
        if mark(now) == left.new:
            disk.sync_folder(shelf.day_folder(left.day).parent)
            _log(shelf, left, now)
        disk.remove_tree(left.folder)
    return [left.day for left in found]


def _one_row(shelf: Shelf, left: Leftover) -> Entry | None:
    """Which manifest entry is true of this day now? A swap caught in the middle is settled in favour of the part."""
    try:
        known = days.entry(shelf, left.day)
    except Tampered:
        return None  # damage that no crash of ours makes: `lake repair` sets it aside, recovery leaves it alone
    path = shelf.day_folder(left.day) / MANIFEST
    if known is not None and path.read_bytes() != written([known]):
        disk.unlink(left.folder / "swap")
        disk.write_new(left.folder / "swap", written([known]))
        disk.replace(left.folder / "swap", path)
        disk.sync_folder(path.parent)
    return known


def _log(shelf: Shelf, left: Leftover, now: Entry | None) -> None:
    """Tell of a publish that was not told yet. Once the old generation is touched, it has been told."""
    before = _before(left)
    if before is not None:
        log.complete(shelf.root, log.line(shelf, left.day, before, now.sha256 if now else log.ABSENT))


def _before(left: Leftover) -> str | None:
    """Which part was there before, as the log names it? None where nothing that is left tells."""
    if left.old == NONE:
        return log.ABSENT
    for name in (f"new/{MANIFEST}", f"{GONE}/{MANIFEST}", BOTH):
        try:
            entries = parsed((left.folder / name).read_bytes(), str(left.folder))
        except (FileNotFoundError, Tampered):
            continue
        for old in entries:
            if mark(old) == left.old:
                return old.sha256
    return None
