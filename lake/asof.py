"""Lakes of then lie beside each other under `.lake/as-of`; one that nobody uses goes when there are too many."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lake import disk, locks
from meta.datasets import DATASETS

FIRST = "first-seen"
BARS = DATASETS["bars"].folder


def folder(root: Path) -> Path:
    """Where are the lakes of then of this lake?"""
    return root / ".lake" / "as-of"


def place_of(root: Path, when: str) -> Path:
    """Where is the lake as of this instant, as the log writes it, or of first-seen?"""
    return folder(root) / (when if when == FIRST else re.sub("[-:]", "", when))


def is_one(root: Path) -> bool:
    """Is this root a lake of then itself?"""
    return root.parent == folder(root.parent.parent.parent)


def made(root: Path) -> list[Path]:
    """Which lakes of then are there? The longest unused first, those without any bars before them."""
    found = [path for path in _all(root) if not path.name.startswith(".")]
    return sorted(found, key=lambda path: (_used_at(path), path.name))


@contextmanager
def used(place: Path) -> Iterator[None]:
    """Keep this one, which need not be there yet, from being removed."""
    with locks.using(place):
        disk.write_loose(_mark(place), b"")
        yield


def prune(root: Path, most: int) -> list[str]:
    """Remove what nobody uses, the longest unused first, until `most` are left; returns their names.

    The one of first-seen is one, however often it is asked for: it stays.
    """
    for left in _all(root):
        if left.name.startswith("."):  # a process was killed that was removing it
            _remove(left)
    found = [path for path in made(root) if path.name != FIRST]
    gone: list[str] = []
    for place in found:
        if len(found) - len(gone) > most and _remove(place):
            gone.append(place.name)
    return gone


def own_bytes(root: Path) -> int:
    """How much of the disk would come free without them? A link to a file of the lake takes none."""
    paths = (Path(above) / name for above, _, names in os.walk(folder(root)) for name in names)
    known = (path.stat(follow_symlinks=False) for path in paths)
    return sum(one.st_size for one in known if one.st_nlink == 1)


def _all(root: Path) -> list[Path]:
    try:
        return [path for path in folder(root).iterdir() if path.is_dir() and not path.is_symlink()]
    except FileNotFoundError:
        return []


def _mark(place: Path) -> Path:
    return place / ".lake" / "used"


def _used_at(place: Path) -> int:
    try:
        return _mark(place).stat().st_mtime_ns if (place / BARS).is_dir() else 0
    except FileNotFoundError:
        return 0


def _remove(place: Path) -> bool:
    """Remove it, if nobody uses it: out of sight in one step, then file by file."""
    with contextlib.suppress(FileNotFoundError), locks.unused(place) as free:  # another process was quicker
        if free:
            away = place if place.name.startswith(".") else place.with_name(f".{place.name}")
            if away != place:
                disk.place(place, away)
            disk.remove_tree(away)
        return free
    return False
