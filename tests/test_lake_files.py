"""What people take away is whole under its name or not there, and a spreadsheet finds nothing in it to run."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from lake import files
from meta.errors import Usage

FORMS = ("csv", "json", "parquet")
INSTANTS = pa.array([0, 1, None, 1_740_000_000_000], pa.timestamp("ms", "UTC"))
TABLE = pa.table(
    {
        "time": INSTANTS,
        "text": ["=1+1", "plain", None, "-2"],
        "number": [-0.5, None, 0.0, 1e-7],
        "count": pa.array([-1, 0, None, 3], pa.int64()),
    }
)


def kept(path: Path, form: str, *tables: pa.Table) -> Path:
    with files.table(path, form, tables[0].schema) as write:
        for one in tables:
            write(one)
    return path


def cells(path: Path) -> list[list[str]]:
    return list(csv.reader(io.StringIO(path.read_bytes().decode(), newline="")))


@pytest.mark.parametrize("form", FORMS)
def test_pieces_make_the_same_file_as_the_whole(tmp_path: Path, form: str) -> None:
    whole = kept(tmp_path / "whole", form, TABLE)
    parts = kept(tmp_path / "parts", form, TABLE.slice(0, 1), TABLE.slice(1, 0), TABLE.slice(1))
    if form == "json":
        assert json.loads(whole.read_bytes()) == json.loads(parts.read_bytes())
    else:
        assert whole.read_bytes() == parts.read_bytes()


def test_parquet_gives_back_every_value_and_type(tmp_path: Path) -> None:
    assert pq.read_table(kept(tmp_path / "t", "parquet", TABLE)).equals(TABLE)


def test_a_long_table_has_row_groups_of_one_size(tmp_path: Path) -> None:
    piece = pa.table({"n": pa.array(range(50_000), pa.int64())})
    found = pq.ParquetFile(kept(tmp_path / "t", "parquet", *[piece] * 4)).metadata
    assert found.num_rows == 200_000 and found.row_group(0).num_rows == files.GROUP


def test_a_csv_has_one_line_of_names_nulls_as_empty_cells_and_instants_in_utc(tmp_path: Path) -> None:
    assert cells(kept(tmp_path / "t", "csv", TABLE))[:3] == [
        ["time", "text", "number", "count"],
        ["1970-01-01T00:00:00.000Z", "'=1+1", "-0.5", "-1"],
        ["1970-01-01T00:00:00.001Z", "plain", "", "0"],
    ]


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_a_text_cell_or_name_is_never_a_formula(tmp_path: Path, start: str) -> None:
    text = f"{start}HYPERLINK(1)"
    found = cells(kept(tmp_path / "t", "csv", pa.table({text: [text], "b": ["a" + text]})))
    assert found == [["'" + text, "b"], ["'" + text, "a" + text]]


def test_numbers_stay_numbers(tmp_path: Path) -> None:
    found = pyarrow.csv.read_csv(kept(tmp_path / "t", "csv", TABLE)).column("number").to_pylist()
    assert found == [-0.5, None, 0.0, 1e-7]


def test_instants_of_other_zones_are_told_in_utc(tmp_path: Path) -> None:
    there = pa.table({"t": pa.array([0], pa.timestamp("ms", "America/New_York"))})
    assert cells(kept(tmp_path / "t", "csv", there))[1] == ["1970-01-01T00:00:00.000Z"]


def test_json_is_an_array_of_objects_with_nulls(tmp_path: Path) -> None:
    assert json.loads(kept(tmp_path / "t", "json", TABLE).read_bytes())[2] == {
        "time": None, "text": None, "number": 0.0, "count": None,
    }  # fmt: skip
    assert json.loads(kept(tmp_path / "none", "json", TABLE.slice(0, 0)).read_bytes()) == []


def test_a_csv_says_which_column_it_cannot_hold(tmp_path: Path) -> None:
    with pytest.raises(Usage, match="column b holds lists"):
        kept(tmp_path / "t", "csv", pa.table({"a": [1], "b": [[1, 2]]}))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("form", FORMS)
def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path: Path, form: str) -> None:
    path = tmp_path / "t"
    path.write_bytes(b"old")
    with pytest.raises(RuntimeError), files.table(path, form, TABLE.schema) as write:
        write(TABLE)
        raise RuntimeError
    assert path.read_bytes() == b"old" and [one.name for one in tmp_path.iterdir()] == ["t"]


def test_a_link_is_replaced_and_not_followed(tmp_path: Path) -> None:
    target, link = tmp_path / "elsewhere", tmp_path / "t"
    target.write_bytes(b"kept")
    link.symlink_to(target)
    kept(link, "csv", TABLE)
    assert target.read_bytes() == b"kept" and not link.is_symlink()


def test_folders_are_made_on_the_way(tmp_path: Path) -> None:
    assert kept(tmp_path / "a" / "b" / "t.csv", "csv", TABLE).is_file()
