from __future__ import annotations

import numpy as np
import pytest

from meta.errors import Usage
from meta.timeframes import HOUR
from p3_labels.splits import (
    EMBARGOED,
    KINDS,
    OUT,
    PURGED,
    ROLES,
    TEST,
    TRAIN,
    PurgedSplitter,
    Scheme,
    blocks_of,
    default_embargo,
    paths,
    runs_of,
)
from tests import naive


def random_labels(rng):
    """Labels of a few symbols: gaps in time, lengths from one bar to far beyond the horizon, rows in no order."""
    ts, t1 = [], []
    for _ in range(rng.integers(1, 5)):
        stamps = np.flatnonzero(rng.random(rng.integers(25, 60)) < rng.uniform(0.3, 1.0))
        stamps = stamps + (stamps > 20) * rng.integers(0, 30)
        lengths = rng.integers(1, 2 + rng.integers(0, 12), stamps.size)
        lengths[rng.random(stamps.size) < 0.05] *= rng.integers(1, 6)
        ts.append(stamps)
        t1.append(stamps + lengths)
    order = rng.permutation(sum(map(len, ts)))
    return np.concatenate(ts)[order], np.concatenate(t1)[order]


def random_scheme(rng, ts):
    blocks = int(rng.integers(2, min(9, np.unique(ts).size)))
    return Scheme(
        kind=KINDS[rng.integers(3)],
        blocks=blocks,
        test_blocks=int(rng.integers(1, blocks)),
        train_blocks=[None, 1, 2][rng.integers(3)],
        embargo_ms=int(rng.integers(0, 8)),
        cut=["t1", "horizon"][rng.integers(2)],
        horizon_ms=12,
    ).check()


def leaks(ts, t1, train, test):
    """How many training rows live through a moment some test row lives through?"""
    if not train.any() or not test.any():
        return 0
    meets = (ts[train][:, None] <= t1[test]) & (t1[train][:, None] >= ts[test])
    return int(meets.any(1).sum())


def leaking_sets(how_many, split):
    """In how many of so many random fold sets does `split(ts, t1, scheme)` leak?"""
    rng = np.random.default_rng(20240601)
    found = 0
    for _ in range(how_many):
        ts, t1 = random_labels(rng)
        scheme = random_scheme(rng, ts)
        found += any(leaks(ts, t1, train, test) for train, test in split(ts, t1, scheme))
    return found


def ours(ts, t1, scheme):
    for roles in scheme.splits(ts, t1):
        yield roles == TRAIN, roles == TEST


def test_blocks(ts, scheme):
    block = blocks_of(ts, scheme.blocks)
    for b in range(scheme.blocks):
        yield block == b


test_blocks.__test__ = False


def ends_at_first_end(ts, t1, scheme):
    """Control: training before the test may last until the first test label ends, not until it begins."""
    for test in test_blocks(ts, scheme):
        first_end = t1[test][ts[test].argmin()]
        yield ~test & ((t1 < first_end) | (ts > t1[test].max())), test


def last_end(ts, t1, scheme):
    """Control: training resumes when the last test label ends, though an earlier one may live longer."""
    for test in test_blocks(ts, scheme):
        rows = np.flatnonzero(test)
        yield ~test & ((t1 < ts[test].min()) | (ts > t1[rows[np.argsort(ts[rows], kind="stable")[-1]]])), test


def by_count(ts, t1, scheme):
    """Control: as many rows are dropped on either side of the test as the horizon has bars."""
    order = np.argsort(ts, kind="stable")
    for test in test_blocks(ts, scheme):
        place = np.flatnonzero(test[order])
        keep = np.ones(ts.size, bool)
        keep[order[max(place[0] - 12, 0) : place[-1] + 12]] = False
        yield keep, test


def test_no_fold_leaks():
    assert leaking_sets(400, ours) == 0


@pytest.mark.parametrize("usual", [ends_at_first_end, last_end, by_count])
def test_the_same_test_finds_the_leaks_of_the_usual_ways(usual):
    assert leaking_sets(100, usual) > 20


@pytest.mark.long
def test_no_fold_leaks_in_ten_thousand_sets():
    assert leaking_sets(10_000, ours) == 0


def test_roles_are_their_twin():
    rng = np.random.default_rng(3)
    met = set()
    for _ in range(60):
        ts, t1 = random_labels(rng)
        scheme = random_scheme(rng, ts)
        horizon = 12 if scheme.cut == "horizon" else 0
        for tested, roles in zip(scheme.tests, scheme.splits(ts, t1), strict=True):
            wanted = np.array(
                naive.fold_roles(ts.tolist(), t1.tolist(), scheme.blocks, tested, scheme.embargo_ms, horizon)
            )
            inside = roles != OUT
            np.testing.assert_array_equal(np.array(ROLES)[roles[inside]], wanted[inside])
            if scheme.kind != "walk-forward":
                assert inside.all()
            met |= set(roles.tolist())
    assert met == {TRAIN, TEST, PURGED, EMBARGOED, OUT}


def test_purging_takes_no_more_than_it_must():
    rng = np.random.default_rng(4)
    for _ in range(50):
        ts, t1 = random_labels(rng)
        for roles in Scheme(blocks=4, embargo_ms=0).splits(ts, t1):
            test = roles == TEST
            start, end = ts[test].min(), t1[test].max()
            assert (((ts <= end) & (t1 >= start)) == ((roles == PURGED) | test)).all()


def test_the_embargo_begins_where_purging_ends():
    ts = np.arange(12)
    (_, roles, *_) = Scheme(blocks=3, embargo_ms=2).splits(ts, ts + 1)
    assert roles.tolist() == [TRAIN] * 3 + [PURGED] + [TEST] * 4 + [PURGED] + [EMBARGOED] * 2 + [TRAIN]


def test_the_latest_end_of_any_symbol_is_what_counts():
    ts = np.array([0, 1, 2, 3, 4, 5, 2])
    t1 = np.array([0, 1, 2, 3, 4, 5, 4])
    (_, roles, _) = Scheme(blocks=3, embargo_ms=0).splits(ts, t1)
    assert roles.tolist() == [TRAIN, TRAIN, TEST, TEST, PURGED, TRAIN, TEST]


def test_blocks_hold_equal_numbers_of_stamps_and_split_none():
    ts = np.repeat(np.array([3, 9, 10, 11, 40, 41, 90, 91]), [1, 5, 1, 1, 3, 1, 1, 2])
    block = blocks_of(ts, 3)
    assert [np.unique(ts[block == b]).size for b in range(3)] == [3, 3, 2]
    assert all(np.unique(block[ts == t]).size == 1 for t in set(ts.tolist()))
    with pytest.raises(Usage, match="fewer blocks"):
        blocks_of(ts, 9)


def test_every_row_is_tested_once_by_kfold_and_as_often_as_there_are_paths_by_cpcv():
    ts = np.arange(40)
    for scheme in (Scheme(blocks=5), Scheme("cpcv", 6, 2), Scheme("cpcv", 5, 3)):
        tested = sum((roles == TEST).astype(int) for roles in scheme.splits(ts, ts + 2))
        assert set(tested.tolist()) == {paths(scheme)}
    assert len(Scheme("cpcv", 6, 2).tests) == 15
    assert runs_of((0, 1, 3, 5, 6)) == [(0, 1), (3, 3), (5, 6)]


def test_adjacent_test_blocks_are_one_run_and_leave_room_between_runs():
    ts = np.arange(10)
    scheme = Scheme("cpcv", 5, 2, embargo_ms=0)
    roles = dict(zip(scheme.tests, scheme.splits(ts, ts), strict=True))
    assert roles[(0, 3)].tolist() == [TEST] * 2 + [TRAIN] * 4 + [TEST] * 2 + [TRAIN] * 2


@pytest.mark.parametrize("train_blocks", [None, 2])
def test_walk_forward_learns_from_the_past_alone(train_blocks):
    ts = np.arange(50)
    scheme = Scheme("walk-forward", 5, train_blocks=train_blocks)
    for tested, roles in zip(scheme.tests, scheme.splits(ts, ts + 3), strict=True):
        test, train = ts[roles == TEST], ts[roles == TRAIN]
        assert test.min() == 10 * tested[0] > train.max() + 3
        assert train.min() == (0 if train_blocks is None else max(0, 10 * (tested[0] - 2)))
        assert set(roles[ts > test.max()].tolist()) <= {OUT}


def test_the_horizon_cut_drops_early_touches_too():
    ts = np.arange(0, 400, 10)
    scheme = Scheme(blocks=4, embargo_ms=0, cut="horizon", horizon_ms=50)
    (_, roles, *_) = scheme.splits(ts, ts + 1)
    assert ts[roles == PURGED].tolist() == [50, 60, 70, 80, 90]


def test_the_default_embargo_is_the_longest_reach():
    assert default_embargo(36, 48, 300_000) == 4 * HOUR
    assert default_embargo(60, 48, 300_000) == 5 * HOUR
    assert default_embargo(36, 96, 300_000) == 8 * HOUR


def test_the_splitter_is_the_same_code():
    rng = np.random.default_rng(6)
    ts, t1 = random_labels(rng)
    scheme = Scheme("cpcv", 5, 2, embargo_ms=3)
    splitter = PurgedSplitter(ts, t1, scheme)
    X = np.zeros((ts.size, 2))
    assert splitter.get_n_splits(X) == 10
    for (train, test), roles in zip(splitter.split(X), scheme.splits(ts, t1), strict=True):
        np.testing.assert_array_equal(train, np.flatnonzero(roles == TRAIN))
        np.testing.assert_array_equal(test, np.flatnonzero(roles == TEST))


def test_the_splitter_takes_a_part_of_the_rows_only_with_their_times():
    ts = np.arange(60)
    splitter = PurgedSplitter(ts, ts + 2, Scheme(blocks=3, embargo_ms=0))
    part = np.arange(0, 60, 2)
    with pytest.raises(Usage, match="groups"):
        next(splitter.split(ts[part]))
    sizes = [train.size for train, _ in splitter.split(ts[part], groups=np.stack([ts[part], ts[part] + 2], 1))]
    assert sizes == [19, 18, 19]


def test_scikit_learn_takes_the_splitter_as_its_own():
    linear, selection = pytest.importorskip("sklearn.linear_model"), pytest.importorskip("sklearn.model_selection")
    rng = np.random.default_rng(8)
    ts, t1 = random_labels(rng)
    X, y = rng.normal(size=(ts.size, 3)), rng.integers(0, 2, ts.size)
    cv = PurgedSplitter(ts, t1, Scheme(blocks=4, embargo_ms=2))
    wanted = [linear.LogisticRegression().fit(X[a], y[a]).score(X[b], y[b]) for a, b in cv.split(X)]
    np.testing.assert_allclose(selection.cross_val_score(linear.LogisticRegression(), X, y, cv=cv), wanted)
    search = selection.GridSearchCV(linear.LogisticRegression(), {"C": [0.1, 1.0]}, cv=cv).fit(X, y)
    assert search.n_splits_ == cv.get_n_splits() == 4


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "leaky"}, {"cut": "both"}, {"blocks": 1}, {"embargo_ms": -1}, {"cut": "horizon"},
        {"kind": "cpcv", "test_blocks": 6}, {"train_blocks": 0},
    ],
)  # fmt: skip
def test_a_scheme_that_cuts_nothing_is_refused(wrong):
    with pytest.raises(Usage):
        Scheme(**wrong).check()
