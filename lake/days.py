"""A day is true all at once or not at all: reading one, and knowing that it is whole."""

from __future__ import annotations

import contextlib
import errno
import os
import shlex
import stat
from collections.abc import Callable, Collection
from datetime import date
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from lake import advice, fresh, notes
from lake.layout import MANIFEST, SUCCESS, Shelf
from lake.manifest import Entry, digest, entries_of
from lake.settings import shown
from meta.errors import NotReady, Tampered

if TYPE_CHECKING:
    import pyarrow as pa

T = TypeVar("T")
VERBS = {
    "bars": "p1_ingest ingest",
    "features": "p2_features build",
    "labels": "p3_labels triple-barrier",
    "weights": "p3_labels weights",
}
FOLDER = os.O_RDONLY | os.O_NOFOLLOW | os.O_DIRECTORY
FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
TRIES = 8  # a rewrite under way is over in a millisecond; a mismatch that stays is damage


class Day(NamedTuple):
    """One committed day as read: its manifest entry, and the bytes that match it."""

    shelf: Shelf
    day: date
    entry: Entry
    data: bytes

    def table(self, columns: list[str] | None = None) -> pa.Table:
        """Which rows does it hold?"""
        from lake import parts  # what only looks at manifests starts without Arrow

        where = f"{self.shelf} {self.day} {self.entry.file}"
        return parts.decoded(self.data, where, columns, advice.repair(self.shelf.root))


def entry(shelf: Shelf, day: date) -> Entry | None:
    """What does the manifest of a committed day say? None where the day is not committed.

    Its part is not read: size and name are compared, the digest is not.
    Raises Tampered where the marker is there and the rest does not fit it.
    """
    return settled(shelf, day, _when_marked(entry_in))


def read(shelf: Shelf, day: date) -> Day | None:
    """What does this day hold? Verified against its manifest; None where it is not committed. Raises Tampered."""
    return settled(shelf, day, _when_marked(day_in))


def need(shelf: Shelf, day: date) -> Day:
    """What does this day hold? Raises NotReady where it is not committed, Tampered where it is damaged."""
    found = read(shelf, day)
    if found is None:
        raise NotReady(f"{shelf} {day} is not committed; {how_to_make(shelf, day, day)}")
    return found


def how_to_make(shelf: Shelf, start: date, end: date) -> str:
    """Which command commits these days?"""
    return f"run `{command(shelf)} --start {start} --end {end}`"


def command(shelf: Shelf) -> str:
    """Which command makes days of this shelf, in this lake and from the source it holds?"""
    is_bars = shelf.dataset.phase == "P1"
    if is_bars and (shorter := _shorter(shelf)):
        words = [f"python -m p1_ingest resample --symbol {shelf.symbol} --from {shorter} --to {shelf.tf}"]
    else:
        words = [f"python -m {VERBS[shelf.dataset.name]} --symbol {shelf.symbol} --tf {shelf.tf}"]
        said = notes.read(shelf, notes.OFFERED) if is_bars else None
        if said and said.get("source") not in (None, "sim"):
            words.append(f"--source {said['source']}")
    if shelf.root == shelf.folder:
        return " ".join([*words, f"--out {shlex.quote(shown(shelf.folder))}"])
    return " ".join(words) + advice.at(shelf.root)


def _shorter(shelf: Shelf) -> str | None:
    """From which timeframe were these bars resampled, by the newest day that says anything? None where from none."""
    for day in reversed(shelf.days_on_disk()):
        with contextlib.suppress(Tampered):
            if known := entry(shelf, day):
                return fresh.shorter_of(known.source)
    return None


def none_of(shelf: Shelf, known: Collection[date], verb: str) -> str:
    """Why is no day of a range there, of those that are known? `verb` makes such days."""
    if known:
        return f"{shelf} holds {min(known)} … {max(known)}, and no day of that range; choose another, or {verb} it"
    return f"{shelf} has no committed day in {shown(shelf.root)}; run `{command(shelf)}`"


def committed(shelf: Shelf) -> dict[date, Entry]:
    """Which days are committed here, and what do their manifests say? Ascending. Raises Tampered."""
    found = ((day, entry(shelf, day)) for day in shelf.days_on_disk())
    return {day: known for day, known in found if known is not None}


def is_committed(shelf: Shelf, day: date) -> bool:
    """Is this day committed?"""
    return entry(shelf, day) is not None


def settled(shelf: Shelf, day: date, look: Callable[[Shelf, date, int], T | None]) -> T | None:
    """What does `look` find in this day's folder, which it is given opened? None where there is no folder.

    Looks until two readings of a day under rewrite would agree: the folder is opened anew at every try, and what is
    read below it stays one generation even when its name changes hands meanwhile. Raises what the last look raised.
    """
    for _ in range(TRIES - 1):
        try:
            return _look(shelf, day, look)
        except (Tampered, FileNotFoundError):
            continue
    return _look(shelf, day, look)


def _look(shelf: Shelf, day: date, look: Callable[[Shelf, date, int], T | None]) -> T | None:
    path = shelf.day_path(day)
    try:
        folder = os.open(path, FOLDER)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
            return None
        raise
    try:
        found = look(shelf, day, folder)
        if found is None and not _is_still(path, folder):
            raise Tampered(f"{shelf} {day} was rewritten at every look; run the same command again")
        return found
    finally:
        os.close(folder)


def _is_still(path: str, folder: int) -> bool:
    """Does the name still mean the folder that was opened? A writer empties the old generation once it is replaced,
    and a marker missing there says nothing of the day."""
    try:
        return os.path.samestat(os.lstat(path), os.fstat(folder))
    except FileNotFoundError:
        return False


def _bytes(folder: int, name: str) -> bytes | None:
    """What does a regular file hold? None where there is none; a link or a pipe is none, and is never waited for."""
    try:
        fd = os.open(name, FILE, dir_fd=folder)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ELOOP, errno.ENXIO):
            return None
        raise
    try:
        known = os.fstat(fd)
        if not stat.S_ISREG(known.st_mode):
            return None
        data = os.read(fd, known.st_size + 1)
        while len(data) != known.st_size and (more := os.read(fd, 1 << 20)):  # it ends where it said, or at its end
            data += more
        return data
    finally:
        os.close(fd)


def size(folder: int, name: str) -> int:
    """How large is a regular file? -1 where there is none."""
    try:
        known = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return -1
    return known.st_size if stat.S_ISREG(known.st_mode) else -1


def _when_marked(look: Callable[[Shelf, date, int], T]) -> Callable[[Shelf, date, int], T | None]:
    """The same look, which finds nothing where there is no marker."""
    return lambda shelf, day, folder: look(shelf, day, folder) if size(folder, SUCCESS) >= 0 else None


def entry_in(shelf: Shelf, day: date, folder: int) -> Entry:
    """`entry`, of a marked folder that `settled` opened: names and sizes are compared."""
    entries = _manifest(shelf, day, folder)
    if len(entries) == 2:
        return day_in(shelf, day, folder).entry
    if size(folder, entries[0].file) != entries[0].bytes:
        fact = f"{entries[0].file} is missing or has another size"
        raise Tampered(f"{shelf} {day}: {fact}; {advice.repair(shelf.root)}")
    return entries[0]


def day_in(shelf: Shelf, day: date, folder: int) -> Day:
    """`read`, of a marked folder that `settled` opened: every byte is compared."""
    entries = _manifest(shelf, day, folder)
    name = entries[0].file
    data = _bytes(folder, name)
    if data is not None:
        sha = digest(data)
        for known in entries:
            if known.sha256 == sha:
                return Day(shelf, day, known, data)
    fact = "is missing" if data is None else "is not the file its manifest describes (sha256 differs)"
    raise Tampered(f"{shelf} {day}: {name} {fact}; {advice.repair(shelf.root)}")


def _manifest(shelf: Shelf, day: date, folder: int) -> list[Entry]:
    data = _bytes(folder, MANIFEST)
    if data is None:
        raise Tampered(f"{shelf} {day} has {SUCCESS} but no {MANIFEST}; {advice.repair(shelf.root)}")
    try:
        entries = entries_of(data)
    except ValueError as fact:  # told here: to name the place each time takes as long as to read the manifest
        raise Tampered(f"{shelf} {day} {MANIFEST} {fact}; {advice.repair(shelf.root)}") from None
    if any(known.file != shelf.part_name(day) for known in entries):
        raise Tampered(f"{shelf} {day}: its {MANIFEST} is of another day; {advice.repair(shelf.root)}")
    return entries
