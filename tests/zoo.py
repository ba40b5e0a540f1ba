"""Named series that break clever kernels: every kernel test walks through them."""

from __future__ import annotations

import numpy as np

NAN = np.nan


def gapped(x: np.ndarray, share: float, seed: int) -> np.ndarray:
    """x with that share of its bars missing, singly and in runs."""
    rng = np.random.default_rng(seed)
    out = x.copy()
    out[rng.random(x.size) < share / 2] = NAN
    for _ in range(int(x.size * share / 20)):
        start = int(rng.integers(0, max(x.size, 1)))
        out[start : start + 10] = NAN
    return out


def spiked(x: np.ndarray, size: float, every: int) -> np.ndarray:
    """x with a spike of ±size now and then."""
    out = x.copy()
    out[every // 2 :: every] = size
    out[every // 3 :: 3 * every] = -size
    return out


def zoo(n: int, seed: int = 7) -> dict[str, np.ndarray]:
    """Which series should every kernel be shown? name -> (n,) float64, NaN where missing."""
    rng = np.random.default_rng(seed)
    noise = rng.standard_normal(n)
    walk = np.cumsum(noise)
    steps = np.arange(n, dtype=np.float64)
    half = steps >= n // 2
    return {
        "noise": noise,
        "heavy tails": rng.standard_t(1.5, n),
        "ticks at 1e5": 1e5 + 0.1 * np.round(walk),
        "walk": 1e9 + 1e5 * walk,
        "rising": steps * 1.0,
        "falling": -steps,
        "saw": steps % 7,
        "flat": np.full(n, 0.1),
        "flat then jump": np.where(half, 1e6, 0.1),
        "flat then noise": np.where(half, noise, 3.0),
        "noise then flat": np.where(half, 3.0, noise),
        "quiet then loud": noise * np.where(half, 1e6, 1.0),
        "loud then quiet": noise * np.where(half, 1.0, 1e6),
        "ties": np.round(noise),
        "mostly zero": np.where(rng.random(n) < 0.8, 0.0, rng.lognormal(10.0, 2.0, n)),
        "zeros of both signs": np.where(rng.random(n) < 0.5, -0.0, 0.0) + np.where(rng.random(n) < 0.1, noise, 0.0),
        "minus zero and zero": np.where(rng.random(n) < 0.5, -0.0, 0.0),
        "two values": np.where(rng.random(n) < 0.985, 0.0001, 0.0002),
        "funding": np.repeat(np.round(rng.normal(1e-4, 5e-5, n // 96 + 1), 6), 96)[:n],
        "tiny differences": 1e5 + rng.integers(0, 3, n) * 2.0**-36,
        "tiny values": noise * 1e-120,
        "spikes of 1e12": spiked(noise, 1e12, max(n // 5, 3)),
        "one early spike": np.where(steps == 2, 1e12, noise),
        "gaps": gapped(noise, 0.1, seed),
        "mostly gaps": gapped(noise, 0.97, seed),
        "gaps in ties": gapped(np.round(noise), 0.3, seed),
        "a long gap": np.where((steps > n // 4) & (steps < n // 2), NAN, noise),
        "all gaps": np.full(n, NAN),
        "infinities": np.where(rng.random(n) < 0.05, np.inf * np.sign(noise), noise),
        "one value": np.where(steps == n // 3, 5.0, NAN),
    }


# Lengths around the window matter more than long series do.
SHORT = {
    "empty": np.empty(0),
    "one bar": np.array([2.0]),
    "one missing bar": np.array([NAN]),
    "shorter than the window": np.array([3.0, -1.0, NAN, 3.0, 2.0]),
}
