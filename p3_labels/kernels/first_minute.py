"""Which barrier came first inside a bar that touched both?"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from p3_labels.kernels.first_ending import TIE, TIMEOUT, WAIT, touch_of
from p3_labels.kernels.first_touch import Touches
from p3_labels.kernels.first_walk import LABELLED, WAITS
from p3_labels.kernels.log_ratio import log_ratio

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


@njit(cache=True, nogil=True)
def first_minute(
    open_: Floats,
    high: Floats,
    low: Floats,
    close: Floats,
    open_tape: Flags,
    minutes: int,
    events: NDArray[np.int64],
    entry: Floats,
    upper: Floats,
    lower: Floats,
    touches: Touches,
) -> None:
    """Which of its ties can the one-minute bars decide? Rewrites `touches` (made by first_touch with WAIT) in place.

    open_, high, low, close: (n·minutes,) float64, quote currency; NaN = absent minute; bar p of the events' grid holds
    minutes p·minutes … p·minutes+minutes−1. open_tape: (n·minutes,) bool, False where the 1m day is not committed:
    a tie there gets status WAITS. events: (m,) grid positions; entry, upper, lower: (m,) quote currency.
    A minute that is itself a tie, or minutes that touch neither, leave the tie as WAIT has it. mfe and mae stay those
    of the whole bar: how a tie is read does not change how far its bar reached.
    """
    for i in range(events.size):
        if touches.status[i] != LABELLED or touches.outcome[i] != TIE:
            continue
        first = (events[i] + touches.held[i]) * minutes
        if first + minutes > close.size or not open_tape[first]:
            touches.status[i] = WAITS
            continue
        for s in range(first, first + minutes):
            if np.isnan(close[s]):
                continue
            outcome, label, price, _ = touch_of(open_[s], high[s], low[s], close[s], upper[i], lower[i], WAIT)
            if outcome == TIE:
                break
            if outcome != TIMEOUT:
                touches.outcome[i] = outcome
                touches.label[i] = label
                touches.exit[i] = price
                touches.ret[i] = log_ratio(price, entry[i])
                break
