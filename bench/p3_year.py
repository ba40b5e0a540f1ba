"""What do a real year's labels look like? `python -m bench.p3_year LAKE [SYMBOL …]` on a lake with features.

Nothing is written. Every row of features is labelled under each tie policy, and for the default the labels are compared
one by one with the naive twin. Effective sizes are Kish's. With 1m bars in the lake, ties are also resolved by them.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from datetime import timedelta
from pathlib import Path

import numpy as np

from lake import days, frames, layout
from lake.layout import Shelf
from lake.parts import stamps
from meta.columns import PRICES
from meta.datasets import DATASETS
from meta.errors import PerplakeError
from meta.timeframes import DAY, HOUR, timeframe
from p3_labels.barriers import OUTCOMES, Barriers, Bars, Labels, barrier_unit, triple_barrier
from p3_labels.concurrency import effective_size, label_weights
from p3_labels.splits import ROLES, Scheme


def bars_of(shelf: Shelf, first, last) -> Bars:
    """The bars of these days on the grid."""
    grid = frames.grid(shelf, first, last, PRICES)
    return Bars(grid.first, grid.tf.ms, *(grid.columns[name] for name in PRICES), grid.committed)


def events_of(features: Shelf, bars: Bars) -> np.ndarray:
    """Where do the rows of features stand among the bars?"""
    found = frames.table((days.need(features, day) for day in days.committed(features)), ["ts"])
    assert found is not None
    return stamps(found).to_numpy() // bars.step_ms - bars.first


def differences(bars: Bars, events: np.ndarray, settings: Barriers, labels: Labels) -> int:
    """In how many labels do the kernels and the plain twin differ?"""
    from tests import naive
    from tests.p3_tape import rows_of

    rows, tape, unit = rows_of(bars), bars.open_tape.tolist(), barrier_unit(bars, settings)
    row = wrong = 0
    for i, t in enumerate(events.tolist()):
        entry = float(bars.close[t])
        if not unit[t] > 0:
            wrong += labels.status[i] == 0
            continue
        upper, lower = entry + settings.k_up * unit[t], entry - settings.k_down * unit[t]
        twin = naive.first_touch(rows, tape, t, upper, lower, settings.H, settings.tie)
        if isinstance(twin, str):
            wrong += labels.status[i] == 0
            continue
        mine = (OUTCOMES[labels.outcome[row]], labels.label[row], labels.bars_held[row], labels.exit[row])
        near = np.allclose(
            (labels.ret[row], labels.mfe[row], labels.mae[row]), (twin["ret"], twin["mfe"], twin["mae"]), 0, 1e-14
        )
        wrong += mine != (twin["outcome"], twin["label"], twin["bars_held"], twin["exit"]) or not near
        row += 1
    return int(wrong + (row != labels.ts.size))


def told(root: Path, symbol: str) -> Labels:
    """Print what there is to tell of one symbol; returns its labels under the default rules."""
    features = layout.shelf(root, DATASETS["features"], timeframe("5m"), symbol)
    known = sorted(days.committed(features))
    back, ahead = known[0] - timedelta(days=3), known[-1] + timedelta(days=1)
    bars = bars_of(features.sibling(DATASETS["bars"]), back, ahead)
    events = events_of(features, bars)
    print(f"{symbol} {known[0]} … {known[-1]}: {len(known)} days, {events.size:,} rows of features")
    labels = triple_barrier(bars, events, Barriers())
    for tie in ("wait", "stop", "nearest", "resolve"):
        minutes = None
        if tie == "resolve":
            fine = layout.shelf(root, DATASETS["bars"], timeframe("1m"), symbol)
            if not days.committed(fine):
                print("  resolve  the lake has no 1m bars")
                continue
            minutes = bars_of(fine, back, ahead)
        policy = triple_barrier(bars, events, Barriers(tie=tie), minutes=minutes)
        n = policy.ts.size
        shares = Counter(policy.outcome.tolist())
        ends = ", ".join(f"{name} {shares[code] / n:.3%}" for code, name in enumerate(OUTCOMES))
        classes = ", ".join(f"{value:+d} {(policy.label == value).mean():.3%}" for value in (-1, 0, 1))
        left = {why: many for why, many in policy.counts.items() if many and why != "labelled"}
        print(f"  {tie:<8} {n:,} labels: {ends}; classes {classes}; without {left or 'none'}")
    weights = label_weights(bars, labels.ts, labels.t1)
    width = (labels.upper - labels.entry) / labels.entry * 1e4
    print(
        f"  median hold {np.median(labels.bars_held):.0f} bars, barrier {np.median(width):.1f} bp (median), "
        f"{(width < 20).mean():.1%} under 20 bp; mean uniqueness {weights.uniqueness.mean():.4f}; effective size "
        f"{effective_size(weights.uniqueness):,.0f} by uniqueness, {effective_size(weights.w_return):,.0f} by return"
    )
    begin = time.process_time()
    for _ in range(20):
        triple_barrier(bars, events, Barriers())
    print(f"  {(time.process_time() - begin) / 20 / events.size * 1e9:.1f} ns a label, ATR and all")
    begin = time.process_time()
    print(f"  {differences(bars, events, Barriers(), labels)} labels differ from the naive twin", end="")
    print(f", which takes {(time.process_time() - begin) / events.size * 1e9:,.0f} ns each")
    return labels


def folded(found: list[Labels]) -> None:
    """How do all of them fall into folds together?"""
    ts, t1 = (np.concatenate([getattr(one, name) for one in found]) for name in ("ts", "t1"))
    for scheme in (Scheme(), Scheme("cpcv"), Scheme("walk-forward", embargo_ms=60 * DAY), Scheme(embargo_ms=4 * HOUR)):
        counts, leaks = Counter[int](), 0
        for roles in scheme.splits(ts, t1):
            counts += Counter(roles.tolist())
            starts, ends = np.sort(ts[roles == 1]), np.sort(t1[roles == 1])
            train = roles == 0
            # a test span that begins by t1 and has not ended before ts meets [ts, t1]
            meets = np.searchsorted(starts, t1[train], "right") - np.searchsorted(ends, ts[train], "left")
            leaks += int((meets > 0).sum())
        shares = ", ".join(f"{name} {counts[code]:,}" for code, name in enumerate(ROLES))
        print(f"  {scheme.kind}, embargo {scheme.embargo_ms // HOUR} h: {shares}; {leaks} leaks")


def main() -> None:
    """Tell of every symbol, then of the folds of all."""
    if len(sys.argv) < 2:
        print("name a lake and its symbols: python -m bench.p3_year LAKE BTCUSDT SOLUSDT")
        return
    try:
        found = [told(Path(sys.argv[1]).resolve(), symbol) for symbol in sys.argv[2:] or ["BTCUSDT"]]
    except PerplakeError as error:
        sys.exit(f"error: {error}")
    print(f"folds of {sum(one.ts.size for one in found):,} labels together")
    folded(found)


if __name__ == "__main__":
    main()
