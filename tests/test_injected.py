"""What strace sees of a command from outside agrees with what the harness in Python sees from within."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import injected, lakes
from tests.phases import PHASES, a_lake, at_a_stand_in
from tests.tap import EXCHANGE

CATALOG = ".lake/.p#.duckdb"
REASON = injected.missing()
pytestmark = pytest.mark.skipif(REASON is not None, reason=str(REASON))


@pytest.fixture
def scratch() -> Iterator[Path]:
    with lakes.scratch() as folder, at_a_stand_in():
        yield folder


@pytest.mark.parametrize(
    "name", [pytest.param(one, marks=[] if one == "P1 first" else pytest.mark.long) for one in PHASES]
)
def test_the_harness_in_python_overlooks_nothing_but_the_catalog(name: str, scratch: Path) -> None:
    """DuckDB writes that by itself. What is opened to be made may be there already, and is told by what follows."""
    found = injected.overlooked(PHASES[name].quick, a_lake(scratch, PHASES[name].make), scratch)
    assert {one for one in found if one.function != "open" and not one.role.startswith(CATALOG)} == set()


@pytest.mark.long
def test_a_kill_and_an_error_from_outside_leave_whole_days(scratch: Path) -> None:
    report, missed = injected.points("P1 rewrite", EXCHANGE, scratch, most=12)
    assert not report.violations and report.points == 12 and missed <= 2
