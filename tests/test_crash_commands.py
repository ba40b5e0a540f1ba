"""Each command, called through its own main, is struck at every change it makes to the disk, as the bare commit is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import pytest

from lake import disk, files, live
from meta.timeframes import day_start
from p1_ingest.sim.quirks import CALM
from p1_ingest.sim.server import SimVenue
from tests import crash, crash_files, lakes, market
from tests.crash import Run
from tests.mains import called, command
from tests.tap import BREAK, EXCHANGE

TF, LENGTH = "1d", 40  # a day is one bar, so that hundreds of whole builds take seconds
EVERY = market.the_days(LENGTH)
QUICK, FEW, LONG = 60, 24, 1_000
WANTED = [date(2025, 6, 1) + timedelta(days=i) for i in range(12)]


@pytest.fixture
def scratch() -> Iterator[Path]:
    with lakes.scratch() as folder:
        yield folder


@pytest.fixture(scope="module")
def venue() -> Iterator[SimVenue]:
    with SimVenue(CALM, clock=lambda: day_start(date(2025, 6, 20))) as running:
        yield running


@pytest.fixture(autouse=True)
def at_the_stand_in(venue: SimVenue, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PERPLAKE_LAKE", "SOURCE", "SYMBOLS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COINGLASS_BASE_URL", venue.url)
    monkeypatch.setenv("COINGLASS_API_KEY", "any")


def between(days: list[date]) -> str:
    return f"--start {days[0]} --end {days[-1]}"


def ingest(days: list[date]) -> str:
    asked = f"--symbol BTCUSDT --tf 4h --force --no-skip-present {between(days)}"
    return f"p1_ingest ingest --source coinglass {asked} --lake {{root}}"


def features(days: list[date]) -> str:
    return f"p2_features build --symbol BTCUSDT --tf {TF} --warmup 20 {between(days)} --lake {{root}}"


def labels(days: list[date]) -> str:
    return f"p3_labels triple-barrier --symbol BTCUSDT --tf {TF} --H 2 --atr_window 3 {between(days)} --lake {{root}}"


def weights(days: list[date]) -> str:
    return f"p3_labels weights --symbol BTCUSDT --tf {TF} --H 2 {between(days)} --lake {{root}}"


RESAMPLE = f"p1_ingest resample --from 12h --to 1d {between(EVERY[:4])} --lake {{root}}"


def bars(root: Path, tf: str = TF, days: int = LENGTH, restated: bool = False) -> Path:
    at = market.columns(days, tf)
    if restated:
        for name in ("quote_volume", "close", "high", "low", "open"):
            at[name][-days * 3 // 4 :] *= 1.01
    market.commit_bars(market.bars_shelf(root, tf), at, EVERY[:days])
    return root


def after(root: Path, *lines: str) -> Path:
    """A lake of bars in which these commands were run."""
    for line in lines:
        code, told = called(line.format(root=root))
        assert code == 0, told
    return root


def old_days(root: Path, days: list[date]) -> Path:
    """Days of another making, so that they are rewritten."""
    lakes.committed(market.bars_shelf(root, "4h"), days, columns=lakes.BARS)
    return root


LAST, SOME = EVERY[-6:], EVERY[-6:-2]  # the last labels wait for more tape
MANY, MOST = EVERY[-12:], EVERY[-12:-2]


@dataclass(frozen=True)
class Work:
    """A lake to begin with, and the commands that are struck: over a few days, and over more of them."""

    make: Callable[[Path], Path]
    quick: str
    long: str


def _first_p3(root: Path) -> Path:
    return after(bars(root), features(MANY))


def _again(root: Path, *lines: str) -> Path:
    """Bars restated, and these run anew over them."""
    return after(bars(root, restated=True), *lines)


PHASES = {
    "P1 first": Work(lambda root: root, ingest(WANTED[:2]), ingest(WANTED)),
    "P1 rewrite": Work(lambda root: old_days(root, WANTED[:10]), ingest(WANTED[:2]), ingest(WANTED)),
    "P2 first": Work(bars, features(LAST), features(MANY)),
    "P2 rewrite": Work(lambda root: _again(after(bars(root), features(MANY))), features(LAST), features(MANY)),
    "P3 first": Work(_first_p3, labels(SOME), labels(MOST)),
    "P3 rewrite": Work(
        lambda root: _again(after(_first_p3(root), labels(MOST)), features(MANY)), labels(SOME), labels(MOST)
    ),
}
CASES = [(name, mode) for name in PHASES for mode in ((EXCHANGE, BREAK) if "rewrite" in name else (EXCHANGE,))]
BRIEF = [(name, mode) for name, mode in CASES if "rewrite" not in name or mode == BREAK]  # each phase in each mode
OTHERS = {
    "weights": Work(lambda root: after(_first_p3(root), labels(MOST)), weights(SOME), weights(MOST)),
    "resample": Work(lambda root: bars(root, "12h", 12), RESAMPLE, RESAMPLE.replace(str(EVERY[3]), str(EVERY[11]))),
}


def a_lake(scratch: Path, make: Callable[[Path], Path]) -> Path:
    root = scratch / "lake"
    root.mkdir()
    return make(root)


def struck(name: str, work: Work, mode: str, line: str, most: int | None, scratch: Path) -> crash.Report:
    report = crash.points(
        command(line), a_lake(scratch, work.make), scratch, mode=mode, most=most, fork_every=0 if most else 9
    )
    print(f"B1 {name}, {mode}: {report.points} points, {report.forks} forks, {len(report.violations)} violations")
    assert not report.violations, report.violations[:10]
    return report


@pytest.mark.parametrize(("name", "mode"), BRIEF)
def test_a_command_struck_anywhere_leaves_whole_days_and_is_finished_by_the_next(
    name: str, mode: str, scratch: Path
) -> None:
    assert struck(name, PHASES[name], mode, PHASES[name].quick, QUICK, scratch).points >= QUICK


@pytest.mark.long
@pytest.mark.parametrize(("name", "mode"), CASES)
def test_a_command_struck_at_every_change_it_makes(name: str, mode: str, scratch: Path) -> None:
    assert struck(name, PHASES[name], mode, PHASES[name].long, None, scratch).points >= LONG


@pytest.mark.long
@pytest.mark.parametrize("name", OTHERS)
def test_what_else_commits_days_is_struck_at_every_change(name: str, scratch: Path) -> None:
    assert struck(name, OTHERS[name], EXCHANGE, OTHERS[name].long, None, scratch).points >= 300


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
