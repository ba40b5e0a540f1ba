"""A day is true all at once or not at all: reading one, and knowing that it is whole."""

from __future__ import annotations

import contextlib
import errno
import os
import shlex
import stat
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from lake import advice, fresh, notes
from lake.layout import MANIFEST, SUCCESS, Shelf
from lake.manifest import Entry, digest, parsed
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
TRIES = 8  # a rewrite under way is over in a millisecond; a mismatch that stays is damage


@dataclass(frozen=True)
class Day:
    """One committed day as read: its manifest entry, and the bytes that match it."""

    day: date
    entry: Entry
    data: bytes
    where: str
    remedy: str

    def table(self, columns: list[str] | None = None) -> pa.Table:
        """Which rows does it hold?"""
        from lake import parts  # what only looks at manifests starts without Arrow

        return parts.decoded(self.data, self.where, columns, self.remedy)


def entry(shelf: Shelf, day: date) -> Entry | None:
    """What does the manifest of a committed day say? None where the day is not committed.

    Its part is not read: size and name are compared, the digest is not.
    Raises Tampered where the marker is there and the rest does not fit it.
    """
    return _settled(shelf, day, _entry_now)


def read(shelf: Shelf, day: date) -> Day | None:
    """What does this day hold? Verified against its manifest; None where it is not committed. Raises Tampered."""
    return _settled(shelf, day, _day_now)


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


def _settled(shelf: Shelf, day: date, look: Callable[[Shelf, date, int], T | None]) -> T | None:
    """Look until two readings of a day under rewrite would agree: the day is opened anew at every try."""
    for _ in range(TRIES - 1):
        with suppress(Tampered, FileNotFoundError):
            return _look(shelf, day, look)
    return _look(shelf, day, look)


def _look(shelf: Shelf, day: date, look: Callable[[Shelf, date, int], T | None]) -> T | None:
    with _opened(shelf.day_folder(day)) as folder:
        found = None if folder is None else look(shelf, day, folder)
        if found is None and folder is not None and not _is_still(shelf.day_folder(day), folder):
            raise Tampered(f"{shelf} {day} was rewritten at every look; run the same command again")
        return found


@contextmanager
def _opened(folder: Path) -> Iterator[int | None]:
    """The folder itself, so that what is read stays one generation even when the name changes hands meanwhile."""
    try:
        fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
            yield None
            return
        raise
    try:
        yield fd
    finally:
        os.close(fd)


def _is_still(path: Path, folder: int) -> bool:
    """Does the name still mean the folder that was opened? A writer empties the old generation once it is replaced,
    and a marker missing there says nothing of the day."""
    try:
        return os.path.samestat(path.stat(follow_symlinks=False), os.fstat(folder))
    except FileNotFoundError:
        return False


def _bytes(folder: int, name: str) -> bytes | None:
    """What does a regular file hold? None where there is none; a link or a pipe is none, and is never waited for."""
    try:
        fd = os.open(name, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ELOOP, errno.ENXIO):
            return None
        raise
    try:
        known = os.fstat(fd)
        if not stat.S_ISREG(known.st_mode):
            return None
        pieces = [os.read(fd, known.st_size + 1)]
        while pieces[-1] and sum(map(len, pieces)) != known.st_size:  # it ends where it said, or is read to its end
            pieces.append(os.read(fd, 1 << 20))
        return b"".join(pieces)
    finally:
        os.close(fd)


def _size(folder: int, name: str) -> int:
    """How large is a regular file? -1 where there is none."""
    try:
        known = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return -1
    return known.st_size if stat.S_ISREG(known.st_mode) else -1


def _manifest(shelf: Shelf, day: date, folder: int) -> list[Entry] | None:
    """The entries of a marked day, or None where there is no marker."""
    if _size(folder, SUCCESS) < 0:
        return None
    data = _bytes(folder, MANIFEST)
    if data is None:
        raise Tampered(f"{shelf} {day} has {SUCCESS} but no {MANIFEST}; {advice.repair(shelf.root)}")
    entries = parsed(data, f"{shelf} {day} {MANIFEST}", advice.repair(shelf.root))
    if any(known.file != shelf.part_name(day) for known in entries):
        raise Tampered(f"{shelf} {day}: its {MANIFEST} is of another day; {advice.repair(shelf.root)}")
    return entries


def _entry_now(shelf: Shelf, day: date, folder: int) -> Entry | None:
    entries = _manifest(shelf, day, folder)
    if entries is None:
        return None
    if len(entries) == 2:
        found = _day_now(shelf, day, folder)
        return found.entry if found else None
    if _size(folder, entries[0].file) != entries[0].bytes:
        fact = f"{entries[0].file} is missing or has another size"
        raise Tampered(f"{shelf} {day}: {fact}; {advice.repair(shelf.root)}")
    return entries[0]


def _day_now(shelf: Shelf, day: date, folder: int) -> Day | None:
    entries = _manifest(shelf, day, folder)
    if entries is None:
        return None
    name = shelf.part_name(day)
    data = _bytes(folder, name)
    sha = digest(data) if data is not None else "missing"
    for known in entries:
        if data is not None and known.sha256 == sha:
            return Day(day, known, data, f"{shelf} {day} {name}", advice.repair(shelf.root))
    fact = "is missing" if data is None else "is not the file its manifest describes (sha256 differs)"
    raise Tampered(f"{shelf} {day}: {name} {fact}; {advice.repair(shelf.root)}")
