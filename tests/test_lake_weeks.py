"""A week is its seven days, or it is not there."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from lake import catalog, commit, days, views
from lake.layout import Shelf
from meta.columns import BARS
from tests import lakes

MONDAY = date(2025, 5, 5)


@pytest.fixture
def root() -> Iterator[Path]:
    with lakes.scratch() as where:
        yield where


def three_weeks(root: Path, without: tuple[date, ...] = ()) -> Shelf:
    """A Sunday, three weeks and a Monday of daily bars, without these."""
    wanted = [day for day in lakes.the_days(23, MONDAY - timedelta(days=1)) if day not in without]
    return lakes.committed(lakes.a_shelf(root, "1d"), wanted, columns=BARS)


def weeks(root: Path, sql: str = "SELECT * FROM bars_1w ORDER BY ts") -> list[dict[str, object]]:
    with catalog.opened(root) as connection:
        return connection.sql(sql).to_arrow_table().to_pylist()


def cells(shelf: Shelf, first: date, name: str) -> list[float]:
    tables = [days.need(shelf, day).table() for day in lakes.the_days(7, first)]
    return pa.concat_tables(tables).column(name).to_pylist()


def test_a_week_runs_from_monday_to_monday_and_only_whole_ones_are_there(root: Path) -> None:
    three_weeks(root)
    found = weeks(root)
    assert [row["day"] for row in found] == [MONDAY + timedelta(days=7 * i) for i in range(3)]
    assert [str(row["ts"])[:16] for row in found] == [f"{MONDAY + timedelta(days=7 * i)} 00:00" for i in (1, 2, 3)]
    assert [str(row["bar_open"])[:10] for row in found] == [str(row["day"]) for row in found]


def test_a_missing_day_takes_its_week_along(root: Path) -> None:
    three_weeks(root, without=(MONDAY + timedelta(days=9),))
    assert [row["day"] for row in weeks(root)] == [MONDAY, MONDAY + timedelta(days=14)]


def test_each_column_is_combined_by_its_kind(root: Path) -> None:
    shelf = three_weeks(root)
    row = weeks(root)[0]
    rules = {"first": lambda c: c[0], "last": lambda c: c[-1], "max": max, "min": min, "flow": sum}
    for column in BARS[2:]:
        assert row[column.name] == rules[column.kind](cells(shelf, MONDAY, column.name)), column.name


def test_a_null_day_makes_a_flow_null_and_a_state_the_last_days(root: Path) -> None:
    shelf = three_weeks(root)
    sunday = MONDAY + timedelta(days=6)
    table = days.need(shelf, sunday).table()
    for name in ("quote_volume", "trades", "oi_now"):
        place = table.column_names.index(name)
        table = table.set_column(place, table.field(place), pa.nulls(1, table.field(place).type))
    with commit.writing(shelf) as writer:
        writer.stage(sunday, table, lakes.SOURCE)
        writer.publish()
    first, second = weeks(root)[:2]
    assert [first[name] for name in ("quote_volume", "trades", "oi_now")] == [None, None, None]
    assert first["volume"] is not None and second["quote_volume"] is not None


def test_a_lake_without_daily_bars_has_no_weeks(root: Path) -> None:
    lakes.committed(lakes.a_shelf(root, "1h"), columns=BARS)
    assert set(views.of(root)) == {"days", "bars_1h", "revisions"}
