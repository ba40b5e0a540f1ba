"""A damaged day is set aside whole, sound days stay as they are, and the command told makes the day anew."""

from __future__ import annotations

import fcntl
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lake import days, disk, locks
from lake.layout import MANIFEST, SUCCESS, Shelf
from lake.repair import gone, repair
from lake.verify import verify
from meta.errors import Busy
from tests import lakes
from tests.mains import called
from tests.phases import WANTED as EVERY
from tests.phases import at_a_stand_in, ingest

WANTED = lakes.the_days(4)
BAD = WANTED[2]
SOME = EVERY[:3]


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

PART = f"part-{BAD:%Y%m%d}.parquet"
FACTS = {
    "a flipped bit": f"{PART} is not the file its manifest describes (sha256 differs)",
    "a part cut short": f"{PART} is not the file its manifest describes (sha256 differs)",
    "no manifest": "has _SUCCESS but no MANIFEST.tsv",
    "no marker": "holds files but no _SUCCESS",
    "no part": f"{PART} is missing",
    "a stranger": "holds 'notes.txt', which is not one of a day's three files",
}


@pytest.mark.parametrize("how", DAMAGE)
def test_what_is_damaged_is_set_aside_and_can_be_made_anew(shelf: Shelf, how: str) -> None:
    DAMAGE[how](shelf.day_folder(BAD), shelf.part_name(BAD))
    lying = {path.name: path.read_bytes() for path in shelf.day_folder(BAD).iterdir()}
    sound = {day: lakes.entry(shelf, day) for day in WANTED if day != BAD}
    (aside,) = repair(shelf.root)
    assert (aside.shelf, aside.day) == (shelf, BAD)
    assert aside.place == shelf.root / ".lake" / "aside" / f"parquet~1h~BTCUSDT~{BAD:%Y%m%d}~1"
    assert str(aside) == f"{shelf} {BAD}: {FACTS[how]}; set aside in {aside.place}"
    assert aside.data() == {"shelf": str(shelf), "day": str(BAD), "place": str(aside.place), "fact": FACTS[how],
                            "command": aside.command}  # fmt: skip
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


def test_all_damage_is_set_aside_at_once_and_what_a_dead_writer_left_is_finished_first(shelf: Shelf) -> None:
    for how, day in zip(DAMAGE, WANTED[:3], strict=False):
        DAMAGE[how](shelf.day_folder(day), shelf.part_name(day))
    left = shelf.root / ".lake" / "staging" / f"parquet~1h~BTCUSDT~{WANTED[3]:%Y%m%d}~none~{'0' * 16}"
    left.mkdir(parents=True)
    assert [aside.day for aside in repair(shelf.root)] == WANTED[:3]
    assert lakes.staged(shelf.root) == [] and days.entry(shelf, WANTED[3])


@pytest.mark.parametrize("what", ["a link to a folder", "a file", "a link to nowhere"])
def test_what_stands_in_a_days_place_and_is_no_folder_is_set_aside_and_not_followed(shelf: Shelf, what: str) -> None:
    folder = shelf.day_folder(BAD)
    elsewhere = shelf.root / "elsewhere"
    folder.rename(elsewhere)
    if what == "a file":
        folder.write_text("mine")
    else:
        folder.symlink_to(elsewhere if "folder" in what else shelf.root / "nowhere")
    before = {path.name: path.read_bytes() for path in elsewhere.iterdir()}
    (aside,) = repair(shelf.root)
    assert "'a link', which is not one of a day's three files" in aside.fact
    assert aside.place.is_symlink() or aside.place.is_file()
    assert {path.name: path.read_bytes() for path in elsewhere.iterdir()} == before
    assert not folder.exists() and not folder.is_symlink()


def test_a_place_aside_that_is_taken_is_not_used_again(shelf: Shelf) -> None:
    aside = shelf.root / ".lake" / "aside"
    aside.mkdir()
    (aside / f"parquet~1h~BTCUSDT~{BAD:%Y%m%d}~1").symlink_to("nowhere")
    flip(shelf.day_folder(BAD), shelf.part_name(BAD))
    assert repair(shelf.root)[0].place.name.endswith("~2")


def test_setting_aside_is_durable_and_done_while_nothing_is_published(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    flip(shelf.day_folder(BAD), shelf.part_name(BAD))
    told: list[tuple[str, Path]] = []

    def place(one: Path, other: Path) -> None:
        with pytest.raises(BlockingIOError), (shelf.root / ".lake" / "locks" / "publish").open() as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        told.append(("place", other))
        one.rename(other)

    monkeypatch.setattr(disk, "place", place)
    monkeypatch.setattr(disk, "sync_folder", lambda path: told.append(("sync", path)))
    (found,) = repair(shelf.root)
    aside = shelf.root / ".lake" / "aside"
    assert told[-3:] == [("place", found.place), ("sync", shelf.day_folder(BAD).parent), ("sync", aside)]


def test_an_empty_folder_is_no_damage_and_its_day_is_gone(shelf: Shelf) -> None:
    shelf.day_folder(BAD).rename(shelf.root / "elsewhere")
    shelf.day_folder(BAD).mkdir()
    assert repair(shelf.root) == []
    assert len(gone(shelf.root)) == 1 and f"--start {BAD} --end {BAD}" in gone(shelf.root)[0]


def test_a_day_that_is_on_record_is_made_anew_from_it_alone_and_asks_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A venue of pages was asked for all days at once; exactly the damaged one comes back, the same."""
    root = tmp_path / "lake"
    with at_a_stand_in():
        assert called(ingest(SOME).format(root=root))[0] == 0
    place = lakes.a_shelf(root, "4h")
    before = lakes.day_folders(root)
    untouched = place.day_folder(SOME[0]).stat()
    flip(place.day_folder(SOME[1]), place.part_name(SOME[1]))
    monkeypatch.setenv("COINGLASS_BASE_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("COINGLASS_API_KEY", "any")
    code, told = called(f"lake repair --run --lake {root}")
    assert code == 0 and f"--start {SOME[1]} --end {SOME[1]} --replay" in told
    assert lakes.day_folders(root) == before
    assert place.day_folder(SOME[0]).stat() == untouched


def test_days_are_made_anew_after_the_days_they_are_made_of(shelf: Shelf) -> None:
    features = lakes.committed(lakes.a_shelf(shelf.root, dataset="features"), WANTED)
    for one in (features, shelf):
        flip(one.day_folder(BAD), one.part_name(BAD))
    first, then = gone(shelf.root, repair(shelf.root))
    assert "p1_ingest ingest" in first and "p2_features build" in then and "--replay" not in first + then


def test_a_day_that_no_log_tells_of_is_made_anew_on_its_own_shelf_alone(shelf: Shelf) -> None:
    """As in a lake whose days were copied there one by one."""
    features = lakes.committed(lakes.a_shelf(shelf.root, dataset="features"), WANTED)
    (shelf.root / ".lake" / "log.tsv").unlink()
    flip(features.day_folder(BAD), features.part_name(BAD))
    shelf.day_folder(BAD).rename(shelf.root / "elsewhere")
    (command,) = gone(shelf.root, repair(shelf.root))
    assert "p2_features build" in command
