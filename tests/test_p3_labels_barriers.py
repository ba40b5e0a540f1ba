from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import fields, replace

import numpy as np
import pytest

from meta.errors import Usage
from p3_labels.barriers import OUTCOMES, REASONS, Barriers, Bars, Labels, barrier_unit, cusum_events, triple_barrier
from p3_labels.barriers import net_return as net
from tests import naive
from tests.p3_tape import bars_from, cut, random_bars, random_minutes, rows_of

PER_DAY = 288
FIRST = 1_000 * PER_DAY + 1


def tape(seed, n=6 * PER_DAY, **kwargs):
    bars = random_bars(np.random.default_rng(seed), n, first=FIRST, **kwargs)
    return bars, np.flatnonzero(~np.isnan(bars.close))


def same(a: Labels, b: Labels):
    return all(getattr(a, f.name).tobytes() == getattr(b, f.name).tobytes() for f in fields(Labels))


POLICIES = pytest.mark.parametrize("tie", ["wait", "stop", "nearest", "resolve"])
BY = pytest.mark.parametrize(("unit", "method"), [("atr", "wilder"), ("atr", "sma"), ("realised", "wilder")])


def as_the_twin_says(bars, minutes, settings):
    """Compare every label and every reason for none with the plain twin; which reasons were met?"""
    events = np.flatnonzero(~np.isnan(bars.close))
    k_up, k_down, mine = settings.k_up, settings.k_down, barrier_unit(bars, settings)
    narrow = float(np.nanquantile(min(k_up, k_down) * mine / bars.close * 1e4, 0.1))
    settings = replace(settings, min_barrier_bp=narrow)
    labels = triple_barrier(bars, events, settings, minutes=minutes)
    rows, day = rows_of(bars), [(i + bars.day_offset) // PER_DAY for i in range(bars.close.size)]
    if settings.unit == "realised":
        width = naive.by_day(lambda c: naive.realised(c, 14), [bars.close], day, 3)
    else:
        width = naive.by_day(lambda *p: naive.atr(*p, 14, settings.method), [bars.high, bars.low, bars.close], day, 3)
    one = rows_of(minutes)
    inside, tape = [one[5 * p : 5 * p + 5] for p in range(len(rows))], bars.open_tape.tolist()
    row = 0
    for i, t in enumerate(events.tolist()):
        entry = float(bars.close[t])
        reason = REASONS[labels.status[i]]
        if not width[t] > 0 or min(k_up, k_down) * 1e4 * width[t] < narrow * entry * (1 - 1e-12):
            assert reason == ("narrow" if width[t] > 0 else "no_atr")
            continue
        if reason == "narrow":  # the width that is the limit itself, to the last bit
            assert min(k_up, k_down) * 1e4 * width[t] == pytest.approx(narrow * entry, rel=1e-12)
            continue
        upper, lower = entry + k_up * mine[t], entry - k_down * mine[t]
        twin = naive.first_touch(rows, tape, t, upper, lower, settings.H, settings.tie, inside, tape)
        if isinstance(twin, str):
            assert reason == twin
            continue
        assert reason == "labelled"
        assert labels.ts[row] == (bars.first + t) * 300_000
        assert labels.t1[row] == (bars.first + t + twin["bars_held"]) * 300_000
        assert (labels.label[row], OUTCOMES[labels.outcome[row]]) == (twin["label"], twin["outcome"])
        assert (labels.entry[row], labels.exit[row]) == (entry, twin["exit"])
        assert (labels.upper[row], labels.lower[row]) == (upper, lower)
        assert abs(labels.atr[row] - width[t]) <= 1e-12 * width[t]
        assert abs(labels.ret[row] - twin["ret"]) + abs(labels.mfe[row] - twin["mfe"]) < 1e-13
        assert abs(labels.mae[row] - twin["mae"]) < 1e-13 and labels.path_gap[row] == twin["path_gap"]
        row += 1
    assert row == labels.ts.size
    return {k for k, n in labels.counts.items() if n}


@POLICIES
@BY
def test_labels_are_their_twin(tie, unit, method):
    bars, _ = tape(2, n=8 * PER_DAY, closed=0.3)
    minutes = random_minutes(np.random.default_rng(2), bars)
    met = as_the_twin_says(bars, minutes, Barriers(k_up=3.2, k_down=2.4, H=12, tie=tie, unit=unit, method=method))
    assert {"labelled", "no_atr", "narrow", "gap", "unresolved"} <= met


@pytest.mark.long
@POLICIES
@BY
def test_labels_are_their_twin_on_a_million_bars(tie, unit, method):
    rng, seen = np.random.default_rng(2), 0
    while seen < 1_000_000:
        missing, closed = rng.choice([0.0, 0.001, 0.03]), rng.choice([0.0, 0.1])
        bars, _ = tape(seen, n=60 * PER_DAY, missing=missing, closed=closed)
        k_up, k_down = rng.uniform(0.6, 5, 2)
        settings = Barriers(k_up, k_down, int(rng.choice([1, 12, 36])), tie=tie, unit=unit, method=method)
        as_the_twin_says(bars, random_minutes(rng, bars), settings)
        seen += bars.close.size


def test_counts_speak_of_every_event():
    bars, events = tape(3)
    labels = triple_barrier(bars, events, Barriers())
    assert sum(labels.counts.values()) == events.size
    assert labels.counts["labelled"] == labels.ts.size


def test_an_absent_bar_or_a_flat_price_has_no_barrier():
    flat = bars_from([(100, 100, 100, 100)] * 40 + [None])
    labels = triple_barrier(flat, np.array([30, 40]), Barriers(H=2))
    assert labels.counts["no_atr"] == 2 and labels.ts.size == 0


@pytest.mark.parametrize("tie", ["wait", "stop", "nearest"])
def test_a_label_once_given_never_changes(tie):
    bars, events = tape(4, closed=0.1)
    settings = Barriers(k_up=3, k_down=3, tie=tie)
    whole = triple_barrier(bars, events, settings)
    for n in range(50, bars.close.size, 97):
        early = triple_barrier(cut(bars, n), events[events < n], settings)
        for name in ("ts", "label", "outcome", "t1", "exit", "ret", "mfe", "mae", "path_gap", "atr"):
            given = dict(zip(whole.ts.tolist(), getattr(whole, name).tolist(), strict=True))
            assert [given[ts] for ts in early.ts.tolist()] == getattr(early, name).tolist()
        settled = early.status != REASONS.index("unresolved")
        np.testing.assert_array_equal(early.status[settled], whole.status[: early.status.size][settled])


def test_day_by_day_is_all_at_once():
    bars, events = tape(5, n=8 * PER_DAY, closed=0.1)
    whole = triple_barrier(bars, events, Barriers())
    for day in range(3, 7):
        lo, hi = (day - 3) * PER_DAY, min((day + 2) * PER_DAY, bars.close.size)
        part = Bars(bars.first + lo, bars.step_ms, *(getattr(bars, f)[lo:hi] for f in PRICES))
        mine = events[(events >= day * PER_DAY) & (events < (day + 1) * PER_DAY)]
        alone = triple_barrier(part, mine - lo, Barriers())
        rows = np.isin(whole.position, mine)
        for name in ("ts", "label", "outcome", "t1", "exit", "ret", "mfe", "mae", "atr", "upper", "lower"):
            assert getattr(alone, name).tobytes() == getattr(whole, name)[rows].tobytes()


PRICES = ("open", "high", "low", "close", "open_tape")


def test_which_other_events_are_asked_changes_no_label():
    bars, events = tape(6)
    whole = triple_barrier(bars, events, Barriers())
    chosen = np.random.default_rng(6).random(events.size) < 0.3
    sparse = triple_barrier(bars, events[chosen], Barriers())
    rows = np.isin(whole.position, events[chosen])
    for f in fields(Labels):
        if f.name != "status":
            assert getattr(sparse, f.name).tobytes() == getattr(whole, f.name)[rows].tobytes()


def test_meta_labels_ask_whether_the_side_was_right():
    bars, events = tape(7)
    plain = triple_barrier(bars, events, Barriers())
    for side in (1, -1):
        meta = triple_barrier(bars, events, Barriers(), side=np.full(events.size, side, np.int8))
        np.testing.assert_array_equal(meta.label, (plain.label == side).astype(np.int8))
        assert set(meta.label) == {0, 1}
        np.testing.assert_array_equal(meta.exit, plain.exit)


def test_a_tie_stops_the_side_it_was_traded_on():
    rows = [(100, 101, 99, 100)] * 20 + [(100, 110, 90, 105)]
    bars = bars_from(rows)
    settings = Barriers(tie="stop", H=1)
    for side, barrier in ((1, "lower"), (-1, "upper")):
        labels = triple_barrier(bars, np.array([19]), settings, side=np.array([side], np.int8))
        assert labels.label[0] == 0
        assert labels.exit[0] == getattr(labels, barrier)[0]
        assert side * labels.ret[0] < 0
        assert labels.ret[0] == pytest.approx(np.log(labels.exit[0] / labels.entry[0]), abs=1e-15)


def test_costs_are_paid_on_either_side():
    ret = np.array([0.01, -0.02])
    np.testing.assert_allclose(net(ret, 5), [0.0095, -0.0205])
    np.testing.assert_allclose(net(ret, 5, np.array([-1, -1], np.int8)), [-0.0105, 0.0195])


def test_cusum_events_come_when_price_has_moved_enough():
    close = [100, 101, 102, 103, 103, 102, 100, 100, 103.5]
    bars = bars_from([(c, c, c, c) for c in close])
    np.testing.assert_array_equal(cusum_events(bars, 0.025), [3, 6, 8])
    with_gap = bars_from([(c, c, c, c) if i != 3 else None for i, c in enumerate(close)])
    np.testing.assert_array_equal(cusum_events(with_gap, 0.025), [4, 6, 8])


def test_cusum_events_do_not_depend_on_where_the_build_begins():
    bars, _ = tape(8, n=8 * PER_DAY)
    whole = cusum_events(bars, 0.08)
    assert whole.size > 20
    for day in range(3, 8):
        lo = (day - 3) * PER_DAY
        part = Bars(bars.first + lo, bars.step_ms, *(getattr(bars, f)[lo:] for f in PRICES))
        alone = cusum_events(part, 0.08) + lo
        np.testing.assert_array_equal(alone[alone >= day * PER_DAY], whole[whole >= day * PER_DAY])


def test_every_day_runs_a_cusum_filter_of_its_own():
    bars, _ = tape(8, n=6 * PER_DAY)
    whole = cusum_events(bars, 0.08, days_back=0)
    for lo in range(0, bars.close.size, PER_DAY):
        day = Bars(bars.first + lo, bars.step_ms, *(getattr(bars, f)[lo : lo + PER_DAY] for f in PRICES))
        inside = whole[(whole >= lo) & (whole < lo + PER_DAY)]
        np.testing.assert_array_equal(cusum_events(day, 0.08, days_back=3) + lo, inside)


def test_a_day_runs_from_five_past_midnight_to_midnight():
    rows = [None] * 3
    assert bars_from(rows, first=FIRST).day_offset == 0
    assert bars_from(rows, first=FIRST + PER_DAY - 1).day_offset == PER_DAY - 1
    assert bars_from(rows, first=FIRST).ts.tolist() == [1000 * 86_400_000 + k * 300_000 for k in (1, 2, 3)]


@pytest.mark.parametrize(
    "wrong",
    [
        {"k_up": 0.0}, {"k_down": -1.0}, {"k_up": float("nan")}, {"k_down": float("inf")}, {"H": 0}, {"atr_window": 0},
        {"tie": "coin"}, {"unit": "pips"}, {"method": "ema"}, {"min_barrier_bp": -1.0},
    ],
)  # fmt: skip
def test_settings_that_make_no_barrier_are_refused_by_name(wrong):
    with pytest.raises(Usage, match=next(iter(wrong))):
        replace(Barriers(), **wrong).check()
    assert Barriers().check() == Barriers()


def test_resolve_without_its_minutes_is_refused():
    bars, events = tape(9)
    minutes = random_minutes(np.random.default_rng(0), bars)
    with pytest.raises(Usage, match="1m"):
        triple_barrier(bars, events, Barriers(tie="resolve"))
    with pytest.raises(Usage, match="same stretch"):
        triple_barrier(bars, events, Barriers(tie="resolve"), minutes=cut(minutes, 100))


def test_compiled_and_plain_python_agree_to_the_bit():
    script = "from tests.test_p3_labels_barriers import fingerprint; print(fingerprint())"
    plain = subprocess.run(
        [sys.executable, "-c", script], env={**os.environ, "NUMBA_DISABLE_JIT": "1"}, capture_output=True, text=True
    )
    assert plain.returncode == 0, plain.stderr
    assert plain.stdout.strip() == fingerprint()


def fingerprint():
    """Every column of a small labelling, under each tie policy, as one digest."""
    import hashlib

    digest = hashlib.sha256()
    bars, events = tape(10, n=4 * PER_DAY, missing=0.004)
    minutes = random_minutes(np.random.default_rng(1), bars)
    for tie in ("wait", "stop", "nearest", "resolve"):
        for settings in (Barriers(tie=tie), Barriers(tie=tie, method="sma", H=5), Barriers(tie=tie, unit="realised")):
            labels = triple_barrier(bars, events, settings, minutes=minutes)
            for f in fields(Labels):
                digest.update(getattr(labels, f.name).tobytes())
    return digest.hexdigest()
