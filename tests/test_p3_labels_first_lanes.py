"""Paths walked abreast end where the plain walk ends, whatever their number, place and horizon."""

from __future__ import annotations

import numpy as np
import pytest

from p3_labels.kernels.first_lanes import LANES
from p3_labels.kernels.first_touch import BLOCK, COMPILED, first_touch
from tests.p3_tape import random_bars

pytestmark = pytest.mark.skipif(not COMPILED, reason="numba is told to compile nothing (NUMBA_DISABLE_JIT)")


def both(bars, events, width, horizon, tie=0):
    entry = bars.close[events]
    asked = (bars.open, bars.high, bars.low, bars.close, bars.open_tape, events, entry + width, entry - width)
    return first_touch(*asked, horizon, tie), first_touch(*asked, horizon, tie, plain=True)


def same(one, other):
    return all(a.tobytes() == b.tobytes() for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("m", [1, LANES - 1, LANES, LANES + 1, 3 * LANES, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK + 7])
def test_every_number_of_paths(m):
    bars = random_bars(np.random.default_rng(m), m + 60, missing=0.0)
    assert same(*both(bars, np.arange(5, 5 + m), 1.5, 12))


@pytest.mark.parametrize("horizon", [1, 2, 12])
@pytest.mark.parametrize("place", range(LANES + 14))
def test_one_odd_bar_anywhere_near_is_read_by_the_plain_walk(place, horizon):
    bars = random_bars(np.random.default_rng(place), 2 * LANES + 40, missing=0.0)
    bars.close[place] = np.nan
    events = np.flatnonzero(~np.isnan(bars.close))
    assert same(*both(bars, events, 2.0, horizon))


@pytest.mark.parametrize("short", range(4))
def test_the_tape_may_end_at_any_bar_of_the_last_lanes(short):
    bars = random_bars(np.random.default_rng(short), LANES + 12 - short, missing=0.0)
    mine, plain = both(bars, np.arange(LANES), 50.0, 12)
    assert same(mine, plain)
    assert (mine.status != 0).sum() == short, "of lanes that never touch, those the tape ends before are unresolved"


def test_parts_of_larger_arrays_are_read_as_themselves():
    bars = random_bars(np.random.default_rng(3), 400, missing=0.0)
    columns = np.stack([bars.open, bars.high, bars.low, bars.close], 1)
    strided = (columns[:, 0], columns[:, 1], columns[:, 2], columns[:, 3], bars.open_tape)
    whole = (bars.open, bars.high, bars.low, bars.close, bars.open_tape)
    events = np.arange(300)
    wide = np.repeat(bars.close[events] + 2.0, 2)[::2], np.repeat(bars.close[events] - 2.0, 2)[::2]
    plain = tuple(np.ascontiguousarray(one) for one in wide)
    assert same(first_touch(*strided, events, *wide, 12, 0), first_touch(*whole, events, *plain, 12, 0, plain=True))
