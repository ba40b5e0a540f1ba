"""The path after one bar, read bar by bar until it reaches a barrier, times out or breaks off."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

LABELLED, UNRESOLVED, GAP, WAITS = 0, 1, 2, 3
BRIDGED = 3  # so many missing bars in a row are stepped over


@njit(cache=True, nogil=True)
def first_walk(
    open_: Floats,
    high: Floats,
    low: Floats,
    close: Floats,
    open_tape: Flags,
    t: int,
    upper: float,
    lower: float,
    horizon: int,
) -> tuple[int, int, int, float, float, bool]:
    """Where does the path t+1 … t+horizon end? (status, held, last, highest, lowest, path_gap).

    Arrays as first_touch takes them. held: grid steps to the touching bar, horizon where there is none. last: position
    of the touching bar, else of the last one present. highest, lowest: of the bars up to there, the entry included,
    quote currency. path_gap: was a bar missing on the way?
    """
    highest = lowest = close[t]
    path_gap = False
    last = t
    for s in range(t + 1, t + horizon + 1):
        if s >= close.size or not open_tape[s]:
            return UNRESOLVED, 0, t, highest, lowest, path_gap
        if np.isnan(close[s]):
            path_gap = True
            if s - last > BRIDGED:
                return GAP, 0, t, highest, lowest, path_gap
            continue
        last = s
        highest, lowest = max(highest, high[s]), min(lowest, low[s])
        if (open_[s] >= upper) | (open_[s] <= lower) | (high[s] >= upper) | (low[s] <= lower):
            return LABELLED, s - t, s, highest, lowest, path_gap
    if last == t:
        return GAP, 0, t, highest, lowest, path_gap
    return LABELLED, horizon, last, highest, lowest, path_gap
