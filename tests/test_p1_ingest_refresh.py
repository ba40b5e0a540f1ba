"""A refresh finds the files an archive has replaced, brings their days anew, and leaves everything else alone."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest

from lake import raw
from lake.ending import status
from lake.layout import Shelf
from meta.timeframes import day_start, days_between, timeframe
from p1_ingest import cli, venues
from tests import lakes
from tests.archive import Archive, bars, csv
from tests.mirror import Mirror, mirrored

TF, SYMBOL = timeframe("1h"), "BTCUSDT"
DAYS = days_between(date(2025, 2, 3), date(2025, 2, 8))
NOW = day_start(date(2025, 4, 20))
WORDS = ("--start", str(DAYS[0]), "--end", str(DAYS[-1]), "--tf", "1h", "--refresh-tail", "0", "--source", "binance")

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mirror]:
    root = tmp_path / "archive"
    root.mkdir()
    archive = Archive(root)
    archive.days(SYMBOL, TF, DAYS)
    archive.bars("klines", SYMBOL, TF, [DAYS[-1] + timedelta(days=1)])
    made = Mirror(root)
    monkeypatch.setattr(venues, "now_ms", lambda: NOW)
    with mirrored(made) as url:
        for name in ("BINANCE_VISION_URL", "BINANCE_FAPI_URL", "BINANCE_SPOT_URL"):
            monkeypatch.setenv(name, url)
        yield made


@pytest.fixture
def run(tmp_path: Path, mirror: Mirror, capsys: pytest.CaptureFixture[str]) -> Run:
    def ingest(*words: str) -> tuple[int, str, str]:
        code = status(cli.commands, "p1_ingest", ["ingest", *WORDS, "--lake", str(tmp_path / "lake"), *words])
        out = capsys.readouterr()
        return code, out.out, out.err

    assert ingest()[0] == 0
    mirror.files()
    return ingest


def shelf(tmp_path: Path) -> Shelf:
    return lakes.a_shelf(tmp_path / "lake", TF.name, SYMBOL)


def inodes(tmp_path: Path) -> dict[str, tuple[int, int, int]]:
    """Every file and folder of the committed days: inode, mtime, and ctime, which no one can set back."""
    found = {}
    for path in sorted((tmp_path / "lake" / "parquet").rglob("*")):
        known = path.stat()
        found[str(path.relative_to(tmp_path))] = (known.st_ino, known.st_mtime_ns, known.st_ctime_ns)
    return found


def touched(tmp_path: Path, before: dict[str, tuple[int, int, int]]) -> set[date]:
    """The days any of whose files is another than before."""
    after = inodes(tmp_path)
    assert set(after) == set(before)
    folders = {str(shelf(tmp_path).day_folder(day).relative_to(tmp_path)): day for day in DAYS}
    return {folders[str(Path(name).parent)] for name in after if after[name] != before[name] and Path(name).suffix}


def replaced(mirror: Mirror, day: date, checksum: bool = True) -> str:
    """The archive restates one bar of a day's klines in place."""
    rows = bars(SYMBOL, TF, [day])
    rows[7][5] = "77.000"
    path = f"data/futures/um/daily/klines/{SYMBOL}/1h/{SYMBOL}-1h-{day}.zip"
    file = Archive(mirror.root).put(path, csv(rows), checksum)
    os.utime(file, (NOW // 1000, NOW // 1000))
    return f"/{path}"


@pytest.mark.parametrize("validators", [("etag",), ("last-modified",), ("etag", "last-modified")])
def test_a_refresh_that_finds_nothing_changes_no_inode_and_fetches_no_file(
    tmp_path: Path, mirror: Mirror, run: Run, validators: tuple[str, ...]
) -> None:
    mirror.validators = validators
    run("--no-skip-present")
    before = inodes(tmp_path)
    mirror.files()
    code, out, err = run("--refresh")
    assert code == 0 and inodes(tmp_path) == before
    assert "of 6 days checked: none changed" in err and "6 already there" in out
    # Five series a day, metrics and one more day of them, a month of settlements, klines for the labels of that day.
    assert mirror.wholes == [] and not [path for path in mirror.asked if path.endswith("CHECKSUM")]
    assert len(mirror.files()) == 5 * len(DAYS) + 7 + 1 + 1


def test_exactly_the_days_of_a_replaced_file_are_rewritten(tmp_path: Path, mirror: Mirror, run: Run) -> None:
    path, day, before = replaced(mirror, DAYS[2]), DAYS[2], inodes(tmp_path)
    mirror.files()
    code, out, err = run("--refresh")
    assert code == 0 and f"1 changed ({SYMBOL}-1h-{day}.zip)" in err and f"restated {day}" in out
    assert touched(tmp_path, before) == {day}
    assert mirror.wholes == [path, path + ".CHECKSUM"], "the other files of the day come from the record"
    volume = lakes.days.need(shelf(tmp_path), day).table().column("volume").to_pylist()
    assert volume[7] == 77.0
    mirror.files()
    after = inodes(tmp_path)
    assert "none changed" in run("--refresh")[2] and mirror.wholes == [] and inodes(tmp_path) == after


def test_what_a_refresh_brought_replays(tmp_path: Path, mirror: Mirror, run: Run) -> None:
    replaced(mirror, DAYS[2])
    assert run("--refresh")[0] == 0
    there = str(tmp_path / "again")
    words = ["ingest", "--replay", "--raw", str(tmp_path / "lake"), "--lake", there]
    assert status(cli.commands, "p1_ingest", words) == 0
    assert lakes.day_folders(tmp_path / "again") == lakes.day_folders(tmp_path / "lake")


def test_a_file_the_archive_did_not_have_then_is_found(tmp_path: Path, mirror: Mirror, run: Run) -> None:
    day = DAYS[3]
    for end in ("", ".CHECKSUM"):
        (mirror.root / f"data/spot/daily/klines/{SYMBOL}/1h/{SYMBOL}-1h-{day}.zip{end}").unlink()
    run("--no-skip-present", "--force")
    assert "not offered: spot" in lakes.days.need(shelf(tmp_path), day).entry.source
    Archive(mirror.root).bars("spot", SYMBOL, TF, [day])
    before = inodes(tmp_path)
    code, out, _ = run("--refresh")
    assert code == 0 and f"restated {day}" in out
    assert "not offered" not in lakes.days.need(shelf(tmp_path), day).entry.source
    assert touched(tmp_path, before) == {day}


def test_without_validators_the_published_digest_tells(tmp_path: Path, mirror: Mirror, run: Run) -> None:
    mirror.validators = ()
    run("--no-skip-present")
    mirror.files()
    assert "none changed" in run("--refresh")[2]
    assert mirror.wholes and all(path.endswith(".CHECKSUM") for path in mirror.wholes)
    path = replaced(mirror, DAYS[2])
    mirror.files()
    assert "1 changed" in run("--refresh")[2]
    assert [name for name in mirror.wholes if not name.endswith(".CHECKSUM")] == [path]


def test_a_replaced_file_that_shrinks_its_day_is_refused_without_force(
    tmp_path: Path, mirror: Mirror, run: Run
) -> None:
    day, before = DAYS[2], inodes(tmp_path)
    path = f"data/futures/um/daily/klines/{SYMBOL}/1h/{SYMBOL}-1h-{day}.zip"
    Archive(mirror.root).put(path, csv(bars(SYMBOL, TF, [day])[:20]))
    code, _, err = run("--refresh")
    assert code == 1 and "the answer holds 20 bars, the committed day 24; --force" in err
    assert inodes(tmp_path) == before
    assert run("--refresh", "--force")[0] == 0
    assert lakes.days.need(shelf(tmp_path), day).entry.rows == 20


def test_a_body_that_is_lost_here_is_fetched_again(tmp_path: Path, mirror: Mirror, run: Run) -> None:
    root, before = tmp_path / "lake", inodes(tmp_path)
    lost = next(
        line for line in raw.lines(root) if isinstance(line, raw.Answer) and line.path.endswith("2025-02-05.zip")
    )
    raw.path(root, lost.sha256).write_bytes(b"no")
    code, _, err = run("--refresh")
    assert code == 0 and "changed" in err and inodes(tmp_path) == before
    assert raw.fault(root, lost.sha256) == ""


def test_a_file_the_archive_has_no_more_leaves_its_days_alone(tmp_path: Path, mirror: Mirror, run: Run) -> None:
    before, name = inodes(tmp_path), f"{SYMBOL}-1h-{DAYS[2]}.zip"
    (mirror.root / f"data/futures/um/daily/klines/{SYMBOL}/1h/{name}").unlink()
    code, _, err = run("--refresh")
    assert code == 1 and f"{name} was not checked: the archive has it no more" in err
    assert inodes(tmp_path) == before


def test_a_day_without_a_record_is_told_of(tmp_path: Path, run: Run) -> None:
    raw.index(tmp_path / "lake").unlink()
    code, _, err = run("--refresh")
    assert code == 0 and "6 days have no record of their files" in err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--refresh", "--replay"), "neither --replay nor --dry-run"),
        (("--refresh", "--dry-run"), "neither --replay nor --dry-run"),
    ],
)
def test_a_refresh_asks_the_archive_or_is_refused(run: Run, words: tuple[str, ...], said: str) -> None:
    code, _, err = run(*words)
    assert code == 2 and said in err


def test_a_source_without_an_archive_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["ingest", "--source", "sim", "--refresh", "--days", "2", "--tf", "1h", "--lake", str(tmp_path / "sim")]
    assert status(cli.commands, "p1_ingest", words) == 2
    assert "sim has no archive to look at" in capsys.readouterr().err
