"""How fast are the P2 kernels next to the libraries a quant would reach for? `python -m bench.p2_kernels`

Both sides run in turn (A B A B …) in one process on one thread; times are medians of process CPU time, in nanoseconds
per bar per column. The peers get their fast path first: no missing bars, a window that ends one bar late, and no shift
to put that right, so they do slightly less than equal work. They have no causal winsorizing: theirs is two rolling
quantiles, a clip, a rolling mean and a rolling standard deviation. Then the same with gaps. The process keeps the
memory it was given (bench/_memory.py).
"""

from __future__ import annotations

import importlib
import os
import statistics
import time
from collections.abc import Callable
from types import ModuleType

os.environ.setdefault("POLARS_MAX_THREADS", "1")

import numpy as np

from bench._memory import kept
from p2_features.kernels.past_mean_std import past_mean_std
from p2_features.kernels.past_percentile import past_percentile
from p2_features.kernels.past_quantiles import past_quantiles
from p2_features.kernels.past_zscore import past_winsorized_zscore

BARS, WINDOW, COLUMNS, ROUNDS = 210_000, 8_640, 6, 5
LOW, HIGH = 0.01, 0.99
LEAST_QUANTILE, LEAST_MEAN = WINDOW // 30, WINDOW // 2

Work = Callable[[np.ndarray], object]


def peer(name: str) -> ModuleType | None:
    """The library of that name, or a line that says it is left out."""
    try:
        return importlib.import_module(name)
    except ImportError:
        print(f"{name:<20} not installed here (on PyPI: {name.replace('_', '-')}), left out")
        return None


def columns(bars: int) -> list[np.ndarray]:
    """Six series with the character of the six features: volumes, levels, rates with ties, differences."""
    rng = np.random.default_rng(11)
    volume = rng.lognormal(12.0, 1.0, bars)
    level = 1e9 * np.exp(np.cumsum(rng.normal(0.0, 2e-4, bars)))
    funding = np.repeat(np.round(rng.normal(1e-4, 5e-5, bars // 96 + 1), 6), 96)[:bars]
    difference = rng.standard_t(3, bars) * 1e6
    liquidated = np.where(rng.random(bars) < 0.6, 0.0, rng.lognormal(9.0, 2.0, bars))
    squared = rng.standard_t(4, bars) ** 2 * 1e-6
    return [volume, level, funding, difference, liquidated, squared]


def in_turn(works: dict[str, Work], series: list[np.ndarray], rounds: int = ROUNDS) -> dict[str, float]:
    """Nanoseconds per bar per column of each, all run in turn, the median of the rounds."""
    taken: dict[str, list[float]] = {name: [] for name in works}
    for work in works.values():
        work(series[0][: 2 * WINDOW])
    for _ in range(rounds):
        for name, work in works.items():
            begin = time.process_time()
            for x in series:
                work(x)
            taken[name].append((time.process_time() - begin) / sum(x.size for x in series) * 1e9)
    return {name: statistics.median(times) for name, times in taken.items()}


def gapped(series: list[np.ndarray]) -> list[np.ndarray]:
    """The same, with one bar in 500 missing, as venues leave them."""
    missing = np.random.default_rng(12).random(series[0].size) < 0.002
    return [np.where(missing, np.nan, x) for x in series]


def zscore(x: np.ndarray) -> np.ndarray:
    return past_winsorized_zscore(x, 0, WINDOW, LOW, HIGH, LEAST_QUANTILE, LEAST_MEAN)


def percentile(x: np.ndarray) -> np.ndarray:
    return past_percentile(x, WINDOW, LEAST_MEAN)


def quantiles(x: np.ndarray) -> object:
    return past_quantiles(x, WINDOW, LOW, HIGH, LEAST_QUANTILE)


def polars_works(pl: ModuleType) -> dict[str, Work]:
    def pair(x: np.ndarray) -> tuple:
        s = pl.Series(x, nan_to_null=True)
        return tuple(
            s.rolling_quantile(p, interpolation="linear", window_size=WINDOW, min_samples=LEAST_QUANTILE)
            for p in (LOW, HIGH)
        )

    def z(x: np.ndarray) -> object:
        lo, hi = pair(x)
        w = pl.Series(np.clip(x, lo.to_numpy(), hi.to_numpy()), nan_to_null=True)
        w = w[LEAST_QUANTILE:]  # without nulls the peer is faster
        mean = w.rolling_mean(WINDOW, min_samples=LEAST_MEAN)
        return (w - mean) / w.rolling_std(WINDOW, min_samples=LEAST_MEAN, ddof=0)

    return {
        "quantiles": pair,
        "zscore": z,
        "rank": lambda x: pl.Series(x, nan_to_null=True).rolling_rank(WINDOW, min_samples=LEAST_MEAN),
    }


def pandas_works(pd: ModuleType) -> dict[str, Work]:
    def pair(x: np.ndarray) -> tuple:
        rolling = pd.Series(x).rolling(WINDOW, min_periods=LEAST_QUANTILE)
        return rolling.quantile(LOW), rolling.quantile(HIGH)

    def z(x: np.ndarray) -> object:
        lo, hi = pair(x)
        w = pd.Series(np.clip(x, lo.to_numpy(), hi.to_numpy()))
        rolling = w.rolling(WINDOW, min_periods=LEAST_MEAN)
        return (w - rolling.mean()) / rolling.std(ddof=0)

    def rank(x: np.ndarray) -> object:
        return pd.Series(x).rolling(WINDOW, min_periods=LEAST_MEAN).rank(pct=True)

    return {"quantiles": pair, "zscore": z, "rank": rank}


def rolling_quantiles_works(rq: ModuleType) -> dict[str, Work]:
    def pair(x: np.ndarray) -> object:
        return rq.Pipeline(rq.LowPass(window=WINDOW, portion=WINDOW, quantiles=[LOW, HIGH])).feed(x)

    return {"quantiles": pair}


def moments_works(bn: ModuleType | None, nbg: ModuleType | None) -> dict[str, Work]:
    works: dict[str, Work] = {}
    if bn is not None:
        works["bottleneck"] = lambda x: (bn.move_mean(x, WINDOW, 1), bn.move_std(x, WINDOW, 1))
    if nbg is not None:
        works["numbagg"] = lambda x: (
            nbg.move_mean(x, window=WINDOW, min_count=1),
            nbg.move_std(x, window=WINDOW, min_count=1),
        )
    return works


def compare(peers: dict[str, dict[str, Work]], series: list[np.ndarray]) -> None:
    ours: dict[str, Work] = {"quantiles": quantiles, "zscore": zscore, "rank": percentile}
    rows = {"quantile pair": ["quantiles"], "winsorize + z": ["zscore"], "winsorize + z + rank": ["zscore", "rank"]}
    taken = {
        task: in_turn(
            {"perplake": ours[task], **{name: works[task] for name, works in peers.items() if task in works}}, series
        )
        for task in ours
    }
    for title, tasks in rows.items():
        mine = sum(taken[task]["perplake"] for task in tasks)
        print(f"{title:<20} perplake {mine:8.1f} ns")
        for name in peers:
            if all(name in taken[task] for task in tasks):
                theirs = sum(taken[task][name] for task in tasks)
                print(f"{'':<20} {name} {theirs:8.1f} ns = {theirs / mine:.1f}x")


def spike_error(works: dict[str, Work]) -> None:
    """Relative error of mean and deviation once a spike of 1e12 has left the window."""
    x = np.random.default_rng(3).standard_normal(4 * WINDOW)
    spiked = x.copy()
    spiked[WINDOW // 2] = 1e12
    at = np.arange(2 * WINDOW, x.size, 499)
    windows = [x[t - WINDOW : t] for t in at]
    mean = np.array([v.astype(np.longdouble).mean() for v in windows])
    std = np.array([v.astype(np.longdouble).std() for v in windows])
    ends = {"perplake": at, "bottleneck": at - 1, "numbagg": at - 1}
    ours: dict[str, Work] = {"perplake": lambda v: past_mean_std(v, 0, WINDOW)[1:3]}
    for name, work in {**ours, **works}.items():
        got_mean, got_std = (v[ends[name]] for v in work(spiked))  # type: ignore[attr-defined]
        wrong = np.max(np.abs(got_std / std - 1)), np.max(np.abs(got_mean - mean) / std)
        print(f"after a 1e12 spike   {name}: deviation off by {wrong[0]:.1e}, mean by {wrong[1]:.1e} deviations")


def growth() -> None:
    for bars in (23_040, 210_000, 2_100_000):
        taken = in_turn({"z": zscore, "rank": percentile}, columns(bars)[:1] * max(1, 210_000 // bars), 3)
        print(f"{bars:>9} bars        winsorize + z {taken['z']:.1f} ns, rank {taken['rank']:.1f} ns")


def main() -> None:
    kept()
    libraries = {name: peer(name) for name in ("polars", "pandas", "rolling_quantiles", "bottleneck", "numbagg")}
    kinds = {"polars": polars_works, "pandas": pandas_works, "rolling_quantiles": rolling_quantiles_works}
    peers = {name: kinds[name](library) for name in kinds if (library := libraries[name]) is not None}
    print(f"{COLUMNS} columns of {BARS} bars, window {WINDOW}, one thread, medians of {ROUNDS}")
    series = columns(BARS)
    compare(peers, series)
    print("the same with one bar in 500 missing")
    compare(peers, gapped(series))
    for x, name in zip(series, ("volume", "level", "funding", "difference", "liquidated", "squared"), strict=True):
        taken = in_turn({"z": zscore, "rank": percentile, "pair": quantiles}, [x])
        print(
            f"  {name:<18} pair {taken['pair']:.1f} ns, winsorize + z {taken['z']:.1f} ns, rank {taken['rank']:.1f} ns"
        )
    moments = moments_works(libraries["bottleneck"], libraries["numbagg"])
    for name, ns in in_turn({"perplake": lambda x: past_mean_std(x, 0, WINDOW), **moments}, series).items():
        print(f"mean and deviation   {name} {ns:.1f} ns")
    spike_error(moments)
    growth()


if __name__ == "__main__":
    main()
