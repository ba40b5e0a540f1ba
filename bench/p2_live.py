"""How long do the features of a bar take the moment it closes? `python -m bench.p2_live`

All features of one symbol for one new bar, called from Python, each call timed by itself; then 50 symbols in turn, so
that every call finds the caches full of the others: wall time, as a bar meets it. The seed is what a start costs a
symbol, without reading files, and the compile is measured in processes of their own with an empty cache: processor
time. There is no peer: no library computes these features a bar at a time.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time

import numpy as np

from meta.timeframes import TIMEFRAMES
from p2_features import catalogue
from p2_features.stream import Engine

TF = TIMEFRAMES["5m"]
FIRST, BARS, MANY, ROUNDS, REPEATS = 5_817_600, 5_000, 50, 500, 3
COMPILES = {
    "batch": "from p2_features.compute import compute; compute(features, bars, 0)",
    "live": "from p2_features.stream import Engine; Engine(features, 288, 288).seed('', bars, 0)",
}
PREPARED = """
import time
from p2_features import catalogue
from meta.timeframes import TIMEFRAMES
from bench.p2_live import market
features = catalogue.load().changed(window_days=1).features(TIMEFRAMES["5m"])
bars = market(700, 1)
began = time.process_time()
{work}
print(time.process_time() - began)
"""


def market(n: int, seed: int) -> dict[str, np.ndarray]:
    """Whole bars with the character of real ones: walks, heavy tails, a funding rate that stands still."""
    rng = np.random.default_rng(seed)
    close = 30_000 * np.exp(np.cumsum(rng.standard_t(4, n) * 1e-3))
    found = {name: rng.lognormal(12, 1.5, n) for name in ("quote_volume", "liq_long", "liq_short", "volume")}
    found |= {f"{m}_taker_{side}": rng.lognormal(12, 1, n) for m in ("perp", "spot") for side in ("buy", "sell")}
    found |= {"close": close, "open": np.roll(close, 1), "high": close * 1.002, "low": close * 0.998}
    found["oi_base"] = 1e5 * np.exp(np.cumsum(rng.normal(0, 1e-3, n)))
    found["oi_now"] = found["oi_base"] * close
    found["funding_now"] = np.repeat(np.round(rng.normal(1e-4, 5e-5, n // 96 + 1), 6), 96)[:n]
    found["funding_interval_hours"] = np.full(n, 8.0)
    found |= {"index_price": close, "mark_price": close * 1.0001, "premium": rng.normal(0, 1e-4, n)}
    found |= {f"ls_{kind}": rng.lognormal(0, 0.1, n) for kind in ("global", "top_account", "top_position", "taker")}
    return found


def told(what: str, ns: np.ndarray) -> None:
    p50, p99 = np.percentile(ns, [50, 99]) / 1e3
    print(f"{what:<44} p50 {p50:7.2f} µs   p99 {p99:7.2f} µs   max {ns.max() / 1e3:8.1f} µs   {ns.size:,} bars")


def seeded(set_name: str, symbols: int, bars: int) -> tuple[Engine, np.ndarray, float]:
    """An engine whose symbols have seen all but the last bars, those bars (n, 1, columns), and the time of a seed."""
    features = catalogue.load().features(TF, set_name)
    engine = Engine(features, 8640, 8640)
    engine.seed("compiled", {"close": np.ones(3)}, FIRST)
    n, took = engine.reach + 1 + bars, []
    for k in range(symbols):
        given = market(n, k % 5)
        began = time.process_time()
        engine.seed(str(k), {name: x[:-bars] for name, x in given.items()}, FIRST)
        took.append(time.process_time() - began)
    rows = np.stack([given[name] for name in engine.columns], axis=1)[-bars:]
    return engine, np.ascontiguousarray(rows[:, None, :]), float(np.median(took))


def in_turn(engine: Engine, rows: np.ndarray, symbols: int) -> np.ndarray:
    """Nanoseconds of each call: (REPEATS, bars, symbols), the same bars from the same state each time."""
    start, took = FIRST + engine.reach + 1, np.empty((REPEATS, len(rows), symbols), np.int64)
    names, clock = [str(k) for k in range(symbols)], time.perf_counter_ns
    remembered = {name: engine.bars(name) for name in names}
    for repeat in took:
        for name, (bars, first) in remembered.items():
            engine.seed(name, dict(zip(engine.columns, bars.T, strict=True)), first)
        for i, times in enumerate(repeat):
            for k, name in enumerate(names):
                began = clock()
                engine.push(name, start + i, rows[i])
                times[k] = clock() - began
    return took


def pushed(set_name: str, symbols: int, bars: int) -> None:
    """An array in: every call, and the least of what each bar took, which is without what the machine did beside."""
    engine, rows, seed = seeded(set_name, symbols, bars)
    took = in_turn(engine, rows, symbols)
    name = f"{set_name}, {symbols} symbol{'s in turn' if symbols > 1 else ''}, an array in"
    told(name, took.ravel())
    told(f"  the least of {REPEATS} times the same bar", took.min(axis=0).ravel())
    if symbols == 1:
        print(f"{set_name}, seed of {engine.reach + 1:,} bars {'':<17} {seed:.3f} s of processor a symbol")


def stepped(set_name: str) -> None:
    """A dict in, a dict out."""
    engine, rows, _ = seeded(set_name, 1, BARS)
    start, took, clock = FIRST + engine.reach + 1, np.empty(BARS, np.int64), time.perf_counter_ns
    for i in range(BARS):
        bar = dict(zip(engine.columns, rows[i, 0].tolist(), strict=True))
        began = clock()
        engine.step("0", (start + i) * TF.ms, bar)
        took[i] = clock() - began
    told(f"{set_name}, 1 symbol, a dict in, a dict out", took)


def compile_time() -> None:
    for name, work in COMPILES.items():
        with tempfile.TemporaryDirectory() as folder:
            given = {**os.environ, "NUMBA_CACHE_DIR": folder}
            command = [sys.executable, "-c", PREPARED.format(work=work)]
            cold, warm = (
                float(subprocess.run(command, env=given, capture_output=True, text=True, check=True).stdout)
                for _ in range(2)
            )
        print(
            f"{name + ' kernels, first call':<44} compiled in {cold:.1f} s of processor, from the cache in {warm:.2f} s"
        )


def main() -> None:
    for set_name in ("core", "extended"):
        pushed(set_name, 1, BARS)
        stepped(set_name)
        pushed(set_name, MANY, ROUNDS)
    compile_time()


if __name__ == "__main__":
    main()
