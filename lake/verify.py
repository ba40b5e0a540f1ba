"""Is the lake what its manifests say? Every byte is read again, and nothing is changed."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import NamedTuple

from lake import advice, days, locks, log, roots, snapshots, strangers
from lake.findings import MOVE, Finding
from lake.layout import MANIFEST, SUCCESS, Shelf
from lake.manifest import NONE, Entry, mark
from meta.errors import Tampered


class Looked(NamedTuple):
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
    findings = list(strangers.above(root)) if shelves is None else []
    for place in places:
        findings += strangers.on(place)
        findings += _verified(place, sample, looked)
    if shelves is None:
        with locks.snapshot(root):
            faults = list(snapshots.faults(root))
        from lake import revised  # who only asks for a Finding starts without Arrow

        faults += revised.faults(root, 1.0 if sample is None else sample)
        findings += [Finding(path, fact, heals, wrong=wrong) for path, fact, heals, wrong in faults]
    return findings + strangers.leftovers(root, places)


def _verified(place: Shelf, sample: float | None, told: Callable[[int], None]) -> list[Finding]:
    wanted = _wanted(place, sample)
    looked = []
    for key in wanted:  # one after the other: threads passing the interpreter on at each small file take twice as long
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
        staged = {path.name for path in strangers.listed(place.root / ".lake" / "staging")}
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
    names, marker, known = list[str](), 0, None

    def look(place: Shelf, day: date, folder: int) -> Entry | None:
        nonlocal names, marker
        names, marker = os.listdir(folder), days.size(folder, SUCCESS)
        if marker < 0:
            return None
        return days.day_in(place, day, folder).entry if whole else days.entry_in(place, day, folder)

    try:
        known = days.settled(place, day, look)
        fault = _unmarked(place, day, names) if known is None else None
    except Tampered as error:
        fact = str(error).removeprefix(f"{place} {day}").lstrip(": ").partition(";")[0]
        fault = (f"is damaged: {fact}", advice.repair(place.root))
    except OSError as error:  # it changed hands meanwhile, or the disk itself fails
        fault = (f"cannot be read ({error.strerror or 'it changed meanwhile'})", "check the disk")
    wrong = [Finding(place.day_folder(day), *fault, place, day)] if fault else []
    return Looked(day, known, (*_odd_files(place, day, names, marker), *wrong))


def _unmarked(place: Shelf, day: date, names: Sequence[str]) -> tuple[str, str] | None:
    """A folder that is empty is no fault: a crash between making the folders above and placing the day leaves it."""
    folder = place.day_folder(day)
    if names:
        return f"holds files but no {SUCCESS}, so its day is not committed", advice.repair(place.root)
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        return "is no folder of files", MOVE
    return None


def _odd_files(place: Shelf, day: date, names: Sequence[str], marker: int) -> Iterator[Finding]:
    for name in sorted({*names} - {place.part_name(day), MANIFEST, SUCCESS}):
        yield Finding(place.day_folder(day) / name, "is not one of a day's three files", MOVE, place, day)
    if marker > 0:
        yield Finding(place.day_folder(day) / SUCCESS, "is not empty", advice.repair(place.root), place, day)


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
