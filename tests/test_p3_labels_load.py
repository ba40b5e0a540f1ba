"""One line of Python brings a table, verified, in the form that is asked for, or one clear line."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

import lake
import p3_labels
from lake import tables
from meta.errors import NotReady, PerplakeError, Tampered, Usage
from tests import lakes
from tests.p3_lake import EVERY, FIRST, SYMBOLS, TF, label, shelf, with_features

PROJECT = Path(__file__).resolve().parent.parent
SYMBOL = SYMBOLS[0]


@pytest.fixture(scope="module")
def truth() -> Iterator[Path]:
    with lakes.scratch() as root:
        with_features(root)
        label(root)
        yield root


def test_a_range_is_read_day_by_day_of_the_bars_open(truth: Path) -> None:
    frame = lake.load(SYMBOL, TF, "2025-03-05", date(2025, 3, 6), truth)
    assert isinstance(frame, pl.DataFrame)
    stamps = [str(frame["ts"].dt.replace_time_zone(None).min()), str(frame["ts"].dt.replace_time_zone(None).max())]
    assert stamps[0] >= "2025-03-05 01:00:00" and stamps[1] <= "2025-03-07 00:00:00"
    assert frame["ts"].is_sorted() and frame["symbol"].unique().to_list() == [SYMBOL]
    whole = lake.load(SYMBOL, TF, lake=truth)
    assert len(whole) > 40 * len(EVERY) // 2 > len(frame) > 30


@pytest.mark.parametrize("of", ["bars", "features", "labels"])
def test_every_form_holds_the_same(truth: Path, of: str) -> None:
    asked = (SYMBOL, TF, FIRST, EVERY[33], truth)
    arrow = lake.load(*asked, "arrow", of=of)
    assert isinstance(arrow, pa.Table) and arrow.num_rows
    assert lake.load(*asked, of=of).to_arrow().column("ts").to_pylist() == arrow.column("ts").to_pylist()
    arrays = lake.load(*asked, "numpy", of=of)
    assert list(arrays) == arrow.column_names
    for name, values in arrays.items():
        assert isinstance(values, np.ndarray) and len(values) == arrow.num_rows
        if pa.types.is_floating(arrow.schema.field(name).type):
            np.testing.assert_array_equal(values, arrow.column(name).to_numpy())


def test_pandas_is_given_where_it_is_installed(truth: Path) -> None:
    pandas = pytest.importorskip("pandas")
    frame = lake.load(SYMBOL, TF, FIRST, FIRST, truth, "pandas")
    assert isinstance(frame, pandas.DataFrame) and frame["ts"].is_monotonic_increasing


def test_without_pandas_the_way_out_is_named(truth: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Bare:
        column_names = ()

        def to_pandas(self) -> None:
            raise ModuleNotFoundError("No module named 'pandas'")

    with pytest.raises(Usage, match="pandas is not installed; install it, or take polars"):
        tables.turned(Bare(), "pandas")


def test_bars_come_with_the_unit_their_labels_were_made_with(truth: Path) -> None:
    bars = p3_labels.load(SYMBOL, TF, EVERY[31], EVERY[34], truth)
    plain = lake.load(SYMBOL, TF, EVERY[31], EVERY[34], truth)
    assert bars.columns == [*plain.columns, "atr"] and bars.drop("atr").equals(plain)
    both = lake.load(SYMBOL, TF, EVERY[31], EVERY[34], truth, of="labels").join(bars, on=["symbol", "ts"])
    assert len(both) > 30 and both["atr"].to_list() == both["atr_right"].to_list()
    first = p3_labels.load(SYMBOL, TF, EVERY[0], EVERY[1], truth)
    assert first["atr"][0] is None and first["atr"][-1] > 0
    other = p3_labels.load(SYMBOL, TF, EVERY[31], EVERY[34], truth, atr=5)
    assert other["atr"].to_list() != bars["atr"].to_list()


def test_what_cannot_be_loaded_is_told_in_one_line(truth: Path) -> None:
    asked: list[tuple[type[PerplakeError], str, object]] = [
        (NotReady, "days of 2025-03-01 … 2025-04-13 only", lambda: lake.load(SYMBOL, TF, None, "2024-02-01", truth)),
        (NotReady, "no committed day", lambda: lake.load("XRPUSDT", TF, lake=truth)),
        (Usage, "swap them", lambda: lake.load(SYMBOL, TF, "2025-03-02", "2025-03-01", truth)),
        (Usage, "is not a date", lambda: lake.load(SYMBOL, TF, "yesterday", lake=truth)),
        (Usage, "is no form of a table", lambda: lake.load(SYMBOL, TF, lake=truth, as_="xarray")),
        (Usage, "did you mean", lambda: lake.load(SYMBOL, TF, lake=truth, of="label")),
        (Usage, "timeframe", lambda: lake.load(SYMBOL, "7m", lake=truth)),
        (Usage, "no symbol is named", lambda: lake.train_table([], TF, lake=truth)),
        (NotReady, "P3 1h SOLUSDT has no committed day", lambda: lake.train_table(SYMBOLS, TF, lake=truth)),
        (Usage, "atr_window", lambda: p3_labels.load(SYMBOL, TF, lake=truth, atr=0)),
    ]  # fmt: skip
    for kind, text, ask in asked:
        with pytest.raises(kind, match=text) as told:
            ask()  # type: ignore[operator]
        assert "\n" not in str(told.value)


def test_a_part_that_is_not_its_manifests_is_never_handed_out(truth: Path, tmp_path: Path) -> None:
    root = lakes.copied(truth, tmp_path / "lake")
    bars = shelf(root, "bars")
    part = bars.day_folder(EVERY[4]) / bars.part_name(EVERY[4])
    data = bytearray(part.read_bytes())
    data[len(data) // 2] ^= 1
    part.write_bytes(data)
    with pytest.raises(Tampered, match="sha256 differs"):
        lake.load(SYMBOL, TF, lake=root)


def test_a_day_that_is_not_committed_has_no_rows(truth: Path, tmp_path: Path) -> None:
    root = lakes.copied(truth, tmp_path / "lake")
    shutil.rmtree(shelf(root, "bars").day_folder(EVERY[4]))
    frame = lake.load(SYMBOL, TF, EVERY[3], EVERY[5], root)
    assert set(tables.turned(frame.to_arrow(), "polars")["ts"].dt.offset_by("-1h").dt.date()) == {EVERY[3], EVERY[5]}


def test_importing_the_packages_loads_nothing_heavy() -> None:
    asked = (
        "import sys, lake, p3_labels; print(*(m for m in ('numpy', 'pyarrow', 'polars', 'numba') if m in sys.modules))"
    )
    ran = subprocess.run([sys.executable, "-c", asked], cwd=PROJECT, capture_output=True, text=True, check=True)
    assert not ran.stdout.strip()
    for module in (lake, p3_labels):
        with pytest.raises(AttributeError, match="no attribute 'lode'"):
            module.lode  # noqa: B018
