"""How much does each label tell that its neighbours do not?"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from meta.errors import NotReady, Refused, Usage
from p3_labels.barriers import Bars
from p3_labels.kernels.after_spans import after_concurrency, after_uniqueness

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class Weights(NamedTuple):
    """Per label: concurrency (m,) int64, uniqueness (m,) float64 in (0, 1], w_return (m,) float64 ≥ 0, all unscaled."""

    concurrency: Ints
    uniqueness: Floats
    w_return: Floats


def label_weights(bars: Bars, ts: Ints, t1: Ints) -> Weights:
    """How crowded is each label of one symbol, and how much of the return is its own?

    ts, t1: (m,) int64 UTC ms, every label whose span (ts, t1] reaches into a wanted label's; rows of days left out
    make their neighbours look lonelier than they are. concurrency is c at the label's own bar: the labels still open
    there, its own, which begins with the next bar, not among them.
    Raises NotReady where the bars do not hold every span.
    """
    start, end = ts // bars.step_ms - bars.first, t1 // bars.step_ms - bars.first
    if ts.size and (start.min() < 0 or end.max() >= bars.close.size):
        raise NotReady("weights: the bars given end before the last label does; read them through its t1")
    crowd = after_concurrency(start, end, bars.close.size)
    return Weights(crowd[start], *after_uniqueness(bars.close, crowd, start, end))


def effective_size(weight: Floats) -> float:
    """How many equal weights would carry as much? Kish: (Σw)² / Σw²; 0 where nothing weighs anything."""
    squares = float(np.sum(weight * weight))
    return float(np.sum(weight)) ** 2 / squares if squares else 0.0


def scaled(weight: Floats) -> Floats:
    """What are these weights with mean 1? Raises Refused where they sum to nothing."""
    total = float(np.sum(weight))
    if weight.size and not total > 0:
        raise Refused("folds: the weights sum to 0, so they have no scale; choose another weight or a longer range")
    return weight * (weight.size / total) if weight.size else weight


def time_decay(ts: Ints, uniqueness: Floats, oldest: float) -> Floats:
    """By how much do older labels count less, linearly in the uniqueness gathered since?

    ts: (m,) int64 in any order, symbols mixed; labels of one ts share a factor. oldest: the factor the very oldest
    label tends to, 1 for no decay; below 0, that share of all uniqueness, the oldest, counts nothing.
    Returns (m,) float64 factors, 1 for the newest. Raises Usage. Source: López de Prado, Advances in Financial Machine
    Learning, 4.7.
    """
    if not -1 < oldest <= 1:
        raise Usage(f"folds: a decay to {oldest!r} is no factor; give one above -1 and at most 1")
    stamps, place = np.unique(ts, return_inverse=True)
    gathered = np.cumsum(np.bincount(place, weights=uniqueness, minlength=stamps.size))
    if not stamps.size:
        return np.zeros(0)
    age = 1 - gathered[place] / gathered[-1]
    return 1 - age * (1 - oldest) if oldest >= 0 else np.maximum(1 - age / (1 + oldest), 0.0)


def class_balance(label: NDArray[np.int8], weight: Floats) -> Floats:
    """By which factor must each row's weight grow for every class to weigh the same in all?

    Returns (m,) float64: Σw / (classes · Σw of the row's class), so that the total stays what it was. A class that
    weighs nothing keeps its zeros.
    """
    classes, place = np.unique(label, return_inverse=True)
    weighs = np.bincount(place, weights=weight, minlength=classes.size)
    heavy = weighs > 0
    factor = np.ones(classes.size)
    factor[heavy] = weighs.sum() / (heavy.sum() * weighs[heavy])
    return factor[place]
