"""A path names one shelf or none; a glob selects committed days and nothing else."""

from __future__ import annotations

import errno
import os
from datetime import date
from pathlib import Path

import pytest

from lake import days
from lake.layout import MANIFEST, SUCCESS, checked_or_none, selected, shelf, shelf_at
from meta.datasets import DATASETS
from meta.errors import Refused, Usage
from meta.timeframes import timeframe
from tests import lakes

BARS, FEATURES = DATASETS["bars"], DATASETS["features"]
H1, M5 = timeframe("1h"), timeframe("5m")

HOSTILE = [
    "../../x", "..", ".", "BTC/USDT", "BTC\\USDT", "/BTC", "", " ", "é", "ＢＴＣ", "币安人生USDT", "B" * 80, "BTC USDT",
    "BTC\n", "BTC\x00", "BTC.", "BTC~USDT", "-BTC", "BTC--USDT", "BTC*", "BTC?", "[BTC]", "$HOME", "BTC;ls", "ß", "ı",
]  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_symbol_has_no_folder(name: str, tmp_path: Path) -> None:
    assert checked_or_none(name) is None
    for make in (shelf, shelf_at):
        with pytest.raises(Usage, match="is not a venue symbol"):
            make(tmp_path, BARS, H1, name)


@pytest.mark.parametrize("name", ["BTCUSDT", "1000PEPEUSDT", "BTC-USD-SWAP", "BTCUSDT_250627", "CON", "B", "A" * 40])
def test_a_venues_symbol_has_a_folder_under_the_root(name: str, tmp_path: Path) -> None:
    place = shelf(tmp_path, BARS, H1, name)
    assert place.folder == tmp_path / "parquet" / "1h" / name
    assert shelf(tmp_path, BARS, H1, name.lower()) == place


def test_a_day_has_one_folder_and_one_part(tmp_path: Path) -> None:
    place = lakes.a_shelf(tmp_path)
    assert place.day_folder(date(2025, 5, 1)) == place.folder / "y=2025" / "m=05" / "d=01"
    assert place.part_name(date(2025, 5, 1)) == "part-20250501.parquet"
    assert place.sibling(FEATURES).folder == tmp_path / "features" / "1h" / "BTCUSDT"
    assert str(place) == "P1 1h BTCUSDT"


def test_only_folders_of_real_dates_are_days(tmp_path: Path) -> None:
    place = lakes.a_shelf(tmp_path)
    for name in (
        "y=2025/m=05/d=01", "y=2025/m=04/d=30", "y=2025/m=02/d=30", "y=2025/m=5/d=01", "y=2025/m=13/d=01",
        "y=２０２５/m=05/d=02", "y=2025/m=05/d=03.old", "y=x2025/m=05/d=04", "z=2025/m=05/d=05", "y=0000/m=01/d=01",
    ):  # fmt: skip
        (place.folder / name).mkdir(parents=True)
    assert place.days_on_disk() == [date(2025, 4, 30), date(2025, 5, 1)]
    assert lakes.a_shelf(tmp_path, symbol="ETHUSDT").days_on_disk() == []


def test_what_only_looks_like_a_folder_of_days_holds_none(tmp_path: Path) -> None:
    place = lakes.a_shelf(tmp_path)
    (place.folder / "y=2025" / "m=05" / "d=01").mkdir(parents=True)
    (place.folder / "y=2024").write_text("a file")
    (place.folder / "y=2023").symlink_to("y=2023")
    assert place.days_on_disk() == [date(2025, 5, 1)]


def test_a_disk_that_fails_is_no_shelf_without_days(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(_: str) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "scandir", failing)
    with pytest.raises(OSError, match="Input/output"):
        lakes.a_shelf(tmp_path).days_on_disk()


def test_a_folder_that_says_its_shelf_names_the_root_above(tmp_path: Path) -> None:
    place = shelf_at(tmp_path / "parquet" / "1h" / "BTCUSDT", BARS, H1, "btcusdt")
    assert place == shelf(tmp_path, BARS, H1, "BTCUSDT")
    round_about = tmp_path / "parquet" / "1h" / "ETHUSDT" / ".." / "BTCUSDT"
    assert shelf_at(round_about, BARS, H1, "BTCUSDT") == place, "a detour is the same shelf, under the same lock"


def test_a_relative_folder_is_the_same_shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert shelf_at(Path("parquet/1h/BTCUSDT"), BARS, H1, "BTCUSDT") == shelf(tmp_path, BARS, H1, "BTCUSDT")


@pytest.mark.parametrize(
    ("tail", "dataset", "tf", "symbol"),
    [
        ("features/1h/BTCUSDT", BARS, H1, "BTCUSDT"),
        ("parquet/5m/BTCUSDT", BARS, H1, "BTCUSDT"),
        ("parquet/1h/ETHUSDT", BARS, H1, "BTCUSDT"),
    ],
)
def test_a_folder_of_another_shelf_is_refused(
    tail: str, dataset: object, tf: object, symbol: str, tmp_path: Path
) -> None:
    with pytest.raises(Usage, match="is the folder of"):
        shelf_at(tmp_path / tail, dataset, tf, symbol)  # type: ignore[arg-type]


@pytest.mark.parametrize("tail", ["out", "parquet/1h", "parquet/1h/btcusdt", "parquet/7m/BTCUSDT", "bars/1h/BTCUSDT"])
def test_any_other_folder_is_a_lake_of_one_symbol(tail: str, tmp_path: Path) -> None:
    place = shelf_at(tmp_path / tail, BARS, H1, "BTCUSDT")
    assert place.root == place.folder == tmp_path / tail


def test_the_root_of_a_lake_is_no_lake_of_one_symbol(tmp_path: Path) -> None:
    lakes.committed(lakes.a_shelf(tmp_path))
    with pytest.raises(Usage, match="--lake"):
        shelf_at(tmp_path, BARS, H1, "BTCUSDT")


def test_the_root_of_the_machine_is_a_root_like_any_other() -> None:
    assert shelf_at(Path("/parquet/1h/BTCUSDT"), BARS, H1, "BTCUSDT").root == Path("/")
    assert shelf_at(Path("/1h/BTCUSDT"), BARS, H1, "BTCUSDT").root == Path("/1h/BTCUSDT")


def test_a_glob_selects_the_days_it_matches(tmp_path: Path) -> None:
    btc = lakes.committed(lakes.a_shelf(tmp_path), lakes.the_days(3))
    eth = lakes.committed(lakes.a_shelf(tmp_path, symbol="ETHUSDT"), lakes.the_days(2))
    found = selected(f"{tmp_path}/parquet/1h/*/y=*/m=*/d=*/*.parquet", BARS)
    assert [(s.shelf, list(s.days)) for s in found] == [(btc, lakes.the_days(3)), (eth, lakes.the_days(2))]
    found = selected(f"{btc.folder}/y=2025/m=05/d=0[13]/part-*.parquet", BARS)
    assert [list(s.days) for s in found] == [[date(2025, 5, 1), date(2025, 5, 3)]]
    assert selected(f"{tmp_path}/**/*.parquet", BARS)[0].shelf == btc


def test_a_glob_does_not_see_staging(tmp_path: Path) -> None:
    place = lakes.committed(lakes.a_shelf(tmp_path))
    left = tmp_path / ".lake" / "staging" / "parquet~1h~BTCUSDT~20250501~none~0000000000000000" / "new"
    left.mkdir(parents=True)
    (left / "part-20250501.parquet").write_bytes(b"half")
    assert [s.shelf for s in selected(f"{tmp_path}/**/*.parquet", BARS)] == [place]
    with pytest.raises(Refused, match="not a part"):
        selected(f"{tmp_path}/.lake/staging/*/new/*.parquet", BARS)


def test_a_glob_over_a_lake_of_one_symbol_needs_its_name(tmp_path: Path) -> None:
    place = lakes.committed(shelf_at(tmp_path / "out", BARS, H1, "BTCUSDT"))
    glob = f"{tmp_path}/out/y=*/m=*/d=*/*.parquet"
    assert [s.shelf for s in selected(glob, BARS, H1, "BTCUSDT")] == [place]
    with pytest.raises(Usage, match="--symbol and --tf"):
        selected(glob, BARS)


def test_a_glob_over_another_dataset_is_refused(tmp_path: Path) -> None:
    lakes.committed(lakes.a_shelf(tmp_path))
    with pytest.raises(Usage, match="give a glob over features"):
        selected(f"{tmp_path}/parquet/**/*.parquet", FEATURES)


@pytest.mark.parametrize("missing", [MANIFEST, SUCCESS])
def test_a_match_that_is_no_committed_day_is_refused_by_name(missing: str, tmp_path: Path) -> None:
    place = lakes.committed(lakes.a_shelf(tmp_path), lakes.the_days(2))
    (place.day_folder(lakes.DAY) / missing).unlink()
    with pytest.raises(Refused, match=f"d=01/part-20250501.parquet has no {missing}"):
        selected(f"{tmp_path}/parquet/**/*.parquet", BARS)


@pytest.mark.parametrize(
    "name",
    [
        "y=2025/m=05/d=01/other.parquet",
        "y=2025/m=05/d=01/part-20250502.parquet",
        "xy=2025/m=05/d=01/part-20250501.parquet",
        "y=2025/m=05/d=01x/part-20250501.parquet",
        "y=2025/m=05/d=01/deep/part-20250501.parquet",
        "y=2025/m=02/d=30/part-20250230.parquet",
        "part-20250501.parquet",
    ],
)
def test_a_foreign_file_is_refused_by_name(name: str, tmp_path: Path) -> None:
    place = lakes.a_shelf(tmp_path)
    path = place.folder / name
    path.parent.mkdir(parents=True)
    for each in (path, path.parent / MANIFEST, path.parent / SUCCESS):
        each.touch()
    with pytest.raises(Refused, match=path.name):
        selected(f"{place.folder}/**/*.parquet", BARS)


def test_files_that_are_no_parquet_are_passed_over(tmp_path: Path) -> None:
    place = lakes.committed(lakes.a_shelf(tmp_path))
    assert [list(s.days) for s in selected(f"{place.folder}/y=*/m=*/d=*/*", BARS)] == [[lakes.DAY]]
    with pytest.raises(Usage, match="no file matches"):
        selected(f"{place.folder}/y=*/m=*/d=*/*.tsv", BARS)


def test_a_shelf_is_found_again_from_a_linked_root(tmp_path: Path) -> None:
    lakes.committed(lakes.a_shelf(tmp_path / "disk"))
    os.symlink(tmp_path / "disk", tmp_path / "data")
    (found,) = selected(f"{tmp_path}/data/parquet/**/*.parquet", BARS)
    assert found.shelf.root == tmp_path / "data" and days.is_committed(found.shelf, lakes.DAY)
