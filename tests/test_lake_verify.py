"""Whatever changed behind the lake's back is found, by name; what a writer does meanwhile is not taken for it."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import random
import shutil
import time
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from lake import commit, days, locks, log, revised, strangers
from lake.findings import Finding
from lake.layout import MANIFEST, SUCCESS, Shelf, shelf_at
from lake.manifest import mark, written
from lake.verify import verify
from meta.columns import BARS
from meta.datasets import FOLDS
from tests import children, crash, lakes
from tests.tap import MODES, Point
from tests.writers import rewriting

WANTED = lakes.the_days(3)


@pytest.fixture
def root() -> Iterator[Path]:
    with lakes.scratch() as folder:
        yield folder


@pytest.fixture
def lake(root: Path) -> Path:
    """Two symbols of three days, BTCUSDT at two timeframes."""
    for symbol, tf in (("BTCUSDT", "1h"), ("ETHUSDT", "1h"), ("BTCUSDT", "4h")):
        lakes.committed(lakes.a_shelf(root, tf, symbol), WANTED, seed=1)
    return root


def wrong(found: list[Finding]) -> list[Finding]:
    return [finding for finding in found if finding.wrong]


def folder(lake: Path, symbol: str = "BTCUSDT", day: date = WANTED[1], tf: str = "1h") -> Path:
    return lakes.a_shelf(lake, tf, symbol).day_folder(day)


def part(lake: Path, symbol: str = "BTCUSDT", day: date = WANTED[1]) -> Path:
    return folder(lake, symbol, day) / Shelf.part_name(day)


def looked_at(lake: Path) -> dict[Path, tuple[int, ...]]:
    """Everything there but the time of the last look, which reading may move."""
    known = {path: path.stat() for path in sorted(lake.rglob("*"))}
    return {
        path: (one.st_ino, one.st_mode, one.st_size, one.st_mtime_ns, one.st_ctime_ns) for path, one in known.items()
    }


def test_a_sound_lake_has_no_findings(lake: Path) -> None:
    before = looked_at(lake)
    assert verify(lake) == [] and verify(lake, sample=0.5) == []
    assert looked_at(lake) == before, "looking changes nothing"
    assert verify(lake / "nowhere") == []


def _swap(one: Path, other: Path) -> None:
    kept = one.rename(one.with_name("kept"))
    other.rename(one)
    kept.rename(other)


def _put(path: Path, data: bytes = b"x") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def _as_link(path: Path, of: Path) -> None:
    path.rename(of)
    path.symlink_to(of)


DAMAGE: dict[str, Callable[[Path], object]] = {
    "a part missing": lambda lake: part(lake).unlink(),
    "a manifest missing": lambda lake: (folder(lake) / MANIFEST).unlink(),
    "a marker missing": lambda lake: (folder(lake) / SUCCESS).unlink(),
    "a day missing": lambda lake: shutil.rmtree(folder(lake)),
    "a day emptied": lambda lake: [path.unlink() for path in folder(lake).iterdir()],
    "a part emptied": lambda lake: part(lake).write_bytes(b""),
    "a part longer by a byte": lambda lake: part(lake).write_bytes(part(lake).read_bytes() + b"\n"),
    "a marker that says something": lambda lake: (folder(lake) / SUCCESS).write_bytes(b"\n"),
    "parts of two symbols swapped": lambda lake: _swap(part(lake), part(lake, "ETHUSDT")),
    "parts of two days swapped": lambda lake: _swap(part(lake), part(lake, day=WANTED[2])),
    "manifests of two days swapped": lambda lake: _swap(
        folder(lake) / MANIFEST, folder(lake, day=WANTED[2]) / MANIFEST
    ),
    "manifests of two symbols swapped": lambda lake: _swap(folder(lake) / MANIFEST, folder(lake, "ETHUSDT") / MANIFEST),
    "whole days of two symbols swapped": lambda lake: _swap(folder(lake), folder(lake, "ETHUSDT")),
    "whole days of two timeframes swapped": lambda lake: _swap(folder(lake), folder(lake, tf="4h")),
    "whole days of one symbol swapped": lambda lake: _swap(folder(lake), folder(lake, day=WANTED[2])),
    "a second part": lambda lake: _put(folder(lake) / "part-2.parquet"),
    "a stray file in a day": lambda lake: _put(folder(lake) / ".DS_Store"),
    "a folder in a day": lambda lake: (folder(lake) / "deep").mkdir(),
    "a stray part on a shelf": lambda lake: _put(folder(lake).parent / "part.parquet"),
    "a stray part above the shelves": lambda lake: _put(lake / "parquet" / "part.parquet"),
    "a link for a part": lambda lake: _as_link(part(lake), lake / "kept"),
    "a link for a day": lambda lake: _as_link(folder(lake), lake / "kept"),
    "a link for a month": lambda lake: _as_link(folder(lake).parent, lake / "kept"),
    "a file for a day": lambda lake: (shutil.rmtree(folder(lake)), _put(folder(lake))),
    "a pipe for a manifest": lambda lake: ((folder(lake) / MANIFEST).unlink(), os.mkfifo(folder(lake) / MANIFEST)),
}


@pytest.mark.parametrize("what", DAMAGE)
def test_damage_is_found_by_name(what: str, lake: Path) -> None:
    DAMAGE[what](lake)
    found = wrong(verify(lake))
    assert found, what
    assert len(found) <= (4 if "days" in what else 2), f"more is told than is wrong: {[str(f) for f in found]}"
    for finding in found:
        text = str(finding)
        assert finding.remedy and str(finding.path) in text and "\n" not in text
        assert json.loads(json.dumps(finding.data()))["wrong"] is True


FACTS = {
    "a marker missing": "holds files but no _SUCCESS, so its day is not committed",
    "a marker that says something": "is not empty",
    "a part missing": "is damaged: part-20250502.parquet is missing",
    "a manifest missing": "is damaged: has _SUCCESS but no MANIFEST.tsv",
    "a stray file in a day": "is not one of a day's three files",
    "a link for a day": "is no folder of files",
    "a file for a day": "is no folder of files",
    "a link for a month": "was put there by no phase",
    "a day missing": "is gone, and the log tells of it",
    "a day emptied": "is gone, and the log tells of it",
}


@pytest.mark.parametrize("what", FACTS)
def test_damage_is_told_as_what_it_is(what: str, lake: Path) -> None:
    DAMAGE[what](lake)
    assert FACTS[what] in [one.fact for one in wrong(verify(lake))]


def test_a_disk_that_cannot_be_read_is_a_finding(lake: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = days.day_in

    def failing(place: Shelf, day: date, opened: int) -> days.Day | None:
        if day == WANTED[1]:
            raise OSError(errno.EIO, "Input/output error")
        return real(place, day, opened)

    monkeypatch.setattr(days, "day_in", failing)
    found = wrong(verify(lake))
    assert len(found) == 3 and "cannot be read (Input/output error); check the disk" in str(found[0])


def test_a_strange_folder_is_told_and_no_damage(lake: Path) -> None:
    for name in ("parquet/7m/BTCUSDT/x", "parquet/1h/btc/x", "parquet/1h/BTCUSDT/notes.txt", "parquet/README",
                 "parquet/1h/BTCUSDT/y=2025/m=13/x", "parquet/1h/BTCUSDT/y=2025/m=05/d=32/x",
                 "parquet/1h/BTCUSDT/.FEATURES.json.12.tmp", "parquet/1h/BTCUSDT/.kept",
                 "parquet/1h/BTCUSDT/kept.tmp"):  # fmt: skip
        _put(lake / name)
    found = verify(lake)
    assert len(found) == 9 and not wrong(found)
    left = [finding.path.name for finding in found if finding.fact == "was left by a writer that died"]
    assert left == [".FEATURES.json.12.tmp"], "what only looks like it is somebody's"


def test_a_folder_that_goes_meanwhile_holds_no_stranger(lake: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = lakes.a_shelf(lake)
    month, scandir = place.day_folder(lakes.DAY).parent, os.scandir

    def gone(folder: str) -> Any:
        if folder.rstrip("/") == str(month):
            raise FileNotFoundError(folder)
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", gone)
    assert [*strangers.on(place)] == [] == [*strangers.on(lakes.a_shelf(lake, symbol="NONEUSDT"))]


def test_what_phases_keep_beside_their_days_is_no_stranger(lake: Path) -> None:
    _put(lake / "features" / "1h" / "BTCUSDT" / "FEATURES.json")
    _put(lake / "parquet" / "1h" / "BTCUSDT" / "OFFERED.json")
    assert verify(lake) == []


def test_a_lake_of_one_symbol_is_verified_alike(root: Path) -> None:
    place = lakes.committed(
        shelf_at(root / "out", lakes.a_shelf(root).dataset, lakes.a_shelf(root).tf, "BTCUSDT"), WANTED
    )
    for name in (".lake", "raw", "revisions"):
        (place.folder / name).mkdir(exist_ok=True)
    assert verify(place.root, [place]) == []
    (place.day_folder(WANTED[0]) / place.part_name(WANTED[0])).write_bytes(b"x")
    assert len(wrong(verify(place.root, [place]))) == 1


def test_folds_and_revisions_are_verified_with_the_whole_lake(lake: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shares, faults = [], revised.faults

    def asked(root: Path, share: float) -> Iterator[revised.Fault]:
        shares.append(share)
        return faults(root, share)

    monkeypatch.setattr(revised, "faults", asked)
    for name in (f"{FOLDS.folder}/1h/notes.txt", "revisions/notes.txt"):
        _put(lake / name)
    for sample in (None, 0.25):
        told = {str(finding.path.relative_to(lake)): finding.wrong for finding in verify(lake, sample=sample)}
        assert told == {f"{FOLDS.folder}/1h/notes.txt": False, "revisions/notes.txt": False}
    assert shares == [1.0, 0.25]
    assert verify(lake, [lakes.a_shelf(lake)]) == [] and len(shares) == 2


def test_days_the_log_does_not_know_are_told_once(lake: Path) -> None:
    log.path(lake).unlink()
    found = verify(lake)
    assert len(found) == 3 and not wrong(found) and "3 days the log does not know" in str(found[0])


@pytest.mark.parametrize("sample", [None, 0.25])
def test_each_day_is_told_of_once_as_it_is_done(sample: float | None, lake: Path) -> None:
    done: list[int] = []
    assert verify(lake, sample=sample, looked=done.append) == []
    assert done == [1] * 9


def test_a_sample_compares_names_of_all_and_digests_of_some(root: Path) -> None:
    place = lakes.planted(lakes.a_shelf(root), lakes.the_days(40))
    for day in lakes.the_days(40):
        path = place.day_folder(day) / place.part_name(day)
        data = bytearray(path.read_bytes())
        data[50] ^= 1
        path.write_bytes(data)
    assert len(verify(root)) == 40 and len(verify(root, sample=0.25)) == 10 and len(verify(root, sample=1.0)) == 40
    (place.day_folder(lakes.DAY) / MANIFEST).unlink()
    assert any(finding.day == lakes.DAY for finding in verify(root, sample=0.05))


def a_rewrite(where: Path) -> None:
    lakes.committed(lakes.a_shelf(where), WANTED, seed=2)


@pytest.mark.parametrize("mode", MODES)
def test_what_a_dead_writer_left_is_told_and_no_damage(mode: str, root: Path) -> None:
    """Killed at each of its changes: the days are sound, and only the leftovers are told."""
    lake = root / "lake"
    lakes.committed(lakes.a_shelf(lake), WANTED[:2], seed=1)
    calls = crash.undisturbed(a_rewrite, lake, root, mode).calls
    for number in range(0, len(calls), 2):
        where = lakes.copied(lake, root / "struck")
        crash.strike(a_rewrite, where, Point(number, "after", calls[number]), mode)
        found = verify(where)
        assert not wrong(found), f"after {number} {calls[number]}: {found}"
        assert len(found) == len(lakes.staged(where))
        a_rewrite(where)
        assert verify(where) == []


@pytest.mark.parametrize("what", ["a folder", "a link to nowhere"])
def test_a_first_commit_that_died_before_it_showed_is_told(what: str, lake: Path) -> None:
    place = lakes.a_shelf(lake, symbol="SOLUSDT")
    left = lake / ".lake" / "staging" / f"{locks.job_name(place)}~20250501~none~{'0' * 16}"
    if what == "a folder":
        left.mkdir()
    else:
        left.symlink_to(lake / "nowhere")
    (found,) = verify(lake)
    assert not found.wrong and "SOLUSDT" in str(found) and "next run" in found.remedy


def test_a_day_that_goes_while_it_is_looked_at_is_told_as_gone(lake: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Shelf, "days_on_disk", lambda _: WANTED)
    shutil.rmtree(folder(lake))
    (found,) = verify(lake)
    assert found.wrong and "is gone" in str(found) and "p1_ingest ingest" in found.remedy


def test_a_live_writers_staging_is_not_told(lake: Path) -> None:
    place = lakes.a_shelf(lake)
    with commit.writing(place) as writer:
        writer.stage(WANTED[0], lakes.a_day(seed=3), lakes.SOURCE)
        assert verify(lake) == []
    strange = lake / ".lake" / "staging" / "notes"
    for path in (strange, strange.with_name(f"weights~1h~BTCUSDT~20250501~none~{'0' * 16}")):
        path.mkdir()
    assert len(verify(lake)) == 2 and not wrong(verify(lake))


@pytest.mark.parametrize("mode", MODES)
def test_a_writer_at_work_raises_no_false_alarm(mode: str, root: Path) -> None:
    lakes.committed(lakes.a_shelf(root), WANTED, seed=1)
    with children.running(rewriting, root, WANTED, mode):
        until, looks = time.monotonic() + 20, 0
        while time.monotonic() < until and (looks < 120 or len(lakes.told(root)) < 60):
            found = verify(root)
            assert found == [], [str(finding) for finding in found]
            looks += 1
        assert looks >= 30


def test_between_publish_and_log_a_day_is_no_false_alarm(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place, met = lakes.committed(lakes.a_shelf(root), WANTED, seed=1), []
    real = log.append

    def append(*args: object) -> None:
        met.append(verify(root))
        real(*args)  # type: ignore[arg-type]
        met.append(verify(root))

    monkeypatch.setattr(log, "append", append)
    lakes.committed(place, WANTED, seed=2)
    assert met == [[], []]


def test_a_publish_just_after_the_second_look_is_no_false_alarm(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stray file makes verify look again; the writer publishes, and tells of it, the moment it may."""
    place = lakes.committed(lakes.a_shelf(root), WANTED, seed=1)
    _put(place.day_folder(WANTED[2]) / "stray")
    real = locks.snapshot

    @contextlib.contextmanager
    def between_two_rewrites(where: Path) -> Iterator[None]:
        lakes.committed(place, WANTED[:1], seed=2)
        with real(where):
            yield
        lakes.committed(place, WANTED[:2], seed=3)

    monkeypatch.setattr(locks, "snapshot", between_two_rewrites)
    (found,) = verify(root)
    assert found.path.name == "stray"


def staging(lake: Path, day: date, old: str, new: str) -> None:
    """What a writer of BTCUSDT at 1h leaves in staging while it does this to a day."""
    (lake / ".lake" / "staging" / f"{locks.job_name(lakes.a_shelf(lake))}~{day:%Y%m%d}~{old}~{new}").mkdir()


@pytest.mark.parametrize("what", ["nothing", "a removal", "a removal of another day", "a rewrite"])
def test_days_that_are_gone_are_told_but_for_one_that_is_just_being_taken_away(what: str, lake: Path) -> None:
    place = lakes.a_shelf(lake)
    old = mark(lakes.entry(place, WANTED[0]))
    for day in WANTED[:2]:
        shutil.rmtree(place.day_folder(day))
    if what == "a rewrite":
        staging(lake, WANTED[0], old, "0" * 16)
    elif what != "nothing":
        staging(lake, WANTED[0] if what == "a removal" else WANTED[2], old, "none")
    with locks.job(place):
        gone = [finding.day for finding in verify(lake)]
    assert gone == (WANTED[1:2] if what == "a removal" else WANTED[:2])


@pytest.mark.parametrize("what", ["nothing", "this", "another part", "another day"])
def test_a_part_the_log_does_not_tell_is_told_but_for_one_whose_writer_is_about_to(
    what: str, lake: Path, tmp_path: Path
) -> None:
    place, other = lakes.a_shelf(lake), lakes.committed(lakes.a_shelf(tmp_path), WANTED, seed=2)
    shutil.copytree(other.day_folder(WANTED[0]), place.day_folder(WANTED[0]), dirs_exist_ok=True)
    new = mark(lakes.entry(other, WANTED[0]))
    if what != "nothing":
        staging(lake, WANTED[what == "another day"], "0" * 16, new if what != "another part" else "1" * 16)
    with locks.job(place):
        told = [(finding.day, finding.fact[:18]) for finding in verify(lake)]
    assert told == ([] if what == "this" else [(WANTED[0], "holds another part")])


def test_a_staging_folder_of_the_same_name_is_another_one(lake: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A writer ends and the next begins, on the same day, while the lock is looked at."""
    path = lake / ".lake" / "staging" / f"{locks.job_name(lakes.a_shelf(lake))}~20250501~none~{'0' * 16}"
    path.mkdir()

    def holder(_: Shelf) -> None:
        path.rmdir()
        path.mkdir()

    monkeypatch.setattr(locks, "holder", holder)
    assert verify(lake) == []


def test_a_swap_of_two_rows_is_sound_while_the_part_is(lake: Path) -> None:
    place = lakes.a_shelf(lake)
    old = days.entry(place, WANTED[1])
    other = days.entry(lakes.a_shelf(lake, symbol="ETHUSDT"), WANTED[1])
    assert old and other
    (folder(lake) / MANIFEST).write_bytes(written([other, old]))
    assert verify(lake) == []
    with locks.publishing(lake):
        pass


def mutations(lake: Path, seed: int, count: int) -> Iterator[tuple[str, Path]]:
    """Change one file of the lake by a flipped bit, a cut, or zeros, again and again; it is put back after each."""
    chance = random.Random(seed)
    files = [path for path in sorted(lake.rglob("*")) if path.is_file() and "y=" in str(path)]
    full = [path for path in files if path.stat().st_size]
    for turn in range(count):
        path = chance.choice(full)
        data = path.read_bytes()
        at, bit = chance.randrange(len(data)), 1 << chance.randrange(8)
        changed = {
            "flip": data[:at] + bytes([data[at] ^ bit]) + data[at + 1 :],
            "cut": data[:at],
            "zeros": data[:at] + bytes(min(64, len(data) - at)) + data[at + 64 :],
        }[kind := ("flip", "flip", "flip", "cut", "zeros")[turn % 5]]
        if changed == data:
            continue
        path.write_bytes(changed)
        yield f"{kind} at {at} of {path.name}", path
        path.write_bytes(data)


def found_all(lake: Path, seed: int, count: int) -> int:
    done = 0
    for what, path in mutations(lake, seed, count):
        found = wrong(verify(lake))
        assert len(found) == 1 and found[0].path in (path.parent, path), f"{what}: {found}"
        done += 1
    return done


def test_flips_and_cuts_are_all_found(root: Path) -> None:
    lakes.committed(lakes.a_shelf(root), WANTED[:2])
    assert found_all(root, 1, 400) > 350


@pytest.mark.long
def test_ten_thousand_flips_and_cuts_are_all_found(root: Path) -> None:
    lakes.committed(lakes.a_shelf(root), WANTED[:2], columns=BARS)
    done = found_all(root, 2, 10_500)
    print(f"B6: {done} of {done} flips, cuts and zeroings found")
    assert done >= 10_000


def test_a_day_that_breaks_after_it_was_looked_at_is_not_passed_over(
    lake: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another day's damage makes verify look again at what has changed meanwhile, broken days included."""
    (folder(lake) / SUCCESS).unlink()
    place, words = lakes.a_shelf(lake), log.last_words

    def broken_meanwhile(shelf: Shelf) -> dict[date, str]:
        (place.day_folder(WANTED[0]) / place.part_name(WANTED[0])).write_bytes(b"x")
        return words(shelf)

    monkeypatch.setattr(log, "last_words", broken_meanwhile)
    assert {found.day for found in wrong(verify(lake))} == {WANTED[0], WANTED[1]}


def test_names_in_staging_that_are_no_shelf_are_nobodys(lake: Path) -> None:
    staging = lake / ".lake" / "staging"
    kept = f"20250501~none~{'0' * 16}"
    for job in ("parquet~1h~btc", "parquet~7h~BTCUSDT", "nothing~1h~BTCUSDT", "parquet~1h", "parquet"):
        (staging / f"{job}~{kept}").mkdir()
    (staging / f"labels~1h~BTCUSDT~{kept}").mkdir()
    facts = {path.path.name.removesuffix(f"~{kept}"): path.fact for path in verify(lake)}
    assert facts.pop("labels~1h~BTCUSDT") == "was left by a writer that died"
    assert set(facts.values()) == {"was put there by no writer"} and len(facts) == 5


@pytest.mark.parametrize("where", ["1h", "1h/BTCUSDT", "1h/BTCUSDT/y=2025", "1h/BTCUSDT/y=2025/m=05"])
def test_a_folder_that_is_a_link_is_told(lake: Path, tmp_path: Path, where: str) -> None:
    """Whoever owns what it leads to decides what is read there."""
    link = lake / "parquet" / where
    shutil.move(link, tmp_path / "elsewhere")
    link.symlink_to(tmp_path / "elsewhere")
    assert [one.path for one in wrong(verify(lake))] == [link]
