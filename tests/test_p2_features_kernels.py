"""Each P2 kernel agrees with its obvious twin, looks only backward, and does not know where its tape began."""

from __future__ import annotations

import math
import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from p2_features.kernels import scalar
from p2_features.kernels.carried import past_carried
from p2_features.kernels.past_change import past_change
from p2_features.kernels.past_mean_std import past_mean_std
from p2_features.kernels.past_percentile import past_percentile
from p2_features.kernels.past_quantiles import past_quantiles, past_winsorized
from p2_features.kernels.past_sum import past_sum
from p2_features.kernels.past_zscore import past_winsorized_zscore, past_zscore
from tests import naive, zoo

COMPILED = os.environ.get("NUMBA_DISABLE_JIT", "0") == "0"
LENGTH = 260 if COMPILED else 80
SERIES = {**zoo.zoo(LENGTH), **zoo.SHORT}
LONG = zoo.zoo(9_000)
WINDOWS = (1, 2, 7, 24, 100) if COMPILED else (1, 7)
PAIRS = ((0.01, 0.99), (0.0, 1.0), (0.5, 0.5), (0.25, 0.9), (0.3, 0.3))

streams = st.lists(
    st.one_of(
        st.floats(-1e6, 1e6).map(lambda x: x if abs(x) > 1e-140 else 0.0),  # the square of less is no normal number
        st.sampled_from([math.nan, 0.0, -0.0, 1.0, -1.0, 1e5, 1e5 + 0.1, 1e12, math.inf, -math.inf]),
    ),
    max_size=60 if COMPILED else 25,
).map(lambda values: np.array(values, dtype=np.float64))
windows = st.integers(1, 12)
quick = settings(max_examples=150 if COMPILED else 8, deadline=None)


def same(a: np.ndarray, b: np.ndarray) -> bool:
    """Equal to the bit, NaN included."""
    return a.shape == b.shape and a.dtype == b.dtype and a.tobytes() == b.tobytes()


def assert_near(got: np.ndarray, want: np.ndarray, relative: float = 1e-9, absolute: float = 1e-9) -> None:
    np.testing.assert_allclose(got, want, rtol=relative, atol=absolute, equal_nan=True)


def kernels(window: int) -> dict[str, tuple]:
    """name -> (kernel of (x, first) giving a tuple of (n,) arrays, its reach in bars)."""
    least = max(window // 4, 1)
    return {
        "quantiles": (lambda x, first: past_quantiles(x, window, 0.1, 0.9, least), window),
        "winsorized": (lambda x, first: (past_winsorized(x, window, 0.01, 0.99, least),), window),
        "mean_std": (lambda x, first: past_mean_std(x, first, window), window),
        "zscore": (lambda x, first: (past_zscore(x, first, window, least),), window),
        "winsorized_zscore": (
            lambda x, first: (past_winsorized_zscore(x, first, window, 0.05, 0.95, least, least),),
            2 * window,
        ),
        "percentile": (lambda x, first: (past_percentile(x, window, least),), window),
        "sum": (lambda x, first: tuple(past_sum(np.stack((x, x[::-1][::-1] * 2)), first, window, least)), window - 1),
        "change": (lambda x, first: (past_change(x, window),), window),
        "carried": (lambda x, first: past_carried(x, window), window),
    }


@pytest.mark.parametrize("name", SERIES)
@pytest.mark.parametrize("window", WINDOWS)
def test_quantiles_are_the_twins_to_the_bit(name: str, window: int) -> None:
    x = SERIES[name]
    for low, high in PAIRS:
        for got, want in zip(
            past_quantiles(x, window, low, high, 2), naive.past_quantiles(x, window, low, high, 2), strict=True
        ):
            np.testing.assert_array_equal(got, want)
        np.testing.assert_array_equal(
            past_winsorized(x, window, low, high, 2), naive.past_winsorized(x, window, low, high, 2)
        )


@pytest.mark.parametrize("name", SERIES)
@pytest.mark.parametrize("window", WINDOWS)
def test_the_percentile_is_the_twins_to_the_bit(name: str, window: int) -> None:
    x = SERIES[name]
    for least in (1, window // 2):
        np.testing.assert_array_equal(past_percentile(x, window, least), naive.past_percentile(x, window, least))


@pytest.mark.parametrize("name", LONG)
def test_the_percentile_of_a_series_of_several_chunks_is_the_twins(name: str) -> None:
    x, window = LONG[name], 137
    got = past_percentile(x, window, 2)
    for begin in (4_095 - window, 2 * (4_095 - window)):
        around = slice(begin - window - 3, begin + 60)
        np.testing.assert_array_equal(got[around][window:], naive.past_percentile(x[around], window, 2)[window:])


@pytest.mark.parametrize("name", SERIES)
@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("first", [0, 5_839_211])
def test_mean_deviation_and_flatness_are_the_twins(name: str, window: int, first: int) -> None:
    x = SERIES[name]
    count, mean, std, flat = past_mean_std(x, first, window)
    want_count, want_mean, want_std, want_flat = naive.past_mean_std(x, window)
    np.testing.assert_array_equal(count, want_count)
    np.testing.assert_array_equal(flat, want_flat)
    # A deviation of the order of the values' own last bit cannot be resolved better than that bit.
    np.testing.assert_allclose(std, want_std, rtol=1e-10, atol=1e-300, equal_nan=True)
    spread = np.where(want_count > 0, want_std, 0.0)
    assert np.all((np.abs(mean - want_mean) <= 1e-10 * spread + 4e-16 * np.abs(want_mean)) | (want_count == 0))


@pytest.mark.parametrize("name", SERIES)
@pytest.mark.parametrize("window", WINDOWS)
def test_zscores_are_the_twins(name: str, window: int) -> None:
    x = SERIES[name]
    assert_near(past_zscore(x, 3, window, 2), naive.past_zscore(x, window, 2))
    assert_near(
        past_winsorized_zscore(x, 3, window, 0.02, 0.98, 2, 3),
        naive.past_winsorized_zscore(x, window, 0.02, 0.98, 2, 3),
    )


@pytest.mark.parametrize("name", SERIES)
@pytest.mark.parametrize("bars", [*WINDOWS, 2000])
def test_sums_are_the_twins_and_take_the_same_bars_for_all_columns(name: str, bars: int) -> None:
    x = SERIES[name]
    columns = np.stack((x, np.roll(x, 3) + 1.0, np.arange(x.size, dtype=np.float64)))
    for least in (1, math.ceil(10 * bars / 12)):
        got, want = past_sum(columns, 11, bars, least), naive.past_sum(columns, bars, least)
        size = np.nan_to_num(naive.past_sum(np.abs(columns), bars, least), posinf=0.0)
        np.testing.assert_array_equal(np.isnan(got), np.isnan(want))
        assert np.all(np.isnan(want) | (np.abs(got - want) <= 1e-13 * size))


@pytest.mark.parametrize("name", SERIES)
def test_changes_and_carried_values_are_the_twins(name: str) -> None:
    x = SERIES[name]
    for bars in (0, 1, 12, 1000):
        np.testing.assert_array_equal(past_change(x, bars), naive.past_change(x, bars))
        for got, want in zip(past_carried(x, bars), naive.past_carried(x, bars), strict=True):
            np.testing.assert_array_equal(got, want)


@quick
@given(streams, windows, st.sampled_from(PAIRS), st.integers(0, 5), st.integers(0, 10**7))
def test_any_stream_gives_what_its_twin_gives(
    x: np.ndarray, window: int, pair: tuple[float, float], least: int, first: int
) -> None:
    for got, want in zip(
        past_quantiles(x, window, *pair, least), naive.past_quantiles(x, window, *pair, least), strict=True
    ):
        np.testing.assert_array_equal(got, want)
    np.testing.assert_array_equal(past_percentile(x, window, least), naive.past_percentile(x, window, least))
    np.testing.assert_array_equal(past_change(x, window), naive.past_change(x, window))
    np.testing.assert_array_equal(past_carried(x, window)[0], naive.past_carried(x, window)[0])
    assert_near(past_zscore(x, first, window, least), naive.past_zscore(x, window, least))
    got = past_mean_std(x, first, window)
    np.testing.assert_array_equal(got[0], naive.past_mean_std(x, window)[0])
    np.testing.assert_array_equal(got[3], naive.past_mean_std(x, window)[3])


@quick
@given(streams, windows, st.integers(0, 10**7), st.data())
def test_where_the_tape_begins_changes_no_bit(x: np.ndarray, window: int, first: int, data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, x.size))
    for name, (run, reach) in kernels(window).items():
        for whole, tail in zip(run(x, first), run(x[cut:].copy(), first + cut), strict=True):
            assert same(whole[cut + reach :], tail[reach:]), name


@pytest.mark.parametrize("name", SERIES)
def test_no_chunking_changes_a_bit_of_the_zoo(name: str) -> None:
    x = SERIES[name]
    for window in (7, 24):
        for kernel, (run, reach) in kernels(window).items():
            for cut in (1, 5, window, 2 * window + 1, 71):
                for whole, tail in zip(run(x, 100), run(x[cut:].copy(), 100 + cut), strict=True):
                    assert same(whole[cut + reach :], tail[reach:]), (kernel, window, cut)


@quick
@given(streams, windows, st.integers(0, 10**7), st.data())
def test_the_future_cannot_change_the_past(x: np.ndarray, window: int, first: int, data: st.DataObject) -> None:
    t = data.draw(st.integers(0, x.size))
    poisoned = x.copy()
    poisoned[t:] = data.draw(st.sampled_from([math.nan, 1e12, -1e12, 0.0]))
    for name, (run, _) in kernels(window).items():
        for clean, other in zip(run(x, first), run(poisoned, first), strict=True):
            assert same(clean[:t], other[:t]), name


@pytest.mark.parametrize("window", [1, 7, 24])
def test_no_bar_is_in_its_own_window(window: int) -> None:
    x = zoo.zoo(LENGTH)["noise"]
    for t in (window, window + 1, 60):
        other = x.copy()
        other[t] = 1e12
        for got, want in zip(
            past_quantiles(x, window, 0.0, 1.0, 1), past_quantiles(other, window, 0.0, 1.0, 1), strict=True
        ):
            assert got[t] == want[t]
            assert got[t + 1] != want[t + 1] or window > 1
        for got, want in zip(past_mean_std(x, 3, window), past_mean_std(other, 3, window), strict=True):
            assert got[t] == want[t]
        assert past_percentile(other, window, 1)[t] == 1.0
        assert past_mean_std(x, 3, window)[1][t + 1] != past_mean_std(other, 3, window)[1][t + 1]


def test_a_spike_is_gone_when_it_leaves() -> None:
    window = 50
    x = zoo.zoo(LENGTH)["noise"]
    for at in range(3, 3 + window if COMPILED else 6):
        other = x.copy()
        other[at] = 1e12
        got, want = past_mean_std(other, 17, window), naive.past_mean_std(x, window)
        after = at + window + 1
        np.testing.assert_allclose(got[1][after:], want[1][after:], rtol=1e-12, atol=1e-14)
        np.testing.assert_allclose(got[2][after:], want[2][after:], rtol=1e-12)
        sums = past_sum(np.stack((other,)), 17, window, 1), past_sum(np.stack((x,)), 17, window, 1)
        assert same(sums[0][0, after:], sums[1][0, after:])


def test_flat_is_decided_by_equality_and_gives_zero() -> None:
    flat = past_zscore(np.array([0.1] * 30 + [0.2]), 0, 10, 5)
    assert np.all(flat[5:] == 0.0)
    assert np.all(np.isnan(flat[:5]))
    nearly = 1e5 + 2.0**-36 * (np.arange(30) % 2)
    assert np.all(past_zscore(nearly, 0, 10, 5)[12:] != 0.0)


@pytest.mark.parametrize("late", [1, 511, 700, 1500])
def test_a_series_may_begin_late(late: int) -> None:
    x = zoo.zoo(2400)["noise"].copy()
    x[:late] = math.nan
    lo, hi = past_quantiles(x, 720, 0.01, 0.99, 24)
    lo_twin, hi_twin = naive.past_quantiles(x, 720, 0.01, 0.99, 24)
    assert same(lo, lo_twin)
    assert same(hi, hi_twin)
    short = past_quantiles(x[late - 1 :], 720, 0.01, 0.99, 24)
    assert same(lo[late - 1 :], short[0])
    assert same(hi[late - 1 :], short[1])


def test_ties_count_half_and_both_zeros_are_one() -> None:
    np.testing.assert_array_equal(past_percentile(np.full(9, 1e-4), 4, 1)[1:], 0.5)
    np.testing.assert_array_equal(past_percentile(np.array([0.0, -0.0, 0.0, -0.0]), 4, 1)[1:], 0.5)
    for bound in past_quantiles(np.array([-0.0] * 9), 4, 0.01, 0.99, 1):
        assert not np.signbit(bound[1:]).any()


def test_bounds_and_sums_wait_for_enough_values() -> None:
    x = np.array([1.0, math.nan, 2.0, 3.0, 4.0])
    np.testing.assert_array_equal(np.isnan(past_quantiles(x, 4, 0.1, 0.9, 2)[0]), [True, True, True, False, False])
    np.testing.assert_array_equal(past_sum(x[None], 0, 4, 3)[0], [math.nan, math.nan, math.nan, 8.0, 12.0])
    np.testing.assert_array_equal(past_sum(x[None], 0, 2, 2)[0], [math.nan, math.nan, math.nan, 5.0, 7.0])


def test_a_value_is_carried_so_far_and_no_farther() -> None:
    x = np.array([math.nan, 5.0, math.nan, math.nan, math.nan, math.nan, 6.0])
    filled, imputed = past_carried(x, 3)
    np.testing.assert_array_equal(filled, [math.nan, 5.0, 5.0, 5.0, 5.0, math.nan, 6.0])
    np.testing.assert_array_equal(imputed, [False, False, True, True, True, False, False])


@pytest.mark.parametrize("window", [0, -1])
def test_a_window_without_bars_is_refused(window: int) -> None:
    x = np.ones(3)
    for run in (
        lambda: past_quantiles(x, window, 0.1, 0.9, 1),
        lambda: past_mean_std(x, 0, window),
        lambda: past_percentile(x, window, 1),
        lambda: past_sum(x[None], 0, window, 1),
    ):
        with pytest.raises(ValueError, match="1 or more"):
            run()


def test_arrays_pass_through_the_same_scalars_as_single_bars() -> None:
    x = np.concatenate((np.exp(zoo.zoo(LENGTH)["noise"] * 20), [0.0, -1.0, math.nan, math.inf, -math.inf, 1.0]))
    for of, one, plain, domain in (
        (scalar.log_of, scalar.ln, math.log, x > 0),
        (scalar.sqrt_of, scalar.sqrt, math.sqrt, x >= 0),
        (scalar.sin_of, scalar.sin, math.sin, np.isfinite(x)),
        (scalar.cos_of, scalar.cos, math.cos, np.isfinite(x)),
    ):
        assert same(of(x), np.array([one(v) for v in x]))
        domain = domain & np.isfinite(x)
        assert of(x)[domain].tolist() == [plain(v) for v in x[domain]]
        assert np.all(np.isnan(of(x)[~domain]))
    ratios = [scalar.ln_ratio(a, b) for a, b in zip(x, x[::-1], strict=True)]
    assert same(scalar.log_ratio_of(x, x[::-1].copy()), np.array(ratios))


@pytest.mark.skipif(not COMPILED, reason="this is the run without the compiler")
def test_the_plain_python_of_every_kernel_passes_too() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-x", "-W", "ignore::RuntimeWarning", "-p", "no:cacheprovider", __file__],
        env={**os.environ, "NUMBA_DISABLE_JIT": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:]
