"""Order statistics are exact over many chunks and for any crowd of values, however the kernels find them."""

from __future__ import annotations

import bisect
import math
from collections.abc import Iterator

import numpy as np
import pytest
from numba import njit

from p2_features.kernels.order import desk_for, put_in_order
from p2_features.kernels.past_percentile import past_percentile
from p2_features.kernels.past_quantiles import past_quantiles
from tests import zoo

sort = njit(put_in_order)
SERIES = zoo.zoo(6_000)
CROWDS = {
    "around one value, one far off": np.r_[-1.0, 1e5 + 1e-9 * np.random.default_rng(1).standard_normal(5_000)],
    "subnormal": np.random.default_rng(2).integers(-40, 40, 3_000) * 5e-324 + 0.0,
    "all magnitudes": np.exp(np.random.default_rng(3).uniform(-700, 700, 3_000)) * np.tile([1.0, -1.0], 1_500),
    "largest and smallest": np.tile([1.7e308, -1.7e308, 5e-324, -5e-324, 0.0], 500),
    "falling": -np.arange(2_500.0),
}


def sorted_past(x: np.ndarray, window: int) -> Iterator[tuple[int, list[float]]]:
    """The finite values of t-W … t-1 in order, bar after bar: the twin for series too long for the obvious one."""
    values: list[float] = []
    for t in range(x.size):
        yield t, values
        if t >= window and math.isfinite(x[t - window]):
            del values[bisect.bisect_left(values, x[t - window])]
        if math.isfinite(x[t]):
            bisect.insort(values, float(x[t]))


def quantile(values: list[float], p: float) -> float:
    k = math.floor((len(values) - 1) * p)
    a, b = values[k], values[min(k + 1, len(values) - 1)]
    return a + (b - a) * ((len(values) - 1) * p - k)


@pytest.mark.parametrize("name", SERIES)
@pytest.mark.parametrize("window", [1_500, 301])
def test_quantiles_and_percentiles_hold_over_many_chunks(name: str, window: int) -> None:
    x = SERIES[name]
    want = np.full((3, x.size), math.nan)
    for t, values in sorted_past(x, window):
        if len(values) >= 20:
            want[0, t], want[1, t] = quantile(values, 0.01), quantile(values, 0.99)
            if math.isfinite(x[t]):
                below, upto = bisect.bisect_left(values, x[t]), bisect.bisect_right(values, x[t])
                want[2, t] = (below + 0.5 * (upto - below)) / len(values)
    lo, hi = past_quantiles(x, window, 0.01, 0.99, 20)
    np.testing.assert_array_equal(lo, want[0])
    np.testing.assert_array_equal(hi, want[1])
    np.testing.assert_array_equal(past_percentile(x, window, 20), want[2])


@pytest.mark.parametrize("crowd", CROWDS)
@pytest.mark.parametrize("size", [0, 1, 2, 300, 2_047, 2_500])
def test_any_crowd_of_values_is_sorted(crowd: str, size: int) -> None:
    values = CROWDS[crowd][:size].copy()
    desk = desk_for(values.size)
    sort(values, desk)
    order = desk.order
    np.testing.assert_array_equal(values[order], np.sort(values))
    np.testing.assert_array_equal(np.sort(order), np.arange(values.size))
