from __future__ import annotations

import math

import numpy as np
import pytest

from p3_labels.kernels.past_atr import past_atr, past_atr_by_day, past_realised_by_day, past_true_range
from tests import naive
from tests.p3_tape import random_bars

PER_DAY = 24  # hourly bars keep the twin quick


def hourly(seed, n, **kwargs):
    return random_bars(np.random.default_rng(seed), n, step_ms=3_600_000, **kwargs)


def prices(bars):
    return bars.high, bars.low, bars.close


ZOO = {
    "noise": lambda: hourly(1, 400, missing=0),
    "gaps": lambda: hourly(2, 400, missing=0.1),
    "days not there": lambda: hourly(3, 600, closed=0.2),
    "so sparse that the last bars lie days back": lambda: hourly(13, 900, missing=0.5),
    "all gaps": lambda: hourly(4, 200, missing=1.0),
    "shorter than the window": lambda: hourly(5, 9, missing=0),
    "one bar": lambda: hourly(6, 1, missing=0),
    "begins inside a day": lambda: hourly(7, 400, first=17),
    "coarse ticks": lambda: hourly(8, 400, tick=16.0),
}


@pytest.mark.parametrize("name", ZOO)
def test_true_range_is_its_twin(name):
    bars = ZOO[name]()
    np.testing.assert_array_equal(past_true_range(*prices(bars)), naive.true_range(*prices(bars)))


@pytest.mark.parametrize("method", ["wilder", "sma"])
@pytest.mark.parametrize("name", ZOO)
def test_atr_is_its_twin(name, method):
    bars = ZOO[name]()
    for n in (1, 3, 14):
        wanted = naive.atr(*prices(bars), n, method)
        np.testing.assert_allclose(past_atr(*prices(bars), n, method == "sma"), wanted, rtol=1e-13, atol=0)


@pytest.mark.parametrize("method", ["wilder", "sma"])
@pytest.mark.parametrize("name", ZOO)
def test_atr_by_day_is_its_twin(name, method):
    bars = ZOO[name]()
    day = [(i + bars.day_offset) // PER_DAY for i in range(bars.close.size)]
    wanted = naive.by_day(lambda *p: naive.atr(*p, 5, method), prices(bars), day, 3)
    got = past_atr_by_day(*prices(bars), 5, PER_DAY, bars.day_offset, 3, method == "sma")
    np.testing.assert_allclose(got, wanted, rtol=1e-13, atol=0)


@pytest.mark.parametrize("name", ZOO)
def test_realised_volatility_is_its_twin(name):
    bars = ZOO[name]()
    day = [(i + bars.day_offset) // PER_DAY for i in range(bars.close.size)]
    wanted = naive.by_day(lambda c: naive.realised(c, 5), [bars.close], day, 3)
    got = past_realised_by_day(bars.close, 5, PER_DAY, bars.day_offset, 3)
    np.testing.assert_allclose(got, wanted, rtol=1e-12, atol=0)


def test_the_first_bar_has_no_true_range_and_the_seed_is_the_mean_of_the_first_n():
    high = np.array([12.0, 13.0, 16.0, 14.0, 15.0])
    low = np.array([10.0, 11.0, 12.0, 13.0, 9.0])
    close = np.array([11.0, 12.0, 15.0, 13.0, 10.0])
    np.testing.assert_array_equal(past_true_range(high, low, close), [math.nan, 2, 4, 2, 6])
    np.testing.assert_array_equal(past_atr(high, low, close, 2), [math.nan, math.nan, 3, 2.5, 4.25])
    np.testing.assert_array_equal(past_atr(high, low, close, 2, True), [math.nan, math.nan, 3, 3, 4])


def test_the_recursion_passes_over_an_absent_bar_and_measures_from_the_last_present_close():
    high = np.array([12.0, math.nan, 13.0, 16.0])
    low = np.array([10.0, math.nan, 12.5, 12.0])
    close = np.array([11.0, math.nan, 12.6, 15.0])
    np.testing.assert_array_equal(past_atr(high, low, close, 2), [math.nan, math.nan, math.nan, 3.0])


@pytest.mark.parametrize("simple", [False, True])
@pytest.mark.parametrize("n", [3, 14, 60])
def test_where_the_build_begins_changes_no_bit(n, simple):
    bars = hourly(9, 40 * PER_DAY, closed=0.05)
    back = max(3, -(-10 * n // PER_DAY))
    whole = past_atr_by_day(*prices(bars), n, PER_DAY, 0, back, simple)
    for day in range(back, 40):
        start, first, stop = (day - back) * PER_DAY, day * PER_DAY, (day + 1) * PER_DAY
        alone = past_atr_by_day(*(x[start:stop] for x in prices(bars)), n, PER_DAY, 0, back, simple)
        assert alone[first - start :].tobytes() == whole[first:stop].tobytes()


def test_days_before_the_wanted_ones_may_be_left_out():
    bars = hourly(12, 30 * PER_DAY, closed=0.1, first=5)
    whole = past_atr_by_day(*prices(bars), 5, PER_DAY, bars.day_offset, 3)
    for since in (0, 30, 71, 400, bars.close.size - 1):
        late = past_atr_by_day(*prices(bars), 5, PER_DAY, bars.day_offset, 3, False, since)
        assert late[since:].tobytes() == whole[since:].tobytes()


def test_a_spike_leaves_after_the_reach():
    bars = hourly(10, 20 * PER_DAY, missing=0)
    calm = past_atr_by_day(*prices(bars), 5, PER_DAY, 0, 3)
    bars.high[2 * PER_DAY + 1] = 1e12
    shaken = past_atr_by_day(*prices(bars), 5, PER_DAY, 0, 3)
    assert shaken[5 * PER_DAY] != calm[5 * PER_DAY]
    assert shaken[6 * PER_DAY :].tobytes() == calm[6 * PER_DAY :].tobytes()


@pytest.mark.parametrize("simple", [False, True])
def test_the_future_cannot_change_the_past(simple):
    bars = hourly(11, 12 * PER_DAY)
    before = past_atr_by_day(*prices(bars), 5, PER_DAY, 0, 3, simple)
    for t in range(0, bars.close.size, 37):
        later = [x.copy() for x in prices(bars)]
        for x in later:
            x[t + 1 :] *= 7.0
        after = past_atr_by_day(*later, 5, PER_DAY, 0, 3, simple)
        assert after[: t + 1].tobytes() == before[: t + 1].tobytes()
