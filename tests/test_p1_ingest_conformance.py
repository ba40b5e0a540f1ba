"""Every source passes the one suite."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from tests.conformance import Conformance, Stand
from tests.stands import DAYS, MINUTES, SOURCES


@pytest.fixture(scope="module", params=SOURCES, ids=lambda made: made.__name__)
def stand(request: pytest.FixtureRequest) -> Iterator[Stand]:
    with request.param() as made:
        yield made


class TestEverySource(Conformance):
    """The claims of tests/conformance.py, for each of them."""


def test_minutes_asked_for_in_other_groups_have_the_same_values(stand: Stand) -> None:
    """Bars shorter than a series' own rows begin a day with a row that may stand in the day before."""
    minutes = replace(stand, tf=MINUTES, days=DAYS[1:3])
    at_once, again = minutes.columns([minutes.days]), minutes.columns([[day] for day in minutes.days])
    assert not [name for name in again if not np.array_equal(again[name], at_once[name], equal_nan=True)]
