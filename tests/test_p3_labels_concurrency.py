from __future__ import annotations

import math

import numpy as np
import pytest

from meta.errors import NotReady, Refused, Usage
from p3_labels.barriers import Barriers, Bars, triple_barrier
from p3_labels.concurrency import class_balance, effective_size, label_weights, scaled, time_decay
from tests import naive
from tests.p3_tape import STEP, bars_from, cut, random_bars


def labelled(seed, n=900, first=1, **kwargs):
    bars = random_bars(np.random.default_rng(seed), n, first=first, **kwargs)
    events = np.flatnonzero(~np.isnan(bars.close))
    return bars, triple_barrier(bars, events, Barriers(k_up=3, k_down=3))


@pytest.mark.parametrize("seed", range(4))
def test_weights_are_their_twin(seed):
    bars, labels = labelled(seed, n=500, first=[1, 777][seed % 2], missing=0.04, closed=0.1)
    end = labels.position + labels.bars_held
    assert labels.path_gap.any()
    got = label_weights(bars, labels.ts, labels.t1)
    wanted = naive.label_weights(bars.close.tolist(), list(zip(labels.position.tolist(), end.tolist(), strict=True)))
    np.testing.assert_array_equal(got.concurrency, [w[0] for w in wanted])
    np.testing.assert_allclose(got.uniqueness, [w[1] for w in wanted], rtol=1e-13)
    np.testing.assert_allclose(got.w_return, [w[2] for w in wanted], rtol=1e-9, atol=1e-15)


def test_a_small_example_by_hand():
    bars = bars_from([(c, c, c, c) for c in (100, 110, 121, 133.1)])
    ts = np.array([1, 2]) * STEP
    got = label_weights(bars, ts, np.array([3, 4]) * STEP)
    np.testing.assert_array_equal(got.concurrency, [0, 1])
    np.testing.assert_allclose(got.uniqueness, [(1 + 1 / 2) / 2, (1 / 2 + 1) / 2])
    np.testing.assert_allclose(got.w_return, [1.5 * math.log(1.1)] * 2)


def test_absent_bars_are_in_no_mean():
    close = [100, None, 121, 133.1]
    bars = bars_from([c and (c, c, c, c) for c in close])
    got = label_weights(bars, np.array([1]) * STEP, np.array([4]) * STEP)
    assert got.uniqueness[0] == 1.0
    assert got.w_return[0] == pytest.approx(math.log(1.331))


def test_where_the_build_begins_changes_no_bit():
    bars, labels = labelled(7)
    whole = label_weights(bars, labels.ts, labels.t1)
    lo, hi = 400, 600
    near = (labels.position >= lo - 36) & (labels.position < hi + 36)
    mine = (labels.position >= lo) & (labels.position < hi)
    prices = (bars.open, bars.high, bars.low, bars.close, bars.open_tape)
    part = Bars(bars.first + lo - 36, STEP, *(x[lo - 36 : hi + 72] for x in prices))
    alone = label_weights(part, labels.ts[near], labels.t1[near])
    for a, b in zip(alone, whole, strict=True):
        assert a[mine[near]].tobytes() == b[mine].tobytes()


def test_bars_that_end_before_the_last_label_are_not_enough():
    bars, labels = labelled(8)
    with pytest.raises(NotReady, match="t1"):
        label_weights(cut(bars, 600), labels.ts, labels.t1)
    none = np.zeros(0, np.int64)
    assert label_weights(bars, none, none).uniqueness.size == 0


def test_equal_weights_count_in_full_and_one_heavy_row_counts_as_one():
    assert effective_size(np.full(50, 0.3)) == pytest.approx(50)
    assert effective_size(np.array([1.0, 0, 0, 0])) == 1
    assert effective_size(np.zeros(3)) == 0
    assert effective_size(np.array([1.0, 2.0, 3.0])) == pytest.approx(36 / 14)


def test_scaled_weights_have_mean_one():
    weight = np.array([1.0, 2.0, 6.0])
    np.testing.assert_allclose(scaled(weight), weight / 3)
    assert scaled(np.zeros(0)).size == 0
    with pytest.raises(Refused, match="sum to 0"):
        scaled(np.zeros(3))


def test_decay_is_linear_in_gathered_uniqueness():
    ts, unique = np.arange(4), np.array([1.0, 1.0, 0.5, 1.5])
    np.testing.assert_array_equal(time_decay(ts, unique, 1.0), 1.0)
    np.testing.assert_allclose(time_decay(ts, unique, 0.0), [1 / 4, 2 / 4, 2.5 / 4, 1])
    np.testing.assert_allclose(time_decay(ts, unique, 0.5), [5 / 8, 6 / 8, 6.5 / 8, 1])
    np.testing.assert_allclose(time_decay(ts, unique, -0.5), [0, 0, 0.25, 1])
    assert time_decay(ts[:0], unique[:0], 0.0).size == 0
    for wrong in (1.5, -1.0, math.nan):
        with pytest.raises(Usage):
            time_decay(ts, unique, wrong)


def test_decay_does_not_ask_in_which_order_symbols_come():
    rng = np.random.default_rng(0)
    ts, unique = rng.integers(0, 50, 200), rng.random(200)
    order = rng.permutation(200)
    whole = time_decay(ts, unique, 0.2)
    np.testing.assert_allclose(time_decay(ts[order], unique[order], 0.2), whole[order], rtol=1e-12)
    assert all(np.unique(whole[ts == t]).size == 1 for t in set(ts.tolist()))


def test_balanced_classes_weigh_the_same():
    label = np.array([1, 1, 1, -1, 0, 1], np.int8)
    weight = np.array([1.0, 2.0, 1.0, 1.0, 0.5, 0.5])
    balanced = weight * class_balance(label, weight)
    for value in (-1, 0, 1):
        assert balanced[label == value].sum() == pytest.approx(2.0)
    assert class_balance(label[:0], weight[:0]).size == 0
    weight[3] = 0.0
    assert (weight * class_balance(label, weight)).sum() == pytest.approx(weight.sum())
