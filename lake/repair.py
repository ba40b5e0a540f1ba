"""A damaged day is set aside, whole as it lies, and the command that makes it anew is told."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from lake import days, disk, locks, log, raw, recover, roots
from lake.layout import MANIFEST, SUCCESS, Shelf
from meta.datasets import DATASETS
from meta.errors import Tampered


@dataclass(frozen=True)
class SetAside:
    """One day that was damaged: where it lies now, what was wrong, and the command that makes it anew."""

    shelf: Shelf
    day: date
    place: Path
    fact: str
    command: str

    def data(self) -> dict[str, str]:
        """The same for machines."""
        return {name: str(value) for name, value in vars(self).items()}

    def __str__(self) -> str:
        return f"{self.shelf} {self.day}: {self.fact}; set aside in {self.place}"


def repair(root: Path) -> list[SetAside]:
    """Set every damaged day of this lake aside, under .lake/aside; sound days are not touched.

    Damaged: a marker whose manifest or part does not fit it, files without a marker, or strangers among them.
    Raises Busy where a shelf is being written.
    """
    found = []
    for shelf in roots.shelves(root):
        wrong = list(_damaged(shelf))
        if wrong:
            with locks.job(shelf):
                recover.shelf(shelf)
                found += [_set_aside(shelf, day, fact) for day, fact in _damaged(shelf)]
    return found


def gone(root: Path, aside: Sequence[SetAside] = ()) -> list[str]:
    """Which commands make the days anew that the log tells of and the disk no longer has, and those set aside?

    In an order in which each finds its inputs.
    """
    found = []
    for shelf in roots.shelves(root):
        there = {day for day in shelf.days_on_disk() if any(shelf.day_folder(day).iterdir())}
        known = {*log.last_words(shelf), *(one.day for one in aside if one.shelf == shelf)}
        if lost := sorted(known - there):
            commands = _commands(shelf)
            found += [commands(day) for day in lost]
    return found


def _commands(shelf: Shelf) -> Callable[[date], str]:
    """Which command makes exactly this day anew: from what the venue said then, where that is on record?"""
    recorded = {day for day, _ in raw.days_of(shelf)} if shelf.dataset is DATASETS["bars"] else set()

    def command(day: date) -> str:
        words = f"{days.command(shelf)} --start {day} --end {day}"
        return f"{words} --replay" if str(day) in recorded else words

    return command


def _damaged(shelf: Shelf) -> Iterator[tuple[date, str]]:
    for day in shelf.days_on_disk():
        folder = shelf.day_folder(day)
        names = {path.name for path in folder.iterdir()} if folder.is_dir() and not folder.is_symlink() else {"a link"}
        strangers = sorted(names - {shelf.part_name(day), MANIFEST, SUCCESS})
        try:
            read = days.read(shelf, day)
        except Tampered as error:
            yield day, str(error).split(";")[0].removeprefix(f"{shelf} {day}").lstrip(": ")
            continue
        if strangers:
            yield day, f"holds {strangers[0]!r}, which is not one of a day's three files"
        elif read is None and names:
            yield day, f"holds files but no {SUCCESS}"


def _set_aside(shelf: Shelf, day: date, fact: str) -> SetAside:
    aside = shelf.root / ".lake" / "aside"
    disk.make_folders(aside)
    name = f"{locks.job_name(shelf)}~{day:%Y%m%d}"
    place = next(
        path for n in itertools.count(1) if not (path := aside / f"{name}~{n}").exists() and not path.is_symlink()
    )
    with locks.publishing(shelf.root):
        disk.place(shelf.day_folder(day), place)
        disk.sync_folder(shelf.day_folder(day).parent)
        disk.sync_folder(aside)
    return SetAside(shelf, day, place, fact, _commands(shelf)(day))
