"""How do time and memory of P2 grow with bars and with symbols? `python -m bench.p2_growth`

Made-up bars are computed as the build computes them, chunk after chunk with what features look back, on one thread and
without files: the processor time of the computing alone, and the most memory the process held. Each row is a process of
its own, kernels compiled before.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time

from bench.p2_live import market
from lake import stretches
from lake.fresh import days_back
from meta.timeframes import timeframe
from p2_features import catalogue
from p2_features.compute import compute

TF = timeframe("5m")
ROWS = ((23_040, 1), (210_000, 1), (2_100_000, 1), (105_120, 1), (105_120, 50))
LIMIT = 1024  # MiB


def measured(bars: int, symbols: int) -> dict[str, float]:
    """Compute so many bars of so many symbols in this process: processor seconds, and MiB at most."""
    features = catalogue.load().features(TF)
    back = days_back(max(feature.reach for feature in features), TF) * TF.per_day
    chunk, took = stretches.MOST * TF.per_day, 0.0
    compute(features, market(700, 0), 0)
    for symbol in range(symbols):
        for begin in range(0, bars, chunk):
            start, end = max(begin - back, 0), min(begin + chunk, bars)
            given = market(end - start, symbol)
            began = time.process_time()
            compute(features, given, start)
            took += time.process_time() - began
    return {"seconds": took, "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


def main() -> None:
    """Measure each row, and print."""
    for bars, symbols in ROWS:
        command = [sys.executable, "-m", "bench.p2_growth", str(bars), str(symbols)]
        found = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        print(
            f"{symbols:>3} × {bars:>9,} bars {found['seconds']:8.2f} s of processor, "
            f"{found['seconds'] / bars / symbols * 1e9:6.0f} ns a bar {found['memory']:6.0f} MiB (limit {LIMIT})"
        )


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(json.dumps(measured(int(sys.argv[1]), int(sys.argv[2]))))
    else:
        main()
