"""What lies in a lake beside its days: strangers that no phase put there, and what dead writers left."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from lake import locks, notes, recover, snapshots
from lake.findings import MOVE, Finding
from lake.layout import DAY_FOLDER, Shelf, checked_or_none, day_of, shelf
from meta.datasets import DATASETS, FOLDERS
from meta.timeframes import TIMEFRAMES

BESIDE = {".lake", "raw", "revisions"}  # in the folder of a lake of one symbol
NOTES = {notes.OFFERED, notes.FEATURES, notes.RULES}
TO_A_DAY = ("/m=01/d=01", "/d=01")  # how the name of a year's folder, and of a month's, goes on


def above(root: Path) -> Iterator[Finding]:
    """What lies in the folders above the shelves that no phase put there?"""
    for kind in DATASETS.values():
        for tf in listed(root / kind.folder):
            if tf.is_symlink() or not tf.is_dir() or tf.name not in TIMEFRAMES:
                yield _stranger(tf, None)
            else:
                named = listed(tf)
                yield from (_stranger(p, None) for p in named if p.is_symlink() or checked_or_none(p.name) != p.name)


def on(place: Shelf) -> Iterator[Finding]:
    """What lies on this shelf, and in the folders of its years and months, that no phase put there?"""
    known = NOTES | BESIDE if place.root == place.folder else NOTES
    for name in _strange(str(place.folder)):
        if name not in known:
            yield _stranger(place.folder / name, place)


def _strange(folder: str, below: str = "") -> Iterator[str]:
    """The names under a shelf's folder that are neither a day's folder nor on the way to one."""
    level = below.count("/")
    for entry in _entries(f"{folder}/{below}"):
        name = below + entry.name
        if level == len(TO_A_DAY):
            if day_of(name) is None:
                yield name
        elif entry.is_dir(follow_symlinks=False) and DAY_FOLDER.fullmatch(name + TO_A_DAY[level]):
            yield from _strange(folder, f"{name}/")
        else:
            yield name


def _entries(folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as found:
            return sorted(found, key=lambda entry: entry.name)
    except (FileNotFoundError, NotADirectoryError):
        return []


def _stranger(path: Path, place: Shelf | None) -> Finding:
    if path.name.startswith(".") and path.name.endswith(".tmp"):
        return Finding(path, "was left by a writer that died", "remove it", place, wrong=False)
    return Finding(path, "was put there by no phase", MOVE, place, wrong=path.is_symlink() or path.suffix == ".parquet")


def listed(path: Path) -> list[Path]:
    """What does this folder hold? Nothing where there is none."""
    try:
        return sorted(path.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []


def leftovers(root: Path, places: Sequence[Shelf]) -> list[Finding]:
    """What did writers that are gone leave in staging?"""
    named = {locks.job_name(place): place for place in places}
    found = []
    for path in listed(root / ".lake" / "staging"):
        match = recover.STAGING.fullmatch(path.name)
        place = (
            (named.get(match["job"]) or _shelf_of(root, match["job"])) if match else snapshots.named(root, path.name)
        )
        if place is None:
            found.append(Finding(path, "was put there by no writer", "remove it", wrong=False))
        elif (seen := _identity(path)) and locks.holder(place) is None and _identity(path) == seen:
            fact = "was left by a writer that died"
            found.append(Finding(path, fact, "the next run of its phase finishes or removes it", place, wrong=False))
    return found


def _identity(path: Path) -> tuple[int, int] | None:
    """Which folder is this? A live writer may have removed it and made another of the same name."""
    try:
        known = path.stat(follow_symlinks=False)
    except FileNotFoundError:
        return None
    return known.st_ino, known.st_ctime_ns


def _shelf_of(root: Path, job: str) -> Shelf | None:
    kind, tf, name = [*job.split("~"), "", ""][:3]
    if kind not in FOLDERS or tf not in TIMEFRAMES or checked_or_none(name) != name:
        return None
    return shelf(root, FOLDERS[kind], TIMEFRAMES[tf], name)
