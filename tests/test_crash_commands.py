"""Each command, called through its own main, is struck at every change it makes to the disk, as the bare commit is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lake import disk, files, live
from tests import crash, crash_files, lakes
from tests.crash import Run
from tests.mains import command
from tests.phases import OTHERS, PHASES, Work, a_lake, at_a_stand_in
from tests.tap import BREAK, EXCHANGE

QUICK, FEW, LONG = 60, 24, 1_000


@pytest.fixture
def scratch() -> Iterator[Path]:
    with lakes.scratch() as folder:
        yield folder


@pytest.fixture(scope="module", autouse=True)
def at_the_stand_in() -> Iterator[None]:
    with at_a_stand_in():
        yield


CASES = [(name, mode) for name in PHASES for mode in ((EXCHANGE, BREAK) if "rewrite" in name else (EXCHANGE,))]
BRIEF = [(name, mode) for name, mode in CASES if "rewrite" not in name or mode == BREAK]  # each phase in each mode


def struck(
    name: str, work: Work, mode: str, line: str, most: int | None, scratch: Path, part: tuple[int, int] = (0, 1)
) -> crash.Report:
    lake, forks = a_lake(scratch, work.make), 0 if most else 9
    report = crash.points(command(line), lake, scratch, mode=mode, most=most, fork_every=forks, part=part)
    print(f"B1 {name}, {mode}: {report.points} points, {report.forks} forks, {len(report.violations)} violations")
    assert not report.violations, report.violations[:10]
    return report


@pytest.mark.parametrize("half", [0, 1])
@pytest.mark.parametrize(("name", "mode"), BRIEF)
def test_a_command_struck_anywhere_leaves_whole_days_and_is_finished_by_the_next(
    name: str, mode: str, half: int, scratch: Path
) -> None:
    assert struck(name, PHASES[name], mode, PHASES[name].quick, QUICK, scratch, (half, 2)).points >= QUICK // 2


@pytest.mark.long
@pytest.mark.parametrize(("name", "mode"), CASES)
@pytest.mark.parametrize("quarter", range(4), ids="quarter{}".format)  # `-k quarter2`: every fourth point
def test_a_command_struck_at_every_change_it_makes(name: str, mode: str, quarter: int, scratch: Path) -> None:
    assert struck(name, PHASES[name], mode, PHASES[name].long, None, scratch, (quarter, 4)).points >= LONG // 4


@pytest.mark.long
@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize("quarter", range(4), ids="quarter{}".format)
def test_what_else_commits_days_is_struck_at_every_change(name: str, quarter: int, scratch: Path) -> None:
    assert struck(name, OTHERS[name], EXCHANGE, OTHERS[name].long, None, scratch, (quarter, 4)).points >= 75


# --- files that are replaced whole, beside the days


def _live(root: Path) -> None:
    shelf = lakes.a_shelf(root)
    live.clean(shelf)
    live.write(shelf, lakes.a_day(seed=2))


def _with_live(root: Path) -> Path:
    live.write(lakes.a_shelf(root), lakes.a_day(seed=1))
    return root


def _export(seed: int) -> Run:
    def run(root: Path) -> None:
        rows = lakes.a_day(seed=seed)
        for form in ("csv", "json", "parquet"):
            with files.table(root / "exports" / f"bars.{form}", form, rows.schema) as put:
                put(rows)

    return run


def _exported(root: Path) -> Path:
    _export(1)(root)
    return root


FILES: dict[str, tuple[Callable[[Path], Path], Run, str]] = {
    "live, as follow writes it": (_with_live, _live, "live/"),
    "export, in each form": (_exported, _export(2), "exports/"),
}


@pytest.mark.parametrize("most", [FEW, pytest.param(None, marks=pytest.mark.long)])
@pytest.mark.parametrize("name", FILES)
def test_a_file_beside_the_days_is_the_old_one_or_the_new_one(name: str, most: int | None, scratch: Path) -> None:
    make, run, judged = FILES[name]
    lake = a_lake(scratch, make)
    report = crash_files.points(run, lake, scratch, judged=lambda path: path.startswith(judged), most=most)
    print(f"B1 {name}: {report.points} points, {len(report.violations)} violations")
    assert not report.violations, report.violations[:10]
    assert report.points >= FEW


def test_the_harness_sees_a_file_that_is_written_in_its_place(scratch: Path) -> None:
    def careless(root: Path) -> None:
        where = live.path(lakes.a_shelf(root))
        disk.unlink(where)
        disk.create(where, b"new" * 99)

    lake = a_lake(scratch, _with_live)
    report = crash_files.points(careless, lake, scratch, judged=lambda path: path.startswith("live/"), most=FEW)
    assert report.kinds()["torn"] and report.kinds()["lost"]
