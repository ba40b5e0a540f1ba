"""Bad input gets one clear line, the exit code that was promised, and an untouched lake."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lake import commit, ending, locks
from lake.commands import commands as lake_commands
from lake.manifest import Provenance, digest
from meta.datasets import DATASETS
from p1_ingest.cli import commands as p1
from p1_ingest.sim.quirks import CALM, Quirks
from p1_ingest.sim.server import SimVenue
from p2_features.cli import commands as p2
from p3_labels.cli import commands as p3
from tests import lakes, market

GROUPS = {"p1_ingest": p1, "p2_features": p2, "p3_labels": p3, "lake": lake_commands}
KEY = "canary-5f1d7a90c3e24b68"


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("COINGLASS_API_KEY", "PERPLAKE_LAKE", "SOURCE", "SYMBOLS", "COINGLASS_BASE_URL"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def root() -> Iterator[Path]:
    with lakes.scratch() as where:
        yield where


@pytest.fixture
def lake(root: Path) -> Path:
    """A lake of 40 days of 1h bars."""
    market.commit_bars(market.bars_shelf(root), market.columns(40), market.the_days(40))
    return root


def refused(capsys: pytest.CaptureFixture[str], root: Path, line: str, code: int, *says: str) -> str:
    """Run a command line; it ends with this code and one line that says all this, and the lake is untouched."""
    before = everything(root)
    name, *argv = line.split()
    assert ending.status(GROUPS[name], name, argv) == code
    told = capsys.readouterr()
    errors = [text for text in told.err.splitlines() if text.startswith("error:")]
    assert len(errors) == 1, told.err
    for word in says:
        assert word in errors[0], errors[0]
    assert "--debug" in line or "Traceback" not in told.err + told.out
    assert KEY not in told.err + told.out
    assert everything(root) == before
    return errors[0]


def everything(root: Path) -> dict[str, bytes]:
    """Every file a reader could see: locks, log and staging are the writers' own, raw/ only ever grows."""
    kept = [path for path in root.rglob("*") if path.is_file() and not {".lake", "raw"} & set(path.parts)]
    return {str(path): path.read_bytes() for path in kept} | {str(path): b"" for path in root.glob(".lake/staging/*")}


@pytest.fixture
def venue(monkeypatch: pytest.MonkeyPatch) -> Iterator[SimVenue]:
    with SimVenue(CALM) as running:
        monkeypatch.setenv("COINGLASS_BASE_URL", running.url)
        yield running


def test_coinglass_needs_a_key(capsys: pytest.CaptureFixture[str], root: Path) -> None:
    refused(
        capsys,
        root,
        f"p1_ingest ingest --source coinglass --lake {root} --days 2",
        2,
        "COINGLASS_API_KEY",
        "secrets/.env",
    )


def test_a_wrong_key_is_told_without_the_key(
    capsys: pytest.CaptureFixture[str], root: Path, venue: SimVenue, monkeypatch: pytest.MonkeyPatch
) -> None:
    venue.quirks = Quirks(keys=("another",))
    monkeypatch.setenv("COINGLASS_API_KEY", KEY)
    refused(capsys, root, f"p1_ingest ingest --source coinglass --lake {root} --days 2 --debug", 1, "COINGLASS_API_KEY")


def test_a_plan_that_does_not_serve_5m_says_which_does(
    capsys: pytest.CaptureFixture[str], root: Path, venue: SimVenue, monkeypatch: pytest.MonkeyPatch
) -> None:
    venue.quirks = Quirks(plan="HOBBYIST")
    monkeypatch.setenv("COINGLASS_API_KEY", KEY)
    refused(capsys, root, f"p1_ingest ingest --source coinglass --lake {root} --days 2 --tf 5m", 1, "Standard", "5m")


@pytest.mark.parametrize(
    ("line", "code", "says"),
    [
        ("p1_ingest ingest --source sim --days 2 --symbol NOSUCHUSDT", 1, ("NOSUCHUSDT",)),
        ("p1_ingest ingest --source sim --start 2025-02-01 --end 2025-01-01", 2, ("2025-02-01", "after", "2025-01-01")),
        ("p1_ingest ingest --source sim --start 2025-13-01", 2, ("2025-13-01", "not a date")),
        ("p1_ingest ingest --source sim --start 2999-01-01", 1, ("2999-01-01", "settled")),
        ("p1_ingest ingest --source sim --symbol ../../x --days 2", 2, ("../../x", "not a venue symbol")),
        ("p1_ingest ingest --source simm --days 2", 2, ("simm", "did you mean sim")),
        ("p1_ingest ingest --source sim --tf 7m --days 2", 2, ("7m", "not one of")),
        ("p1_ingest ingest --source sim --days 0", 2, ("--days", "0")),
        ("p1_ingest ingest --source sim --days 3 --start 2025-01-01 --end 2025-01-02", 2, ("--days", "not both")),
        ("p1_ingest ingest --no-such-option", 2, ("--no-such-option",)),
        ("p1_ingest ingest coinglass --conf /nowhere/conf.yaml", 2, ("/nowhere/conf.yaml", "does not exist")),
        ("p2_features build --winsor_low 2", 2, ("winsor_low", "2")),
        ("p2_features build --winsor-high 0.2", 2, ("winsor_high", "0.2")),
        ("p2_features build --warmup -1 --tf 1h", 2, ("warmup", "-1")),
        ("p2_features build --tf 1h --without no_such_feature", 2, ("no_such_feature",)),
        ("p2_features build --tf 1h --set corr", 2, ("corr", "core")),
        ("p2_features build --symbol NOSUCHUSDT", 1, ("NOSUCHUSDT", "p1_ingest ingest")),
        ("p2_features build --glob /nowhere/*.parquet", 2, ("/nowhere/*.parquet",)),
        ("p3_labels triple-barrier --tf 1h", 1, ("p2_features build",)),
        ("p3_labels triple-barrier --k -1", 2, ("k_up", "-1")),
        ("p3_labels triple-barrier --H 0", 2, ("H", "0")),
        ("p3_labels triple-barrier --tie maybe", 2, ("maybe", "wait")),
        ("lake query CHECKPOINT", 2, ("SELECT",)),
        ("lake view --glob x --view a-b", 2, ("a-b",)),
    ],
)
def test_bad_words_are_refused_in_one_line(
    capsys: pytest.CaptureFixture[str], lake: Path, line: str, code: int, says: tuple[str, ...]
) -> None:
    refused(capsys, lake, f"{line} --lake {lake}", code, *says)


@pytest.mark.parametrize(
    ("line", "done"), [("verify", "verified"), ("repair", "repaired"), ("repair --run --json", "repaired")]
)
def test_a_lake_that_is_not_there_has_nothing_to_be_called_sound(
    capsys: pytest.CaptureFixture[str], lake: Path, line: str, done: str
) -> None:
    refused(capsys, lake, f"lake {line} --lake {lake}-mistyped", 1, "does not exist", f"nothing was {done}")


def test_synthetic_days_are_not_mixed_into_real_ones(capsys: pytest.CaptureFixture[str], root: Path) -> None:
    real = Provenance("binance: klines", digest(b""), digest(b"code"))
    market.commit_bars(market.bars_shelf(root), market.columns(2), market.the_days(2), source=real)
    line = f"p1_ingest ingest --source sim --tf 5m --symbol ETHUSDT --days 2 --lake {root}"
    refused(capsys, root, line, 1, "binance", "not mixed in", "COINGLASS_API_KEY")


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc, where nobody can write")
def test_a_lake_that_cannot_be_written_says_so(capsys: pytest.CaptureFixture[str], root: Path) -> None:
    refused(capsys, root, "p1_ingest ingest --source sim --tf 1h --days 2 --lake /proc/nobody", 1, "/proc")
    file = root / "file"
    file.write_bytes(b"")
    refused(capsys, root, f"p1_ingest ingest --source sim --tf 1h --days 2 --lake {file}", 1, str(file))


def test_a_busy_shelf_names_its_writer(capsys: pytest.CaptureFixture[str], lake: Path) -> None:
    with locks.job(market.bars_shelf(lake).sibling(DATASETS["features"])):
        refused(capsys, lake, f"p2_features build --tf 1h --lake {lake}", 75, f"pid {os.getpid()}", "--wait")


def test_a_corrupt_part_is_named_and_nothing_is_built_on_it(capsys: pytest.CaptureFixture[str], lake: Path) -> None:
    bars, day = market.bars_shelf(lake), market.the_days(40)[20]
    part = bars.day_folder(day) / bars.part_name(day)
    data = bytearray(part.read_bytes())
    data[len(data) // 2] ^= 1
    part.write_bytes(bytes(data))
    features = {name for name in everything(lake) if "/features/" in name}
    refused_but_notes(capsys, lake, f"p2_features build --tf 1h --lake {lake}", str(day), "repair")
    assert {name for name in everything(lake) if "/features/" in name and "part-" in name} == features
    assert ending.status(lake_commands, "lake", ["verify", "--lake", str(lake)]) == 3
    assert str(day) in capsys.readouterr().out


def refused_but_notes(capsys: pytest.CaptureFixture[str], root: Path, line: str, *says: str) -> None:
    name, *argv = line.split()
    assert ending.status(GROUPS[name], name, argv) == 1
    errors = [text for text in capsys.readouterr().err.splitlines() if text.startswith("error:")]
    assert len(errors) == 1
    for word in says:
        assert word in errors[0], errors[0]


def test_a_foreign_file_in_a_day_folder_is_not_built_over(capsys: pytest.CaptureFixture[str], lake: Path) -> None:
    bars = market.bars_shelf(lake)
    day = market.the_days(41)[-1]
    folder = bars.day_folder(day)
    folder.mkdir(parents=True)
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(Exception, match="no commit of ours"), commit.writing(bars) as writer:
        writer.stage(day, market.table(bars, day, market.columns(41), market.FIRST), market.PROVENANCE)
    assert (folder / "notes.txt").read_text() == "mine"
    assert ending.status(lake_commands, "lake", ["verify", "--lake", str(lake)]) == 3
    assert "notes.txt" in capsys.readouterr().out


def test_secrets_that_cannot_be_read_are_told_in_one_line(
    capsys: pytest.CaptureFixture[str], root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (root / "secrets").mkdir()
    (root / "secrets" / ".env").write_bytes(b"COINGLASS_API_KEY=\xff\xfe")
    monkeypatch.setattr("lake.settings.PROJECT", root)
    assert ending.status(p1, "p1_ingest", ["ingest", "--days", "2", "--lake", str(root / "lake")]) == 2
    errors = [text for text in capsys.readouterr().err.splitlines() if text.startswith("error:")]
    assert len(errors) == 1
    assert "secrets/.env" in errors[0]
