"""What makes one table of another is every cell that differs and no other, and leads back to the very bytes."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from lake import changes, parts
from meta.columns import BARS
from tests import lakes


def with_cell(table: pa.Table, name: str, row: int, value: object) -> pa.Table:
    """The same table, with another value in one place."""
    column = table.column(name)
    values = [*column[:row].to_pylist(), value, *column[row + 1 :].to_pylist()]
    return table.set_column(table.column_names.index(name), table.schema.field(name), pa.array(values, column.type))


def found(old: pa.Table, new: pa.Table) -> list[tuple[int, str, float | None, float | None]]:
    """The changes, by hour of the day."""
    rows = changes.between(old, new).to_pylist()
    return [(row["ts"].hour, row["column"], row["old"], row["new"]) for row in rows]


def leads_back(old: pa.Table, new: pa.Table) -> bool:
    cells = changes.between(old, new)
    again = changes.undone(new, cells, old.schema, "BTCUSDT")
    return parts.encoded(again) == parts.encoded(old) and changes.digest(again) == changes.digest(old)


@pytest.fixture
def day() -> pa.Table:
    return lakes.a_day(columns=BARS)


def test_the_same_table_has_no_changes(day: pa.Table) -> None:
    assert found(day, day) == []


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [("close", 7.5, 7.5), ("close", None, None), ("trades", 2**53 - 1, 2.0**53 - 1), ("oi_ts", None, None)],
)
def test_one_cell_that_changed_is_one_row(day: pa.Table, name: str, value: object, told: float | None) -> None:
    new = with_cell(day, name, 4, value)
    ((hour, column, old, now),) = found(day, new)
    assert (hour, column, now) == (5, name, told) and old is not None
    assert found(new, day) == [(5, name, told, old)]
    assert leads_back(day, new) and leads_back(new, day)


def test_zeros_of_two_signs_are_two_values_and_nan_is_one(day: pa.Table) -> None:
    zero, minus, nan = (with_cell(day, "premium", 0, value) for value in (0.0, -0.0, float("nan")))
    assert len(found(zero, minus)) == 1 and leads_back(zero, minus)
    assert found(nan, nan) == [] and leads_back(nan, zero) and leads_back(zero, nan)


def test_a_bar_that_comes_is_told_once_and_one_that_goes_with_all_it_said(day: pa.Table) -> None:
    less = with_cell(day, "oi_now", 23, None).slice(0, 23)
    assert found(less, day) == [(0, changes.BAR, None, 1.0)]
    gone = found(with_cell(day, "oi_now", 23, None), less)
    assert gone[0] == (0, changes.BAR, 1.0, None)
    assert {column for _, column, _, _ in gone[1:]} == set(day.column_names[2:]) - {"oi_now"}
    assert leads_back(less, day) and leads_back(day, less)
    nothing = day.slice(0, 0)
    assert leads_back(day, nothing) and leads_back(nothing, day)


def test_a_column_that_is_new_is_no_change_and_one_that_goes_is(day: pa.Table) -> None:
    narrow = lakes.a_day()
    shared = day.select(["symbol", "ts"]).append_column("close", narrow.column("close"))
    assert found(shared, narrow) == []
    assert {column for _, column, _, _ in found(narrow, shared)} == {"oi_now"}
    assert leads_back(shared, narrow) and leads_back(narrow, shared) and leads_back(narrow, day)


def test_every_change_of_a_random_table_is_found_and_none_invented() -> None:
    random = np.random.default_rng(7)
    for seed in range(3):
        old, new = (lakes.a_day(columns=BARS, seed=each) for each in (seed, seed))
        for name in ("close", "trades", "funding_now", "oi_ts"):
            for row in random.integers(0, 24, 2).tolist():
                new = with_cell(new, name, row, None if random.random() < 0.4 else new.column(name)[0].as_py())
        keep = np.sort(random.choice(24, int(random.integers(1, 25)), replace=False))
        new = new.take(pa.array(keep))
        old_rows = {row["ts"]: row for row in old.to_pylist()}
        new_rows = {row["ts"]: row for row in new.to_pylist()}
        naive = {
            (ts, name)
            for ts in old_rows
            for name in old.column_names[2:]
            if (new_rows[ts][name] if ts in new_rows else None) != old_rows[ts][name]
        } | {(ts, changes.BAR) for ts in old_rows.keys() ^ new_rows.keys()}
        cells = changes.between(old, new)
        assert {(row["ts"], row["column"]) for row in cells.to_pylist()} == naive
        assert len(cells) == len(naive)
        assert leads_back(old, new) and leads_back(new, old)
