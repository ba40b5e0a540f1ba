"""Randomness that is a function of where you look, never of when or in which order.

Integer hashing, + - * / and square roots only, one rounding per operation: the same bits on every machine, whatever its
vector width or mathematical library.
"""

from __future__ import annotations

import hashlib

import numpy as np

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)
_SQRT_3 = 1.7320508075688772
_LN_2 = 0.6931471805599453
_TAYLOR = [1.0]
for _n in range(1, 14):
    _TAYLOR.append(_TAYLOR[-1] / _n)


def key(*words: object) -> np.uint64:
    """Which stream of random numbers do these words name?"""
    text = "/".join(map(str, words))
    return np.uint64(int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big"))


def bits(stream: np.uint64, at: np.ndarray) -> np.ndarray:
    """Which 64 random bits lie at these places of the stream? (n,) uint64, from the splitmix64 finalizer.

    at : (n,) int64 counters
    """
    mixed = stream + at.astype(np.uint64) * _GOLDEN
    mixed = (mixed ^ (mixed >> np.uint64(30))) * _MIX_1
    mixed = (mixed ^ (mixed >> np.uint64(27))) * _MIX_2
    return mixed ^ (mixed >> np.uint64(31))


def uniform(stream: np.uint64, at: np.ndarray) -> np.ndarray:
    """Which numbers in [0, 1) lie at these places? (n,) float64."""
    return (bits(stream, at) >> np.uint64(11)).astype(np.float64) * 2.0**-53


def normal(stream: np.uint64, at: np.ndarray) -> np.ndarray:
    """Which nearly normal numbers (mean 0, deviation 1, within ±3.5) lie at these places? (n,) float64.

    Each is the sum of four uniforms; fat tails are the volatility's business.
    """
    quarters = bits(stream, at).view(np.uint16).reshape(-1, 4)
    return (quarters.sum(axis=1, dtype=np.int64) - 2 * 65535) * (_SQRT_3 / 65536)


def exp(x: np.ndarray) -> np.ndarray:
    """What is e to the x? (n,) float64; not numpy's, whose last bit depends on the machine."""
    halvings = np.rint(x / _LN_2)
    rest = x - halvings * _LN_2
    total = np.full_like(rest, _TAYLOR[-1])
    for factor in reversed(_TAYLOR[:-1]):
        total = total * rest + factor
    return np.ldexp(total, halvings.astype(np.int64))


def squash(x: np.ndarray) -> np.ndarray:
    """Where in (-1, 1) does x come to lie? (n,) float64."""
    return x / (1.0 + np.abs(x))


def line(nodes: np.ndarray, steps: int) -> np.ndarray:
    """Which straight lines join these nodes, `steps` steps apart? ((n-1)·steps + 1,) float64, every node included."""
    part = np.arange(steps) / steps
    inner = nodes[:-1, None] + (nodes[1:] - nodes[:-1])[:, None] * part
    return np.append(inner.ravel(), nodes[-1])
