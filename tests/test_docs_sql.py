"""The examples of docs/sql.md answer as they stand, and every view is told of there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from lake import catalog, sandbox, views
from meta.columns import BARS
from tests import lakes, p3_lake

PAGE = (Path(__file__).resolve().parent.parent / "docs" / "sql.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```sql\n(.*?)^```", PAGE, re.M | re.S)


@pytest.fixture(scope="module")
def root() -> Iterator[Path]:
    """A lake that holds everything, bars of a day and thus weeks among it."""
    with lakes.scratch() as where:
        p3_lake.whole(where)
        lakes.committed(lakes.a_shelf(where, "1d"), p3_lake.EVERY, columns=BARS)
        yield where


@pytest.mark.parametrize("sql", EXAMPLES, ids=lambda sql: " ".join(sql.split())[:40])
def test_an_example_answers(root: Path, sql: str) -> None:
    sql = sandbox.checked(sql.replace("_5m", f"_{p3_lake.TF}").replace("'5m'", f"'{p3_lake.TF}'"))
    with catalog.opened(root, asked=sql) as lake:
        assert lake.sql(sql).to_arrow_table().num_rows


def test_every_view_is_told_of(root: Path) -> None:
    told = re.findall(r"^\| `(\w+)` \|", PAGE, re.M)
    names = {re.sub(rf"_{p3_lake.TF}$", "_5m", name) for name in views.of(root)} - {"bars_1d"}
    assert names <= set(told)
    assert len(EXAMPLES) > 10
