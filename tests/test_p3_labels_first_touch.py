from __future__ import annotations

import itertools

import numpy as np
import pytest

from p3_labels.barriers import OUTCOMES, REASONS, TIES
from p3_labels.kernels.first_minute import first_minute
from p3_labels.kernels.first_touch import first_touch
from tests import naive
from tests.p3_tape import bars_from, cut, random_bars, random_minutes, rows_of

ENTRY, UPPER, LOWER = 100.0, 104.0, 97.0
CALM = (100, 101, 99, 100.5)
WIDE = (101, 105, 96, 98)
END = "end"  # a position whose day is not committed

# path, tie, H -> outcome, label, held, exit, path_gap; or the reason for no label
ENDINGS = {
    "touch from below counts": ([(100, 104, 99, 103)], "wait", 3, ("up", 1, 1, 104, False)),
    "touch from above counts": ([(100, 101, 97, 98)], "wait", 3, ("down", -1, 1, 97, False)),
    "a tick short of both": ([(100, 103.99, 97.01, 98), CALM], "wait", 2, ("timeout", 0, 2, 100.5, False)),
    "opens above": ([(105, 106, 103, 104)], "wait", 3, ("up", 1, 1, 105, False)),
    "opens below": ([(95, 99, 94, 98)], "wait", 3, ("down", -1, 1, 95, False)),
    "opens on the upper": ([(104, 106, 96, 97)], "wait", 3, ("up", 1, 1, 104, False)),
    "opens on the lower": ([(97, 106, 96, 104)], "wait", 3, ("down", -1, 1, 97, False)),
    "opens above and falls through the lower": ([(105, 106, 90, 91)], "stop", 3, ("up", 1, 1, 105, False)),
    "opens below and rises through the upper": ([(95, 106, 94, 105)], "nearest", 3, ("down", -1, 1, 95, False)),
    "tie waits": ([CALM, WIDE], "wait", 3, ("tie", 0, 2, 98, False)),
    "tie stops": ([CALM, WIDE], "stop", 3, ("tie", -1, 2, 97, False)),
    "tie nearest up": ([(101, 105, 96, 98)], "nearest", 3, ("tie", 1, 1, 104, False)),
    "tie nearest down": ([(100, 105, 96, 98)], "nearest", 3, ("tie", -1, 1, 97, False)),
    "tie equally near": ([(100.5, 105, 96, 98)], "nearest", 3, ("tie", -1, 1, 97, False)),
    "tie exactly on both": ([(100, 104, 97, 98)], "wait", 3, ("tie", 0, 1, 98, False)),
    "timeout": ([CALM, CALM, (100, 101, 99, 99.5)], "wait", 3, ("timeout", 0, 3, 99.5, False)),
    "touch on the last bar": ([CALM, CALM, (100, 104, 99, 99.5)], "wait", 3, ("up", 1, 3, 104, False)),
    "touch a bar too late": ([CALM, CALM, CALM, WIDE], "wait", 3, ("timeout", 0, 3, 100.5, False)),
    "timeout, last bars missing": ([CALM, None, None, None], "wait", 4, ("timeout", 0, 4, 100.5, True)),
    "timeout, four last bars missing": ([CALM] + [None] * 4, "wait", 5, "gap"),
    "bridged gap of three": ([None, None, None, (100, 104, 99, 103)], "wait", 6, ("up", 1, 4, 104, True)),
    "gap of four": ([None, None, None, None, (100, 104, 99, 103)], "wait", 6, "gap"),
    "two gaps of three": ([None] * 3 + [CALM] + [None] * 3 + [WIDE], "stop", 9, ("tie", -1, 8, 97, True)),
    "gap of four after the touch": ([(100, 104, 99, 103)] + [None] * 4, "wait", 6, ("up", 1, 1, 104, False)),
    "gap of four past the horizon": ([CALM] + [None] * 4, "wait", 4, ("timeout", 0, 4, 100.5, True)),
    "no bar on the path": ([None, None], "wait", 2, "gap"),
    "no bar on the path, H=1": ([None], "wait", 1, "gap"),
    "opens through the barrier after a gap": ([None, (90, 91, 89, 90)], "wait", 3, ("down", -1, 2, 90, True)),
    "H=1 timeout": ([CALM, WIDE], "wait", 1, ("timeout", 0, 1, 100.5, False)),
    "H=1 touch": ([(100, 104, 99, 103)], "wait", 1, ("up", 1, 1, 104, False)),
    "H=1 tape ends": ([END, CALM], "wait", 1, "unresolved"),
    "nothing after the entry": ([], "wait", 3, "unresolved"),
    "array ends before the horizon": ([CALM, CALM], "wait", 3, "unresolved"),
    "array ends on the horizon": ([CALM, CALM], "wait", 2, ("timeout", 0, 2, 100.5, False)),
    "array ends in a gap": ([CALM, None, None, None], "wait", 5, "unresolved"),
    "tape ends at once": ([END, CALM, CALM], "wait", 3, "unresolved"),
    "tape ends in the middle": ([CALM, END, WIDE], "wait", 3, "unresolved"),
    "tape ends on the last bar": ([CALM, CALM, END], "wait", 3, "unresolved"),
    "tape ends after the touch": ([(100, 104, 99, 103), END], "wait", 3, ("up", 1, 1, 104, False)),
    "tape ends after the horizon": ([CALM, CALM, CALM, END], "wait", 3, ("timeout", 0, 3, 100.5, False)),
    "tape ends after three missing": ([None, None, None, END, CALM], "wait", 5, "unresolved"),
    "tape ends after four missing": ([None, None, None, None, END], "wait", 5, "gap"),
    "an uncommitted day is never bridged": ([CALM, END, (100, 104, 99, 103)], "wait", 3, "unresolved"),
    "all missing up to the tape's end": ([None, END], "wait", 2, "unresolved"),
}


def tape_of(path):
    rows = [(*CALM[:3], ENTRY), *(None if bar == END else bar for bar in path)]
    return rows, [True, *(bar != END for bar in path)]


def touches_of(bars, events, upper, lower, horizon, tie):
    prices = (bars.open, bars.high, bars.low, bars.close, bars.open_tape)
    at = np.asarray(events, np.int64)
    return first_touch(*prices, at, np.asarray(upper, float), np.asarray(lower, float), horizon, TIES[tie])


@pytest.mark.parametrize("name", ENDINGS)
def test_every_ending_is_read_as_written(name):
    path, tie, horizon, wanted = ENDINGS[name]
    rows, tape = tape_of(path)
    got = touches_of(bars_from(rows, tape), [0], [UPPER], [LOWER], horizon, tie)
    twin = naive.first_touch(rows, tape, 0, UPPER, LOWER, horizon, tie)
    if isinstance(wanted, str):
        assert REASONS[got.status[0]] == wanted == twin
        return
    assert REASONS[got.status[0]] == "labelled"
    assert (OUTCOMES[got.outcome[0]], got.label[0], got.held[0], got.exit[0], got.path_gap[0]) == wanted
    assert [twin[k] for k in ("outcome", "label", "bars_held", "exit", "path_gap")] == list(wanted)
    assert got.ret[0] == pytest.approx(np.log(wanted[3] / ENTRY), abs=1e-15)


def test_the_touching_bar_counts_whole_but_a_gap_open_by_its_open_alone():
    up = touches_of(bars_from([CALM, (100, 104.5, 98, 99)]), [0], [104], [97], 3, "wait")
    assert (up.mfe[0], up.mae[0]) == pytest.approx((np.log(104.5 / 100.5), np.log(98 / 100.5)), abs=1e-15)
    gapped = touches_of(bars_from([CALM, (105, 109, 90, 99)]), [0], [104], [97], 3, "wait")
    assert (gapped.mfe[0], gapped.mae[0]) == pytest.approx((np.log(105 / 100.5), 0.0), abs=1e-15)
    below = touches_of(bars_from([CALM, CALM, (96, 109, 90, 99)]), [0], [104], [97], 3, "wait")
    assert (below.mfe[0], below.mae[0]) == pytest.approx((np.log(101 / 100.5), np.log(96 / 100.5)), abs=1e-15)


def test_excursions_include_the_entry():
    rows = [(100, 101, 99, 100), (99, 99.5, 98.5, 99)]
    got = touches_of(bars_from(rows), [0], [110], [90], 1, "wait")
    assert got.mfe[0] == 0.0 and got.mae[0] < 0.0


def against_the_twin(bars, events, width, horizon, tie, minutes=None):
    """Compare every event with the plain twin; returns how many met each end."""
    rows, tape = rows_of(bars), bars.open_tape.tolist()
    entry = bars.close[events]
    upper, lower = entry + width, entry - 0.75 * width
    got = touches_of(bars, events, upper, lower, horizon, tie)
    inside, minute_tape = None, None
    if tie == "resolve":
        per_bar = bars.step_ms // minutes.step_ms
        one = rows_of(minutes)
        inside = [one[p * per_bar : (p + 1) * per_bar] for p in range(len(rows))]
        minute_tape = minutes.open_tape[::per_bar].tolist()
        prices = (minutes.open, minutes.high, minutes.low, minutes.close, minutes.open_tape)
        first_minute(*prices, per_bar, events, entry, upper, lower, got)
    ends: dict[str, int] = {}
    for i, t in enumerate(events.tolist()):
        twin = naive.first_touch(rows, tape, t, upper[i], lower[i], horizon, tie, inside, minute_tape)
        reason = twin if isinstance(twin, str) else "labelled"
        assert REASONS[got.status[i]] == reason, (t, twin)
        if reason == "labelled":
            mine = (OUTCOMES[got.outcome[i]], got.label[i], got.held[i], got.exit[i], got.path_gap[i])
            assert mine == tuple(twin[k] for k in ("outcome", "label", "bars_held", "exit", "path_gap")), (t, twin)
            mine = (got.ret[i], got.mfe[i], got.mae[i])
            assert mine == pytest.approx((twin["ret"], twin["mfe"], twin["mae"]), abs=1e-14)
            assert got.mfe[i] >= 0 >= got.mae[i]
            reason = twin["outcome"]
        ends[reason] = ends.get(reason, 0) + 1
    return ends


@pytest.mark.parametrize("tie", TIES)
@pytest.mark.parametrize("horizon", [1, 4, 36])
def test_first_touch_is_its_twin_on_random_bars(horizon, tie):
    rng = np.random.default_rng(horizon)
    bars = random_bars(rng, 1500, closed=0.2)
    minutes = random_minutes(rng, bars)
    minutes.open_tape[: minutes.close.size // 4] = False
    events = np.flatnonzero(~np.isnan(bars.close))
    ends = against_the_twin(bars, events, 2.0, horizon, tie, minutes)
    assert {"up", "down", "gap", "unresolved", "waits" if tie == "resolve" else "tie"} <= set(ends)
    sparse = events[rng.random(events.size) < 0.3]
    against_the_twin(bars, sparse, 4.0, horizon, tie, minutes)


@pytest.mark.parametrize("tie", ["wait", "stop", "nearest"])
def test_first_touch_is_its_twin_where_the_tape_is_whole(tie):
    rng = np.random.default_rng(17)
    bars = random_bars(rng, 2000, missing=0.001)
    events = np.flatnonzero(~np.isnan(bars.close))
    assert {"up", "down", "tie", "unresolved"} <= set(against_the_twin(bars, events, 2.0, 36, tie))


@pytest.mark.parametrize("horizon", [1, 2, 36, 300])
@pytest.mark.parametrize("tie", ["wait", "stop", "nearest"])
@pytest.mark.parametrize("width", [0.25, 2.0, 30.0])
def test_paths_abreast_are_the_plain_walk_to_the_bit(width, tie, horizon):
    rng = np.random.default_rng(23)
    for missing, chosen in ((0.0, 1.0), (0.0, 0.5), (0.002, 1.0), (0.0, 0.15)):
        bars = random_bars(rng, 3000, missing=missing)
        bars.high[1700:1720] *= 3  # returns beyond the series
        bars.open[1200], bars.close[1300] = 1e6, np.nan  # a bar in disorder, a bar in halves
        events = np.flatnonzero(~np.isnan(bars.close) & (rng.random(3000) < chosen))
        upper, lower = bars.close[events] + width, bars.close[events] - width
        prices = (bars.open, bars.high, bars.low, bars.close, bars.open_tape, events, upper, lower, horizon, TIES[tie])
        plain = first_touch(*prices, plain=True)
        for name, mine, wanted in zip(plain._fields, first_touch(*prices), plain, strict=True):
            assert mine.tobytes() == wanted.tobytes(), name


def test_events_in_any_order_are_answered_in_theirs():
    rng = np.random.default_rng(29)
    bars = random_bars(rng, 2000, missing=0.001)
    events = np.flatnonzero(~np.isnan(bars.close))
    mixed = rng.permutation(events)
    whole = dict(zip(events.tolist(), against_columns(bars, events), strict=True))
    assert against_columns(bars, mixed) == [whole[t] for t in mixed.tolist()]


def test_more_tape_only_resolves_labels():
    rng = np.random.default_rng(5)
    bars = random_bars(rng, 800, missing=0.05)
    events = np.flatnonzero(~np.isnan(bars.close))
    whole = against_columns(bars, events)
    resolved_late = 0
    for n in range(1, 800, 13):
        early = events[events < n]
        for before, after in zip(against_columns(cut(bars, n), early), whole, strict=False):
            if before[0] == "unresolved":
                resolved_late += after[0] != "unresolved"
            else:
                assert before == after
    assert resolved_late


def against_columns(bars, events):
    entry = bars.close[events]
    got = touches_of(bars, events, entry + 3, entry - 3, 12, "nearest")
    return [
        (REASONS[row[0]], *map(float, row[1:])) if row[0] == 0 else (REASONS[row[0]],) for row in zip(*got, strict=True)
    ]


MINUTES = {
    "the upper first": ([(101, 104, 100, 102), (102, 102, 96, 98)], ("up", 1, 104)),
    "the lower first": ([(101, 102, 97, 98), (98, 105, 98, 104)], ("down", -1, 97)),
    "a minute opens through": ([(101, 102, 100, 101), (95, 105, 95, 104)], ("down", -1, 95)),
    "a minute is a tie itself": ([(101, 102, 100, 101), WIDE], ("tie", 0, 98)),
    "later minutes cannot undo a tie": ([WIDE, (101, 105, 101, 104)], ("tie", 0, 98)),
    "minutes before it decide": ([(101, 104, 100, 101), WIDE], ("up", 1, 104)),
    "minutes that touch neither": ([(101, 102, 100, 101)], ("tie", 0, 98)),
    "no minutes in a committed day": ([], ("tie", 0, 98)),
}


@pytest.mark.parametrize("name", MINUTES)
def test_minutes_decide_a_tie(name):
    path, wanted = MINUTES[name]
    bars = bars_from([(*CALM[:3], ENTRY), WIDE])
    inside = [*path, *[None] * (5 - len(path))]
    minutes = bars_from([CALM] * 5 + inside, step_ms=60_000)
    got = touches_of(bars, [0], [UPPER], [LOWER], 3, "resolve")
    reached = got.mfe[0], got.mae[0]
    prices = (minutes.open, minutes.high, minutes.low, minutes.close, minutes.open_tape)
    limits = (np.array([ENTRY]), np.array([UPPER]), np.array([LOWER]))
    first_minute(*prices, 5, np.array([0]), *limits, got)
    assert (OUTCOMES[got.outcome[0]], got.label[0], got.exit[0]) == wanted
    assert got.ret[0] == pytest.approx(np.log(wanted[2] / ENTRY), abs=1e-15)
    assert (got.mfe[0], got.mae[0]) == reached


def test_a_tie_waits_for_its_minutes():
    bars = bars_from([(*CALM[:3], ENTRY), WIDE])
    minutes = bars_from([None] * 10, [True] * 5 + [False] * 5, step_ms=60_000)
    got = touches_of(bars, [0], [UPPER], [LOWER], 3, "resolve")
    prices = (minutes.open, minutes.high, minutes.low, minutes.close, minutes.open_tape)
    limits = (np.array([ENTRY]), np.array([UPPER]), np.array([LOWER]))
    first_minute(*prices, 5, np.array([0]), *limits, got)
    assert REASONS[got.status[0]] == "waits"


@pytest.mark.long
@pytest.mark.parametrize(("tie", "horizon"), [*itertools.product(TIES, [12, 36])])
def test_first_touch_is_its_twin_on_a_million_bars(horizon, tie):
    rng = np.random.default_rng(horizon)
    for missing in (0.0, 0.001, 0.03, 0.03):
        bars = random_bars(rng, 260_000, missing=missing, closed=0.05)
        minutes = random_minutes(rng, bars)
        against_the_twin(bars, np.flatnonzero(~np.isnan(bars.close)), 3.0, horizon, tie, minutes)
