"""Whatever commits brings the catalog up to date, and any DuckDB reads it while writers work."""

from __future__ import annotations

import importlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from lake import catalog
from lake.ending import status
from tests import lakes, p3_lake

PROJECT = Path(__file__).resolve().parent.parent


@pytest.fixture
def root() -> Iterator[Path]:
    with lakes.scratch() as where:
        yield where / "lake"


def views(root: Path) -> list[str]:
    with duckdb.connect(str(catalog.path_for(root)), read_only=True) as plain:
        return [name for (name,) in plain.sql("SELECT view_name FROM duckdb_views() WHERE NOT internal").fetchall()]


@pytest.mark.parametrize(
    ("command", "brought"),
    [
        ("p1_ingest resample --from 1h --to 4h --symbol BTCUSDT", "bars_4h"),
        ("p2_features build --symbol BTCUSDT --tf 1h", "feat_1h"),
        ("p3_labels triple-barrier --symbol BTCUSDT --tf 1h --k 4", "labels_1h"),
        ("p3_labels weights --symbol BTCUSDT --tf 1h", "weights_1h"),
        ("p3_labels folds --symbol BTCUSDT,SOLUSDT --tf 1h", "folds_1h"),
    ],
)
def test_the_catalog_is_current_after_every_phase(root: Path, command: str, brought: str) -> None:
    p3_lake.whole(root)
    phase, *words = command.split()
    assert not catalog.path_for(root).exists()
    commands = importlib.import_module(f"{phase}.__main__").commands
    assert status(commands, phase, [*words, "--lake", str(root)]) == 0
    assert {brought, "days", "bars_1h", "train_1h"} <= set(views(root))
    with duckdb.connect(str(catalog.path_for(root)), read_only=True) as plain:
        assert plain.sql(f"SELECT count(*) FROM {brought}").fetchall()[0][0] > 0


def test_a_view_of_days_that_were_set_aside_is_gone(root: Path) -> None:
    shelf = lakes.committed(lakes.a_shelf(root, "4h"))
    lakes.committed(lakes.a_shelf(root))
    catalog.refresh(root)
    (shelf.day_folder(lakes.DAY) / shelf.part_name(lakes.DAY)).write_bytes(b"damaged")
    lake = importlib.import_module("lake.__main__").commands
    assert status(lake, "lake", ["repair", "--lake", str(root)]) == 0
    assert set(views(root)) == {"days", "bars_1h", "revisions"}


def test_a_plain_duckdb_reads_the_catalog_while_it_is_made_anew(root: Path) -> None:
    lakes.committed(lakes.a_shelf(root))
    place, written = catalog.refresh(root)
    assert written
    with duckdb.connect(str(place), read_only=True) as old:
        lakes.committed(lakes.a_shelf(root, "4h"))
        assert catalog.refresh(root) == (place, True)
        assert old.sql("SELECT count(*) FROM bars_1h").fetchall() == [(24,)]
        with pytest.raises(duckdb.CatalogException):
            old.sql("FROM bars_4h")
    with duckdb.connect(str(place), read_only=True) as new:
        assert new.sql("SELECT count(*) FROM bars_4h").fetchall() == [(6,)]


def test_the_catalog_is_one_file_that_needs_nothing_of_ours(root: Path) -> None:
    lakes.committed(lakes.a_shelf(root))
    place, _ = catalog.refresh(root)
    alone = f"c = __import__('duckdb').connect({str(place)!r}, read_only=True)\nprint(c.sql('SELECT symbol FROM days'))"
    ran = subprocess.run([sys.executable, "-c", alone], cwd=PROJECT, capture_output=True, text=True, check=True)
    assert "BTCUSDT" in ran.stdout
