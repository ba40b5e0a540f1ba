"""Every command says first which lake it works on, and that it is synthetic, however the lake was named."""

from __future__ import annotations

from pathlib import Path

import click
import pytest

from lake import layout, roots
from lake.ending import status
from meta.datasets import DATASETS
from meta.errors import Usage
from meta.timeframes import timeframe
from p1_ingest import cli as p1
from p2_features import cli as p2
from p3_labels import cli as p3
from tests import lakes


@pytest.mark.parametrize("odd", ["a[b]", "a*", "what?"])
def test_a_root_that_sql_would_take_for_a_pattern_is_refused_by_every_command(odd: str, tmp_path: Path) -> None:
    with pytest.raises(Usage, match="a pattern to SQL; give it a plainer path"):
        roots.root(tmp_path / odd)
    with pytest.raises(Usage, match="a pattern to SQL; give it a plainer path"):
        layout.shelf_at(tmp_path / odd / "parquet/1h/BTCUSDT", DATASETS["bars"], timeframe("1h"), "BTCUSDT")


@pytest.mark.parametrize("free", [False, True])
def test_the_first_synthetic_days_of_a_folder_are_announced_as_such(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], free: bool
) -> None:
    out = tmp_path / "bars" if free else tmp_path / "parquet" / "4h" / "BTCUSDT"
    assert status(p1.commands, "p1_ingest", _words("ingest --source sim --tf 4h --days 1 --out", out)) == 0
    first = capsys.readouterr().err.splitlines()[0]
    assert first.startswith(f"lake {out if free else tmp_path}  SYNTHETIC")


def test_a_folder_of_one_symbol_tells_it_again_and_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = _words("ingest --source sim --tf 4h --days 1 --out", tmp_path / "bars")
    assert status(p1.commands, "p1_ingest", words) == 0
    glob = tmp_path / "bars" / "y=*/m=*/d=*/part-*.parquet"
    capsys.readouterr()
    status(p1.commands, "p1_ingest", _words(f"qa --tf 4h --out {tmp_path / 'report.json'} --glob", glob))
    assert capsys.readouterr().err.startswith(f"lake {tmp_path / 'bars'}  SYNTHETIC")


@pytest.mark.parametrize(
    ("commands", "dataset", "words"),
    [
        (p1.commands, "bars", "qa --out {out} --glob"),
        (p2.commands, "features", "validate --qa {out} --glob"),
        (p3.commands, "labels", "validate --report {out} --labels"),
        (p3.commands, "labels", "sample --labels"),
    ],
)
def test_a_glob_that_is_judged_names_its_lake(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], commands: click.Group, dataset: str, words: str
) -> None:
    lakes.committed(lakes.a_shelf(tmp_path))
    shelf = lakes.committed(lakes.a_shelf(tmp_path, dataset=dataset))
    glob = shelf.folder / "y=*/m=*/d=*/part-*.parquet"
    status(commands, "x", _words(words.format(out=tmp_path / "report.json"), glob))
    assert capsys.readouterr().err.startswith(f"lake {tmp_path}  SYNTHETIC")


def _words(words: str, path: Path) -> list[str]:
    return [*words.split(), str(path)]


def test_a_path_that_is_no_text_is_refused_before_anything_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    where = f"{tmp_path}/l\udcff"
    assert status(p1.commands, "p1_ingest", ["ingest", "--source", "sim", "--days", "1", "--lake", where]) == 2
    assert "no UTF-8" in capsys.readouterr().err and not list(tmp_path.iterdir())


def test_a_report_with_a_name_that_is_no_text_is_refused_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lakes.committed(lakes.a_shelf(tmp_path))
    words = ["qa", "--lake", str(tmp_path), "--tf", "1h", "--out", f"{tmp_path}/b\udcff.json"]
    assert status(p1.commands, "p1_ingest", words) == 2
    assert "no UTF-8" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["--symbol", ""], ["--symbol", ","], ["--tf", " "]])
def test_a_list_that_names_nothing_does_not_mean_the_default(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    assert status(p3.commands, "p3_labels", ["folds", "--lake", str(tmp_path), *words]) == 2
    assert f"{words[0]} {words[1]!r} names nothing" in capsys.readouterr().err
