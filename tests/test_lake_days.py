"""A reader finds the old day or the new one, whole, whatever a writer does meanwhile; damage is named, never read."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lake import commit, days, fresh, notes
from lake.layout import MANIFEST, SUCCESS, Shelf, shelf_at
from lake.manifest import Entry, parsed, written
from meta.errors import NotReady, Tampered
from tests import children, crash, lakes
from tests.tap import BREAK, EXCHANGE, MODES, Point, Tap, tapped
from tests.writers import rewriting


@pytest.fixture
def root() -> Iterator[Path]:
    with lakes.scratch() as folder:
        yield folder


def a_rewrite(where: Path) -> None:
    lakes.committed(lakes.a_shelf(where), seed=2)


def old_and_new(root: Path) -> tuple[Entry, Entry]:
    """The entries of the day before and after the rewrite; the lake `root/lake` holds the old one."""
    made = [
        lakes.entry(lakes.committed(lakes.a_shelf(root / name), seed=seed)) for name, seed in (("lake", 1), ("b", 2))
    ]
    return made[0], made[1]


@contextlib.contextmanager
def between_opens(number: int, act: Callable[[], None]) -> Iterator[None]:
    """Just before the reader opens or looks up its n-th name, something happens, once."""
    real, met = {"open": os.open, "stat": os.stat}, [0]

    def call(name: str) -> Callable[..., Any]:
        def inner(*args: Any, **kwargs: Any) -> Any:
            met[0] += 1
            if met[0] == number + 1:
                os.open, os.stat = real["open"], real["stat"]
                act()
            return real[name](*args, **kwargs)

        return inner

    os.open, os.stat = call("open"), call("stat")
    try:
        yield
    finally:
        os.open, os.stat = real["open"], real["stat"]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("look", [days.read, days.entry], ids=["read", "entry"])
def test_a_writer_between_two_steps_of_a_reader_is_never_seen(look: Callable[..., Any], mode: str, root: Path) -> None:
    """The reader is held before each of its steps while the writer goes on to each of its own, or to its end."""
    old, new = old_and_new(root)
    calls = crash.undisturbed(a_rewrite, root / "lake", root, mode).calls
    first = next(i for i, call in enumerate(calls) if call.function in ("exchange", "replace"))
    stops = [Point(i, "before", calls[i]) for i in range(first, len(calls))]
    found = set()
    for step in range(4):
        for stop in [*stops, None]:
            where = lakes.copied(root / "lake", root / "held")
            with between_opens(step, lambda where=where, stop=stop: crash.strike(a_rewrite, where, stop, mode)):  # type: ignore[misc]
                seen = look(lakes.a_shelf(where), lakes.DAY)
            assert seen is not None, f"absent at step {step}, writer at {stop}"
            entry = seen if look is days.entry else seen.entry
            assert entry in (old, new), f"step {step}, writer at {stop}"
            found.add(entry.sha256)
    assert found == {old.sha256, new.sha256}


def test_a_reader_that_never_gets_a_quiet_look_says_so(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shelf = lakes.committed(lakes.a_shelf(root))
    (shelf.day_folder(lakes.DAY) / SUCCESS).unlink()
    monkeypatch.setattr(days, "_is_still", lambda *_: False)
    with pytest.raises(Tampered, match="rewritten at every look"):
        days.read(shelf, lakes.DAY)


def stress(root: Path, mode: str, reads: int, kills: int, seconds: float) -> tuple[int, int]:
    """Read a day that is rewritten all the time by writers that are killed: how many reads, how many rewrites?"""
    old, new = old_and_new(root)
    shelf = lakes.a_shelf(root / "lake")
    until, found = time.monotonic() + seconds, {old.sha256: 0, new.sha256: 0}
    done = 0
    while (done < reads or len(lakes.told(shelf.root)) < 2 * kills) and time.monotonic() < until:
        with children.running(rewriting, shelf.root, [lakes.DAY], mode):
            told, enough = len(lakes.told(shelf.root)) + 4, done + 2 * reads // kills  # four more rewrites a writer
            while done < enough or (len(lakes.told(shelf.root)) < told and time.monotonic() < until):
                day, entry = days.need(shelf, lakes.DAY), days.entry(shelf, lakes.DAY)
                assert entry in (old, new)
                found[day.entry.sha256] += 1
                done += 2
    assert min(found.values()) > 0, "both generations were met"
    return done, len(lakes.told(shelf.root))


@pytest.mark.parametrize("mode", MODES)
def test_no_read_is_torn_while_writers_rewrite_and_die(mode: str, root: Path) -> None:
    done, rewrites = stress(root, mode, 10_000, 10, 45)
    assert done >= 5_000 and rewrites >= 20, f"{done} reads over {rewrites} rewrites say little"


@pytest.mark.long
@pytest.mark.parametrize("mode", MODES)
def test_no_read_of_half_a_million_is_torn(mode: str, root: Path) -> None:
    done, rewrites = stress(root, mode, 500_000, 200, 900)
    print(f"B4 {mode}: {done} verified reads over {rewrites} rewrites, 200 writers killed, 0 torn")
    assert done >= 500_000


def test_a_day_that_is_not_there_is_absent(root: Path) -> None:
    shelf = lakes.a_shelf(root)
    assert days.read(shelf, lakes.DAY) is None and days.entry(shelf, lakes.DAY) is None
    assert days.committed(shelf) == {} and not days.is_committed(shelf, lakes.DAY)
    with pytest.raises(
        NotReady, match=r"p1_ingest ingest --symbol BTCUSDT --tf 1h --lake .* --start 2025-05-01 --end 2025-05-01"
    ):
        days.need(shelf, lakes.DAY)


def test_why_no_day_is_there_is_told_with_what_is_and_the_command(root: Path) -> None:
    shelf = lakes.committed(lakes.a_shelf(root))
    assert days.is_committed(shelf, lakes.DAY)
    told = days.none_of(shelf, lakes.the_days(3), "ingest")
    assert told == f"{shelf} holds 2025-05-01 … 2025-05-03, and no day of that range; choose another, or ingest it"
    assert days.none_of(shelf, [], "ingest") == f"{shelf} has no committed day in {root}; run `{days.command(shelf)}`"


@pytest.mark.parametrize("harm", ["is missing", "is not the file its manifest describes (sha256 differs)"])
def test_a_part_that_is_gone_and_one_that_is_another_are_told_apart(root: Path, harm: str) -> None:
    shelf = lakes.committed(lakes.a_shelf(root))
    part = shelf.day_folder(lakes.DAY) / shelf.part_name(lakes.DAY)
    if harm == "is missing":
        part.unlink()
    else:
        part.write_bytes(b"other")
    with pytest.raises(Tampered, match=re.escape(f"{part.name} {harm}")):
        days.read(shelf, lakes.DAY)


def test_a_day_is_looked_at_so_many_times_before_it_is_called_damaged(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf, looks = lakes.committed(lakes.a_shelf(root)), []

    def damaged(*args: object) -> None:
        looks.append(args)
        raise Tampered("damaged")

    monkeypatch.setattr(days, "_look", damaged)
    with pytest.raises(Tampered):
        days.read(shelf, lakes.DAY)
    assert len(looks) == days.TRIES


def test_days_without_a_marker_are_absent(root: Path) -> None:
    shelf = lakes.committed(lakes.a_shelf(root), lakes.the_days(2))
    marker = shelf.day_folder(lakes.DAY) / SUCCESS
    marker.unlink()
    assert list(days.committed(shelf)) == lakes.the_days(2)[1:]
    marker.symlink_to(shelf.day_folder(lakes.the_days(2)[1]) / SUCCESS)
    assert days.read(shelf, lakes.DAY) is None, "a link is no marker"


def test_a_day_taken_away_while_it_is_read_is_absent(root: Path) -> None:
    for step in (1, 2, 3):
        shelf = lakes.committed(lakes.a_shelf(root))
        with between_opens(step, lambda: shutil.rmtree(lakes.a_shelf(root).day_folder(lakes.DAY))):
            assert days.read(shelf, lakes.DAY) is None


@pytest.mark.parametrize("step", [0, 2, 3])
def test_a_disk_that_fails_is_no_absent_day(step: int, root: Path) -> None:
    shelf = lakes.committed(lakes.a_shelf(root))

    def fail() -> None:
        raise OSError(errno.EIO, "Input/output error")

    with between_opens(step, fail), pytest.raises(OSError, match="Input/output"):
        days.read(shelf, lakes.DAY)


def test_a_linked_day_folder_is_no_day(root: Path) -> None:
    shelf = lakes.committed(lakes.a_shelf(root))
    other = lakes.a_shelf(root, symbol="ETHUSDT")
    other.day_folder(lakes.DAY).parent.mkdir(parents=True)
    other.day_folder(lakes.DAY).symlink_to(shelf.day_folder(lakes.DAY))
    assert days.read(other, lakes.DAY) is None


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def _pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _link(path: Path) -> None:
    kept = path.rename(path.with_name("kept"))
    path.symlink_to(kept)


PART = Shelf.part_name(lakes.DAY)
DAMAGE: dict[str, tuple[str, Callable[[Path], None]]] = {
    "a flipped bit": (PART, _flip),
    "a cut part": (PART, lambda path: os.truncate(path, 100)),
    "a missing part": (PART, Path.unlink),
    "a linked part": (PART, _link),
    "a pipe for a part": (PART, _pipe),
    "a folder for a part": (PART, _folder),
    "a missing manifest": (MANIFEST, Path.unlink),
    "a pipe for a manifest": (MANIFEST, _pipe),
    "a folder for a manifest": (MANIFEST, _folder),
    "a flipped manifest": (MANIFEST, _flip),
    "a cut manifest": (MANIFEST, lambda path: os.truncate(path, 40)),
    "an empty manifest": (MANIFEST, lambda path: os.truncate(path, 0)),
}


def test_reads_that_come_in_pieces_are_put_together(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shelf, read = lakes.committed(lakes.a_shelf(root)), os.read
    monkeypatch.setattr(os, "read", lambda fd, most: read(fd, min(most, 100)))
    assert days.need(shelf, lakes.DAY).table().equals(lakes.a_day())


@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_is_named_and_never_read(damage: str, root: Path) -> None:
    shelf = lakes.committed(lakes.a_shelf(root))
    name, harm = DAMAGE[damage]
    harm(shelf.day_folder(lakes.DAY) / name)
    with pytest.raises(Tampered, match=r"P1 1h BTCUSDT 2025-05-01.*lake repair"):
        days.read(shelf, lakes.DAY)
    if damage != "a flipped bit":  # entry compares the size only, and says so
        with pytest.raises(Tampered):
            days.entry(shelf, lakes.DAY)


def test_another_days_manifest_is_damage(root: Path) -> None:
    first, second = lakes.the_days(2)
    shelf = lakes.committed(lakes.a_shelf(root), (first, second))
    (shelf.day_folder(first) / MANIFEST).write_bytes((shelf.day_folder(second) / MANIFEST).read_bytes())
    for look in (days.read, days.entry):
        with pytest.raises(Tampered, match="of another day"):
            look(shelf, first)


def test_a_manifest_of_two_rows_goes_with_either_part(root: Path) -> None:
    old, new = old_and_new(root)
    shelf, other = lakes.a_shelf(root / "lake"), lakes.a_shelf(root / "b")
    folder, theirs = shelf.day_folder(lakes.DAY), other.day_folder(lakes.DAY)
    (folder / MANIFEST).write_bytes(written([old, new]))
    assert lakes.entry(shelf) == old
    (folder / old.file).write_bytes((theirs / new.file).read_bytes())
    assert lakes.entry(shelf) == new and days.need(shelf, lakes.DAY).entry == new
    (folder / old.file).write_bytes(b"neither")
    with pytest.raises(Tampered):
        days.entry(shelf, lakes.DAY)


@pytest.mark.parametrize("mode", MODES)
def test_a_swap_left_open_without_its_staging_is_closed_by_the_next_write(mode: str, root: Path) -> None:
    old, new = old_and_new(root)
    folder = lakes.a_shelf(root / "lake").day_folder(lakes.DAY)
    (folder / MANIFEST).write_bytes(written([old, new]))
    with tapped(Tap(root), mode):
        a_rewrite(root / "lake")
    assert parsed((folder / MANIFEST).read_bytes(), "") == [new]
    assert lakes.told(root / "lake")[-1][4:] == (old.sha256, new.sha256)


@pytest.mark.parametrize("mode", [EXCHANGE, BREAK])
def test_other_days_are_not_touched_by_a_rewrite(mode: str, root: Path) -> None:
    wanted = lakes.the_days(3)
    shelf = lakes.committed(lakes.a_shelf(root), wanted)
    kept = [_everything(shelf.day_folder(day)) for day in wanted[1:]]
    with tapped(Tap(root), mode):
        lakes.committed(shelf, wanted[:1], seed=5)
    assert [_everything(shelf.day_folder(day)) for day in wanted[1:]] == kept


def _everything(folder: Path) -> list[tuple[Any, ...]]:
    paths = [folder, *sorted(folder.iterdir())]
    return [(p.name, s.st_ino, s.st_mtime_ns, s.st_ctime_ns, s.st_size) for p in paths for s in [p.stat()]]


def test_writing_the_same_again_changes_no_inode_time_or_byte(root: Path) -> None:
    wanted = lakes.the_days(3)
    shelf = lakes.committed(lakes.a_shelf(root), wanted)
    before = [_everything(shelf.day_folder(day)) for day in wanted], lakes.day_folders(root), lakes.told(root)
    with commit.writing(shelf) as writer:
        assert not any(writer.stage(day, lakes.a_day(day), lakes.SOURCE) for day in wanted)
        assert writer.publish() == []
    assert before == ([_everything(shelf.day_folder(day)) for day in wanted], lakes.day_folders(root), lakes.told(root))


def test_the_command_that_makes_a_day_names_source_and_place(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = lakes.a_shelf(root)
    span = "--start 2025-05-01 --end 2025-05-01"
    asked = "run `python -m p1_ingest ingest --symbol BTCUSDT --tf 1h"
    assert days.how_to_make(place, lakes.DAY, lakes.DAY) == f"{asked} --lake {root} {span}`"
    for source, said in (("binance", " --source binance"), ("sim", "")):
        notes.write(place, notes.OFFERED, {"source": source})
        assert days.how_to_make(place, lakes.DAY, lakes.DAY) == f"{asked}{said} --lake {root} {span}`"
    verbs = {"features": "p2_features build", "labels": "p3_labels triple-barrier", "weights": "p3_labels weights"}
    for name, verb in verbs.items():
        made = f"python -m {verb} --symbol BTCUSDT --tf 1h --lake {root}"
        assert days.command(place.sibling(lakes.DATASETS[name])) == made
    free = shelf_at(root / "my own", lakes.DATASETS["features"], place.tf, "BTCUSDT")
    assert days.command(free) == f"python -m p2_features build --symbol BTCUSDT --tf 1h --out '{root}/my own'"
    with pytest.raises(NotReady, match=r"is not committed; run `python -m p1_ingest ingest .* --start 2025-05-01"):
        days.need(place, lakes.DAY)


def test_the_command_that_makes_resampled_bars_is_known_by_the_newest_day_that_says_so(root: Path) -> None:
    place = lakes.a_shelf(root)
    source = fresh.resampled("sim SYNTHETIC: price (sim)", "5m")
    with commit.writing(place) as writer:
        writer.stage(lakes.DAY, lakes.a_day(), replace(lakes.SOURCE, source=source))
        writer.publish()
    place.day_folder(lakes.the_days(2)[1]).mkdir()  # not committed: it says nothing
    asked = "python -m p1_ingest resample --symbol BTCUSDT --from 5m --to 1h"
    assert days.command(place) == f"{asked} --lake {root}"
