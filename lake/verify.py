"""Is the lake what its manifests say? Every byte is read again, and nothing is changed."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from lake import advice, days, locks, log, notes, recover, roots, snapshots
from lake.layout import DAY_FOLDER, MANIFEST, SUCCESS, Shelf, checked_or_none, shelf
from lake.manifest import NONE, Entry, mark
from meta.datasets import DATASETS, FOLDERS
from meta.errors import Tampered
from meta.timeframes import TIMEFRAMES

MOVE = "move it out of the lake"
BESIDE = {".lake", "raw", "revisions"}  # in the folder of a lake of one symbol
NOTES = {notes.OFFERED, notes.FEATURES, notes.RULES}


@dataclass(frozen=True)
class Finding:
    """One thing that is not as it should be: what, where, and what heals it.

    `wrong` is False where every committed day can still be trusted (a dead writer's leftovers, a stray note).
    """

    path: Path
    fact: str
    remedy: str
    shelf: Shelf | None = None
    day: date | None = None
    wrong: bool = True

    def data(self) -> dict[str, str | bool | None]:
        """The same for machines."""
        known = {name: str(value) if value else None for name, value in vars(self).items() if name != "wrong"}
        return known | {"wrong": self.wrong}

    def __str__(self) -> str:
        subject = " ".join(str(part) for part in (self.shelf, self.day) if part)
        return f"{subject + ': ' if subject else ''}{self.path} {self.fact}; {self.remedy}"


@dataclass(frozen=True)
class Looked:
    """One day as found: its manifest entry (None: not committed), and what is wrong with it."""

    day: date
    entry: Entry | None
    findings: tuple[Finding, ...]


def verify(
    root: Path,
    shelves: Sequence[Shelf] | None = None,
    sample: float | None = None,
    looked: Callable[[int], None] = lambda days: None,
) -> list[Finding]:
    """What in this lake is not as its manifests and its log say? Empty where all is well.

    shelves : which ones (None: all, and the folders around them). sample : the share of days, spread evenly, whose
    digest is compared (None: of all); names, sizes and manifests are compared for every day.
    looked : called with how many days more are done.
    Writers may go on meanwhile: what looks wrong is looked at again while nothing can be published.
    """
    places = roots.shelves(root) if shelves is None else list(shelves)
    findings = list(_strangers(root if shelves is None else None, places))
    for place in places:
        findings += _verified(place, sample, looked)
    if shelves is None:
        with locks.snapshot(root):
            faults = list(snapshots.faults(root))
        from lake import revised  # who only asks for a Finding starts without Arrow

        faults += revised.faults(root, 1.0 if sample is None else sample)
        findings += [Finding(path, fact, heals, wrong=wrong) for path, fact, heals, wrong in faults]
    return findings + _leftovers(root, places)


def _verified(place: Shelf, sample: float | None, told: Callable[[int], None]) -> list[Finding]:
    wanted = _wanted(place, sample)
    looked = []
    for (
        key
    ) in wanted:  # one after the other: threads that pass the interpreter on at each small file take twice as long
        looked.append(_look(place, *key))
        told(1)
    words = log.last_words(place)
    if any(found.findings for found in looked) or _disagreements(place, looked, set(), words):
        looked, staged, words = _look_again(place, wanted, looked)
        return [finding for found in looked for finding in found.findings] + _disagreements(
            place, looked, staged, words
        )
    return []


def _wanted(place: Shelf, sample: float | None) -> list[tuple[date, bool]]:
    """Which days are looked at, and is their digest?"""
    known = place.days_on_disk()
    share = 1.0 if sample is None else sample
    return [(day, int((i + 1) * share) > int(i * share)) for i, day in enumerate(known)]


def _look_again(
    place: Shelf, wanted: Sequence[tuple[date, bool]], looked: Sequence[Looked]
) -> tuple[list[Looked], set[str], dict[date, str]]:
    """The same once more where something was wrong or has changed, with no publish under way; staging; the log's words.

    A publish is told in the log a moment after; until then its staging folder stands. So the days are looked at first,
    then staging, then the log, all while nothing can be published.
    """
    with locks.snapshot(place.root):
        again = [
            _look(place, *key) if found.findings or _changed(place, found) else found
            for key, found in zip(wanted, looked, strict=True)
        ]
        staged = {path.name for path in _folders(place.root / ".lake" / "staging")}
        return again, staged, log.last_words(place)


def _changed(place: Shelf, found: Looked) -> bool:
    """Is this day another one than was looked at?"""
    try:
        return days.entry(place, found.day) != found.entry
    except (Tampered, OSError):
        return True


def _sha(found: Looked) -> str | None:
    return found.entry.sha256 if found.entry else None


def _look(place: Shelf, day: date, whole: bool) -> Looked:
    """What is wrong with this day's folder?"""
    folder = place.day_folder(day)
    try:
        here = {entry.name: entry for entry in os.scandir(folder)} if stat.S_ISDIR(os.lstat(folder).st_mode) else None
    except FileNotFoundError:
        here = {}
    if here is None:
        return Looked(day, None, (Finding(folder, "is no folder of files", MOVE, place, day),))
    if not here:  # a crash between making the folders above and placing the day
        return Looked(day, None, ())
    extra = sorted(here.keys() - {place.part_name(day), MANIFEST, SUCCESS})
    wrong = [Finding(folder / name, "is not one of a day's three files", MOVE, place, day) for name in extra]
    try:
        read = days.read(place, day) if whole else None
        known = read.entry if read else days.entry(place, day)
        if known is None:
            fact = f"holds files but no {SUCCESS}, so its day is not committed"
            wrong.append(Finding(folder, fact, advice.repair(place.root), place, day))
        elif here[SUCCESS].stat(follow_symlinks=False).st_size:
            wrong.append(Finding(folder / SUCCESS, "is not empty", advice.repair(place.root), place, day))
    except Tampered as error:
        known = None
        fact = str(error).removeprefix(f"{place} {day}").lstrip(": ").split(";", 1)[0]
        wrong.append(Finding(folder, f"is damaged: {fact}", advice.repair(place.root), place, day))
    except (KeyError, OSError) as error:  # it changed hands meanwhile, or the disk itself fails
        known = None
        fact = f"cannot be read ({getattr(error, 'strerror', None) or 'it changed meanwhile'})"
        wrong.append(Finding(folder, fact, "check the disk", place, day))
    return Looked(day, known, tuple(wrong))


def _disagreements(place: Shelf, looked: Sequence[Looked], staged: set[str], words: dict[date, str]) -> list[Finding]:
    """Where do this shelf's parts and the log's last words differ?"""
    on_disk = {found.day: found for found in looked}
    return [*_gone(place, words, on_disk, staged), *_others(place, words, on_disk, staged)]


def _gone(place: Shelf, words: dict[date, str], on_disk: dict[date, Looked], staged: set[str]) -> Iterator[Finding]:
    for day in words:
        found = on_disk.get(day)
        if any(_is_removal(name, place, day) for name in staged):  # told a moment later, or by recovery
            continue
        if found is None or (found.entry is None and not found.findings):
            remedy = days.how_to_make(place, day, day)
            yield Finding(place.day_folder(day), "is gone, and the log tells of it", remedy, place, day)


def _others(place: Shelf, words: dict[date, str], on_disk: dict[date, Looked], staged: set[str]) -> Iterator[Finding]:
    differ = [found for found in on_disk.values() if found.entry and words.get(found.day) != _sha(found)]
    differ = [found for found in differ if not _is_untold(place, found, staged)]
    for found in differ:
        if found.day in words:
            fact = f"holds another part than the log's last word ({words[found.day][:12]}…)"
            yield Finding(place.day_folder(found.day), fact, advice.repair(place.root), place, found.day)
    unknown = [found.day for found in differ if found.day not in words]
    if unknown:
        fact = f"holds {len(unknown)} days the log does not know, {unknown[0]} … {unknown[-1]}"
        yield Finding(place.folder, fact, "were they copied here?", place, wrong=False)


def _is_removal(name: str, place: Shelf, day: date) -> bool:
    return name.startswith(f"{locks.job_name(place)}~{day:%Y%m%d}~") and name.endswith(f"~{NONE}")


def _is_untold(place: Shelf, found: Looked, staged: set[str]) -> bool:
    """Is this publish still to be told by the writer, or by the recovery, whose staging folder stands?"""
    assert found.entry is not None
    start = f"{locks.job_name(place)}~{found.day:%Y%m%d}~"
    end = f"~{mark(found.entry)}"
    return any(name.startswith(start) and name.endswith(end) for name in staged)


def _strangers(root: Path | None, places: Sequence[Shelf]) -> Iterator[Finding]:
    """What lies on the shelves, and in the folders above them, that no phase put there?"""
    for kind in DATASETS.values() if root else ():
        base = root / kind.folder  # type: ignore[operator]
        for tf in _folders(base):
            if tf.is_symlink() or not tf.is_dir() or tf.name not in TIMEFRAMES:
                yield _stranger(tf, None)
            else:
                named = _folders(tf)
                yield from (_stranger(p, None) for p in named if p.is_symlink() or checked_or_none(p.name) != p.name)
    for place in places:
        known = {place.day_folder(day) for day in place.days_on_disk()}
        for path in _folders(place.folder):
            if path.name not in NOTES and (path.name not in BESIDE or place.root != place.folder):
                yield from _strangers_in(path, place, known)


def _strangers_in(path: Path, place: Shelf, known: set[Path]) -> Iterator[Finding]:
    """Is this path on a shelf a day's folder, or on the way to one? If not, it is a stranger."""
    if path in known:
        return
    name = path.relative_to(place.folder).as_posix()
    example = "/".join([name, *("m=01", "d=01")[name.count("/") :]])
    if name.count("/") > 1 or path.is_symlink() or not path.is_dir() or not DAY_FOLDER.fullmatch(example):
        yield _stranger(path, place)
        return
    for below in _folders(path):
        yield from _strangers_in(below, place, known)


def _stranger(path: Path, place: Shelf | None) -> Finding:
    if path.name.startswith(".") and path.name.endswith(".tmp"):
        return Finding(path, "was left by a writer that died", "remove it", place, wrong=False)
    return Finding(path, "was put there by no phase", MOVE, place, wrong=path.is_symlink() or path.suffix == ".parquet")


def _folders(path: Path) -> list[Path]:
    try:
        return sorted(path.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []


def _leftovers(root: Path, places: Sequence[Shelf]) -> list[Finding]:
    """What did writers that are gone leave in staging?"""
    named = {locks.job_name(place): place for place in places}
    found = []
    for path in _folders(root / ".lake" / "staging"):
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
