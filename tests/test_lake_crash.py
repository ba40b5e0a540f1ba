"""A day is whole or absent, at any moment, after any crash; and the next run ends where an undisturbed one would."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import pyarrow as pa
import pytest

from lake import commit, days, disk, parts, recover
from lake.layout import MANIFEST, SUCCESS
from lake.manifest import written
from tests import crash, lakes
from tests.crash import Run
from tests.tap import BREAK, EXCHANGE, KILLS, KINDS, MODES, Point, Tap, tapped


@pytest.fixture
def scratch() -> Iterator[Path]:
    with lakes.scratch() as folder:
        yield folder


BATCH = lakes.the_days(3)


def a_write(*wanted: date, seed: int) -> Run:
    """The command: these days, in one batch, with the values of this seed."""
    return functools.partial(_write, {day: lakes.a_day(day, seed=seed) for day in wanted or (lakes.DAY,)})


def _write(made: dict[date, pa.Table], root: Path) -> None:
    with commit.writing(lakes.a_shelf(root)) as writer:
        writer.stage_all((day, table, lakes.SOURCE) for day, table in made.items())
        writer.publish()


def nothing(root: Path) -> Path:
    root.mkdir()
    return root


def one_day(root: Path) -> Path:
    lakes.committed(lakes.a_shelf(root), seed=1)
    return root


def a_batch_before(root: Path) -> Path:
    lakes.committed(lakes.a_shelf(root), BATCH[:2], seed=1)
    return root


# A first commit, a rewrite, and a batch that rewrites two days and adds one.
WRITES: dict[str, tuple[Callable[[Path], Path], Run]] = {
    "first commit": (nothing, a_write(seed=1)),
    "rewrite": (one_day, a_write(seed=2)),
    "batch": (a_batch_before, a_write(*BATCH, seed=2)),
}
CASES = [(name, mode) for name in WRITES for mode in MODES if (name, mode) != ("first commit", BREAK)]


def summed(report: crash.Report) -> str:
    return f"{len(report.violations)} of {report.points} points:\n" + "\n".join(report.violations[:12])


@pytest.mark.parametrize(("name", "mode"), CASES)
def test_no_crash_shows_half_a_day_and_the_next_run_converges(name: str, mode: str, scratch: Path) -> None:
    make, run = WRITES[name]
    report = crash.points(run, make(scratch / "lake"), scratch, mode=mode, most=75, fork_every=3)
    assert not report.violations, summed(report)
    assert report.points >= 60 and report.forks >= 4
    assert set(report.calls) == report.made, "every distinct change is struck"


@pytest.mark.parametrize("mode", MODES)
def test_a_crash_while_recovering_from_a_crash_changes_nothing(mode: str, scratch: Path) -> None:
    make, run = WRITES["rewrite"]
    report = crash.points(run, make(scratch / "lake"), scratch, mode=mode, kinds=KILLS, most=16, twice=4)
    assert not report.violations, summed(report)
    assert report.points >= 90


@pytest.mark.parametrize(("name", "mode"), CASES)
def test_a_reader_finds_the_old_day_or_the_new_one_at_every_moment(name: str, mode: str, scratch: Path) -> None:
    make, run = WRITES[name]
    looks, wrong = crash.watched(run, make(scratch / "lake"), scratch, mode)
    assert not wrong, wrong[:5]
    assert looks > 40


def test_what_was_struck_is_what_the_writer_does(scratch: Path) -> None:
    make, run = WRITES["rewrite"]
    lake = make(scratch / "lake")
    made = {mode: crash.undisturbed(run, lake, scratch, mode) for mode in MODES}
    by_exchange, by_breaking = (
        [call.function for call in made[mode].calls if not call.role.startswith("revisions/")] for mode in MODES
    )
    assert by_exchange.count("exchange") == 1 and "replace" not in by_exchange
    assert by_breaking.count("replace") == 3 and "exchange" not in by_breaking
    assert made[EXCHANGE].after == made[BREAK].after
    assert len(crash.all_points(made[EXCHANGE].calls)) >= 120


@pytest.mark.parametrize("mode", MODES)
def test_all_is_durable_before_it_is_published_and_told_before_it_is_cleared(mode: str, scratch: Path) -> None:
    make, run = WRITES["rewrite"]
    made = crash.undisturbed(run, make(scratch / "lake"), scratch, mode).calls
    calls = [(call.function, call.role) for call in made]
    tx, month = ".lake/staging/parquet~#h~BTCUSDT~#~#~#", "parquet/#h/BTCUSDT/y=#/m=#"
    renames = [i for i, (function, _) in enumerate(calls) if function in ("exchange", "replace")]
    kept, published = renames[:2]
    for role in (calls[kept][1], "revisions/#h/BTCUSDT"):
        assert ("fsync", role) in calls[kept:published], "what goes is kept before it goes"
    for role in (f"{tx}/new/part-#.parquet", f"{tx}/new/{MANIFEST}", f"{tx}/new/{SUCCESS}", f"{tx}/new"):
        assert ("fsync", role) in calls[:published], role
    told = calls.index(("write", ".lake/log.tsv"))
    assert calls.index(("fsync", month)) in range(published, told)
    if mode == BREAK:
        assert ("fsync", tx) in calls[kept:published], "the manifest of both has its name before it is needed"
        replaced = renames[1:]
        for one, next_one in zip(replaced, [*replaced[1:], told], strict=True):
            assert ("fsync", f"{month}/d=#") in calls[one:next_one], "each step is durable before the next"
    cleared = next(i for i, (function, _) in enumerate(calls) if function in ("unlink", "rmdir"))
    for role in (".lake/log.tsv", ".lake"):
        assert ("fsync", role) in calls[told:cleared]


@pytest.mark.parametrize("mode", MODES)
def test_recovery_makes_durable_what_it_tells_and_what_it_settles(mode: str, scratch: Path) -> None:
    make, run = WRITES["rewrite"]
    lake = make(scratch / "lake")
    calls = crash.undisturbed(run, lake, scratch, mode).calls
    steps = [i for i, call in enumerate(calls) if call.function in ("exchange", "replace") and call.role[0] == "p"]
    month = "parquet/#h/BTCUSDT/y=#/m=#"
    for step in steps:
        root = lakes.copied(lake, scratch / "struck")
        assert crash.strike(run, root, Point(step, "after", calls[step]), mode)[0] == "killed"
        with tapped(Tap(root), mode) as tap:
            assert recover.shelf(lakes.a_shelf(root)) == [lakes.DAY]
        made = [(call.function, call.role) for call in tap.calls]
        if step == steps[-1]:
            assert made.index(("fsync", month)) < made.index(("write", ".lake/log.tsv"))
        else:
            after = made[made.index(("replace", f"{month}/d=#/{MANIFEST}")) :]
            cleared = next(i for i, (function, _) in enumerate(after) if function in ("unlink", "rmdir"))
            assert ("fsync", f"{month}/d=#") in after[:cleared]


def test_the_harness_kills_for_real_and_in_play_alike(scratch: Path) -> None:
    make, run = WRITES["rewrite"]
    lake = make(scratch / "lake")
    calls = crash.undisturbed(run, lake, scratch, EXCHANGE).calls
    for number in (3, next(i for i, call in enumerate(calls) if call.function == "exchange"), len(calls) - 1):
        left = []
        for forked in (False, True):
            root = lakes.copied(lake, scratch / "struck")
            assert crash.strike(run, root, Point(number, "after", calls[number]), EXCHANGE, forked)[0] == "killed"
            left.append((lakes.day_folders(root), lakes.told(root), lakes.staged(root)))
        assert left[0] == left[1]


# --- protocols that look well and are not: each must fail the same harness -----------------------------------------


def _new_files(root: Path, seed: int) -> tuple[Path, dict[str, bytes]]:
    shelf = lakes.a_shelf(root)
    table = lakes.a_day(seed=seed)
    data = parts.encoded(table)
    new = parts.entry_of(table, data, shelf.part_name(lakes.DAY), lakes.SOURCE)
    return shelf.day_folder(lakes.DAY), {new.file: data, MANIFEST: written([new]), SUCCESS: b""}


def _staged(root: Path, files: dict[str, bytes]) -> Path:
    staging = root / "staging"
    disk.remove_tree(staging)
    disk.make_folders(staging)
    for name, data in files.items():
        disk.write_new(staging / name, data)
    return staging


def rename_each(root: Path) -> None:
    folder, files = _new_files(root, 2)
    staging = _staged(root, files)
    for name in files:
        disk.replace(staging / name, folder / name)


def marker_first(root: Path) -> None:
    folder, files = _new_files(root, 2)
    disk.unlink(folder / SUCCESS)
    for name, data in files.items():
        disk.unlink(folder / name)
        disk.write_new(folder / name, data)


def directory_away_then_in(root: Path) -> None:
    folder, files = _new_files(root, 2)
    staging = _staged(root, files)
    disk.remove_tree(root / "old")
    if folder.exists():
        disk.replace(folder, root / "old")
    disk.replace(staging, folder)
    disk.remove_tree(root / "old")


def another_part_name(root: Path) -> None:
    folder, files = _new_files(root, 2)
    staging = _staged(root, files)
    part = next(iter(files))
    disk.replace(staging / part, folder / "part-new.parquet")
    disk.replace(staging / MANIFEST, folder / MANIFEST)
    disk.replace(folder / "part-new.parquet", folder / part)


NAIVE = {
    rename_each: "marker lies",
    marker_first: "day lost",
    directory_away_then_in: "day lost",
    another_part_name: "more than one part",
}


@pytest.mark.parametrize("run", NAIVE, ids=lambda run: run.__name__)
def test_a_naive_protocol_is_caught(run: Run, scratch: Path) -> None:
    report = crash.points(run, one_day(scratch / "lake"), scratch, kinds=KILLS)
    assert report.kinds()[NAIVE[run]] > 0, report.kinds()


# --- the long forms --------------------------------------------------------------------------------------------------


@pytest.mark.long
@pytest.mark.parametrize(("name", "mode"), CASES)
@pytest.mark.parametrize("quarter", range(4), ids="quarter{}".format)  # `-k quarter2`: every fourth point
def test_no_crash_at_any_point_of_a_wide_batch(name: str, mode: str, quarter: int, scratch: Path) -> None:
    wide = lakes.the_days({"first commit": 12, "rewrite": 10, "batch": 10}[name])
    lake = scratch / "lake"
    if name == "first commit":
        nothing(lake)
    else:
        lakes.committed(lakes.a_shelf(lake), wide[: 10 if name == "rewrite" else 6], seed=1)
    part = quarter, 4
    report = crash.points(a_write(*wide, seed=2), lake, scratch, mode=mode, kinds=KINDS, fork_every=7, part=part)
    print(f"B1 {name}, {mode}: {report.points} points, {report.forks} forks, {len(report.violations)} violations")
    assert not report.violations, summed(report)
    assert report.points >= 1_000 // 4


@pytest.mark.long
@pytest.mark.parametrize(("name", "mode"), CASES)
@pytest.mark.parametrize("quarter", range(4), ids="quarter{}".format)
def test_no_crash_at_any_point_of_a_recovery(name: str, mode: str, quarter: int, scratch: Path) -> None:
    make, run = WRITES[name]
    lake, part = make(scratch / "lake"), (quarter, 4)
    report = crash.points(run, lake, scratch, mode=mode, kinds=KILLS, most=100, twice=-1, part=part)
    print(f"B2 {name}, {mode}: {report.points} points, {len(report.violations)} violations")
    assert not report.violations, summed(report)
    assert report.points >= 2_500 // 4  # over 40,000 in all the cases together


def test_the_days_written_are_read_back(scratch: Path) -> None:
    make, run = WRITES["batch"]
    root = make(scratch / "lake")
    run(root)
    for day in BATCH:
        assert days.need(lakes.a_shelf(root), day).table().equals(lakes.a_day(day, seed=2))
