"""A longer bar's flows are its members' as they are printed, added and rounded once."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lake import groups
from meta.timeframes import TIMEFRAMES

PRINTED = st.decimals(0, 10**12, places=8).map(float) | st.floats(0, 1e18) | st.integers(0, 10**15).map(float)


def plainly(row: list[float]) -> float:
    return float(sum(Decimal(repr(value)) for value in row))


@settings(max_examples=150, deadline=None)
@given(st.lists(st.lists(PRINTED, min_size=3, max_size=3), min_size=1, max_size=8))
def test_sums_are_those_of_the_printed_numbers(rows: list[list[float]]) -> None:
    assert groups.sums(np.array(rows), np.ones(len(rows), bool)).tolist() == [plainly(row) for row in rows]


@pytest.mark.parametrize(
    "row", [[0.1, 0.2], [0.1] * 10, [1e22, 1.0], [123456789.12345678, 0.00000001], [4e15, 4.0], [5e-324, 0.3], [0.0]]
)
def test_numbers_that_doubles_cannot_hold_are_added_as_printed(row: list[float]) -> None:
    assert groups.sums(np.array([row]), np.ones(1, bool)).tolist() == [plainly(row)]


def test_doubles_added_plainly_would_be_beside() -> None:
    assert sum([0.1] * 10) != 1.0 == groups.sums(np.full((1, 10), 0.1), np.ones(1, bool))[0]


def test_what_is_made_of_whole_bars() -> None:
    names = {name: [str(tf) for tf in groups.longer(TIMEFRAMES[name])] for name in ("1m", "8h", "1d")}
    assert names["1m"] == list(TIMEFRAMES)[1:] and names["8h"] == ["1d"] and names["1d"] == []
