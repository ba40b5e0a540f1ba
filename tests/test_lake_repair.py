"""A damaged day is set aside whole, sound days stay as they are, and the command told makes the day anew."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lake import days, locks
from lake.layout import MANIFEST, SUCCESS, Shelf
from lake.repair import gone, repair
from lake.verify import verify
from meta.errors import Busy
from tests import lakes

WANTED = lakes.the_days(4)
BAD = WANTED[2]


@pytest.fixture
def shelf() -> Iterator[Shelf]:
    with lakes.scratch() as root:
        yield lakes.committed(lakes.a_shelf(root), WANTED)


def flip(folder: Path, part: str) -> None:
    data = bytearray((folder / part).read_bytes())
    data[len(data) // 2] ^= 4
    (folder / part).write_bytes(bytes(data))


DAMAGE: dict[str, Callable[[Path, str], object]] = {
    "a flipped bit": flip,
    "a part cut short": lambda folder, part: (folder / part).write_bytes((folder / part).read_bytes()[:-9]),
    "no manifest": lambda folder, part: (folder / MANIFEST).unlink(),
    "no marker": lambda folder, part: (folder / SUCCESS).unlink(),
    "no part": lambda folder, part: (folder / part).unlink(),
    "a stranger": lambda folder, part: (folder / "notes.txt").write_text("mine"),
}


@pytest.mark.parametrize("how", DAMAGE)
def test_what_is_damaged_is_set_aside_and_can_be_made_anew(shelf: Shelf, how: str) -> None:
    DAMAGE[how](shelf.day_folder(BAD), shelf.part_name(BAD))
    lying = {path.name: path.read_bytes() for path in shelf.day_folder(BAD).iterdir()}
    sound = {day: lakes.entry(shelf, day) for day in WANTED if day != BAD}
    (aside,) = repair(shelf.root)
    assert (aside.shelf, aside.day) == (shelf, BAD)
    assert {path.name: path.read_bytes() for path in aside.place.iterdir()} == lying, "nothing of it is lost"
    assert not shelf.day_folder(BAD).exists()
    assert {day: lakes.entry(shelf, day) for day in sound} == sound
    assert f"--start {BAD} --end {BAD}" in aside.command
    assert f"--lake {shelf.root}" in aside.command
    assert gone(shelf.root) == [aside.command], "asked again, it still knows what is to be made anew"
    lakes.committed(shelf, [BAD])
    assert days.need(shelf, BAD)
    assert gone(shelf.root) == []
    assert not [finding for finding in verify(shelf.root) if finding.wrong]


def test_a_sound_lake_is_left_alone(shelf: Shelf) -> None:
    before = lakes.day_folders(shelf.root)
    assert repair(shelf.root) == []
    assert lakes.day_folders(shelf.root) == before


def test_the_same_day_may_be_damaged_twice(shelf: Shelf) -> None:
    places = set()
    for _ in range(2):
        flip(shelf.day_folder(BAD), shelf.part_name(BAD))
        places.add(repair(shelf.root)[0].place)
        lakes.committed(shelf, [BAD])
    assert len(places) == 2


def test_a_shelf_being_written_is_not_repaired_under_its_writer(shelf: Shelf) -> None:
    flip(shelf.day_folder(BAD), shelf.part_name(BAD))
    with locks.job(shelf), pytest.raises(Busy):
        repair(shelf.root)
    assert shelf.day_folder(BAD).exists()
