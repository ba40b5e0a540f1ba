"""A scan gives the rows of the days that stand there, whatever the derived file beside them says."""

from __future__ import annotations

import shutil
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest

import lake
from lake import scans
from lake.layout import MANIFEST, SUCCESS, Shelf
from meta.errors import NotReady, Usage
from tests import market

TF, DAYS = "1h", 5
EVERY = market.the_days(DAYS)
SYMBOLS = ("BTCUSDT", "SOLUSDT")
COLUMNS = ["close", "quote_volume"]


def commit(shelf: Shelf, seed: int, count: int = DAYS) -> None:
    market.commit_bars(shelf, market.columns(DAYS, TF, seed), EVERY[:count], EVERY[0])


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for seed, name in enumerate(SYMBOLS):
        commit(market.bars_shelf(tmp_path, TF, name), seed)
    return tmp_path


def scanned(root: Path, **more: object) -> pl.DataFrame:
    return lake.scan(SYMBOLS, COLUMNS, TF, lake=root, **more).with_columns(pl.col("symbol").cast(pl.String))


def loaded(root: Path, **more: object) -> pl.DataFrame:
    return pl.concat(lake.load(name, TF, lake=root, **more) for name in SYMBOLS).select("symbol", "ts", *COLUMNS)


def kept(root: Path) -> Path:
    return scans.place(market.bars_shelf(root, TF, SYMBOLS[0]))


def test_a_scan_has_the_rows_of_the_days_first_and_again(root: Path) -> None:
    for _ in range(2):
        assert scanned(root).equals(loaded(root), null_equal=True)
    assert kept(root).is_file()
    some = {"start": EVERY[1], "end": EVERY[2]}
    assert scanned(root, **some).equals(loaded(root, **some), null_equal=True)


def test_a_file_of_the_manifests_that_stand_there_is_read_and_no_day_is(root: Path) -> None:
    want = scanned(root)
    for part in root.glob(f"parquet/{TF}/*/y=*/m=*/d=*/*.parquet"):
        part.unlink()
    assert scanned(root).equals(want, null_equal=True)


def rewritten(shelf: Shelf) -> None:
    commit(shelf, 7)


def uncommitted(shelf: Shelf) -> None:
    (shelf.day_folder(EVERY[2]) / SUCCESS).unlink()


def gone(shelf: Shelf) -> None:
    shutil.rmtree(shelf.day_folder(EVERY[-1]))


@pytest.mark.parametrize("change", [rewritten, uncommitted, gone])
def test_a_day_that_changed_is_read_again(root: Path, change: object) -> None:
    before = scanned(root)
    change(market.bars_shelf(root, TF, SYMBOLS[0]))  # type: ignore[operator]
    assert not scanned(root).equals(before, null_equal=True)
    assert scanned(root).equals(loaded(root), null_equal=True)


def test_a_day_more_is_there_at_once(tmp_path: Path) -> None:
    for seed, name in enumerate(SYMBOLS):
        commit(market.bars_shelf(tmp_path, TF, name), seed, DAYS - 1)
    before = scanned(tmp_path)
    for seed, name in enumerate(SYMBOLS):
        commit(market.bars_shelf(tmp_path, TF, name), seed)
    assert scanned(tmp_path).height > before.height
    assert scanned(tmp_path).equals(loaded(tmp_path), null_equal=True)


@pytest.mark.parametrize("at", [0, 36, 60])
def test_a_file_that_is_damaged_is_not_believed(root: Path, at: int) -> None:
    want, file = scanned(root), kept(root)
    data = bytearray(file.read_bytes())
    data[at] ^= 0xFF
    file.write_bytes(data)
    assert scanned(root).equals(want, null_equal=True)
    assert file.read_bytes() != data, "it was made anew"


def test_a_scan_takes_no_memory_for_values_and_outlives_the_file(root: Path) -> None:
    scanned(root)
    before = pa.total_allocated_bytes()
    table = lake.scan(SYMBOLS, COLUMNS, TF, lake=root, as_="arrow")
    rows = table.num_rows
    assert pa.total_allocated_bytes() - before <= 8 * rows, "no more than the symbols' names"
    want = table.to_pydict()
    for name in SYMBOLS:
        commit(market.bars_shelf(root, TF, name), 7)
    assert lake.scan(SYMBOLS, COLUMNS, TF, lake=root, as_="arrow").to_pydict() != want
    shutil.rmtree(root / ".lake" / scans.FOLDER)
    assert table.to_pydict() == want


def test_a_file_of_other_days_under_this_name_is_not_believed(root: Path) -> None:
    want = scanned(root)
    shutil.copy(scans.place(market.bars_shelf(root, TF, SYMBOLS[1])), kept(root))
    assert scanned(root).equals(want, null_equal=True)


def test_manifests_that_differ_in_one_byte_are_others(root: Path) -> None:
    shelf = market.bars_shelf(root, TF, SYMBOLS[0])
    before = scans.manifests(shelf)
    path = shelf.day_folder(EVERY[0]) / MANIFEST
    path.write_bytes(path.read_bytes()[:-1] + b" ")
    assert scans.manifests(shelf) != before


def test_a_day_under_another_name_is_another(root: Path) -> None:
    shelf = market.bars_shelf(root, TF, SYMBOLS[0])
    before, last = scans.manifests(shelf), shelf.day_folder(EVERY[-1])
    last.rename(last.with_name("d=28"))
    assert scans.manifests(shelf) != before


def test_what_is_not_there_is_said(root: Path) -> None:
    with pytest.raises(Usage, match="none of these symbols has a column clsoe"):
        lake.scan("BTCUSDT", "clsoe", TF, lake=root)
    with pytest.raises(Usage, match="no symbol or no column"):
        lake.scan([], "close", TF, lake=root)
    with pytest.raises(NotReady, match="has no committed day"):
        lake.scan("XRPUSDT", "close", TF, lake=root)
    with pytest.raises(NotReady, match="no bar in that range"):
        lake.scan("BTCUSDT", "close", TF, start="2001-01-01", end="2001-01-02", lake=root)


def test_a_lake_that_may_not_be_written_is_scanned_all_the_same(root: Path) -> None:
    (root / ".lake" / scans.FOLDER).write_text("no folder can be made here")
    assert scanned(root).equals(loaded(root), null_equal=True)
