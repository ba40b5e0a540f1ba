"""A mapped file gives back what was kept, or says that it cannot."""

from __future__ import annotations

import os
from pathlib import Path

import pyarrow as pa
import pytest

from lake import mapped, parts
from meta.columns import TS


def of_every_type() -> pa.Table:
    """Some rows of each type a column can have, the second of them null."""
    numbers = pa.array([0, None, 1, 0], pa.int64())
    said = {name: numbers.cast(kind) for name, kind in parts.TYPES.items() if name not in ("string", "bool", "date")}
    said |= {"string": pa.array(["up", None, "", "down"]), "bool": numbers.cast(pa.bool_())}
    return pa.table(said | {"date": numbers.cast(pa.int32()).cast(pa.date32())})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    where = tmp_path / "deep" / "file"
    mapped.write(where, "mark", of_every_type())
    return where


@pytest.mark.parametrize("rows", [(0, 4), (1, 2), (0, 0)], ids=["all", "a slice", "none"])
def test_every_type_is_given_back_as_it_was_kept(path: Path, rows: tuple[int, int]) -> None:
    table = of_every_type().slice(*rows)
    mapped.write(path, "mark", table)
    given = mapped.read(path, "mark", table.column_names)
    assert given is not None and given.equals(table) and given.schema.equals(table.schema, check_metadata=True)


def test_only_columns_asked_for_are_given_and_others_may_be_damaged(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-1] ^= 1  # in the last column
    path.write_bytes(data)
    given = mapped.read(path, "mark", [TS, "string", "not there"])
    assert given is not None and set(given.column_names) == {TS, "string"}
    assert mapped.read(path, "mark", ["date"]) is None


def test_a_file_of_another_mark_is_none(path: Path) -> None:
    assert mapped.read(path, "another", [TS]) is None
    assert mapped.read(path.with_name("nothing"), "mark", [TS]) is None


def test_no_byte_can_change_or_go_unseen(path: Path) -> None:
    names = [TS, "string"]
    mapped.write(path, "mark", of_every_type().select(names))
    sound = path.read_bytes()
    for at in range(0, len(sound), 3):
        data = bytearray(sound)
        data[at] ^= 0xFF
        path.write_bytes(data)
        assert mapped.read(path, "mark", names) is None, f"a byte at {at} of {len(sound)}"
    for size in range(0, len(sound), 19):
        path.write_bytes(sound[:size])
        assert mapped.read(path, "mark", names) is None, f"cut to {size}"


@pytest.mark.parametrize("kind", ["pipe", "folder"])
def test_what_is_no_file_is_none_and_never_opened(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever opens a pipe waits for a writer."""
    place, opened = tmp_path / "place", list[str]()
    os.mkfifo(place) if kind == "pipe" else place.mkdir()
    monkeypatch.setattr(pa, "memory_map", opened.append)
    assert mapped.read(place, "mark", [TS]) is None and not opened


def test_columns_start_where_no_copy_is_needed(path: Path) -> None:
    days = [pa.table({"a": pa.array(range(500), pa.int64()), "b": pa.array([0.5] * 500)})] * 2
    mapped.write(path, "mark", pa.concat_tables(days))
    before = pa.total_allocated_bytes()
    given = mapped.read(path, "mark", ["a", "b"])
    assert given is not None and pa.total_allocated_bytes() == before
    for column in given.columns:
        assert column.num_chunks == 1
        assert column.chunk(0).buffers()[1].address % 8 == 0
