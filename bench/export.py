"""How long does a year of minutes take to take away, and how much memory? `python -m bench.export`

A year of made-up 1m bars, every column filled, is committed to a new lake on disk. Each export then is one command in a
process of its own: wall time, CPU seconds, and the most memory it ever held (ru_maxrss). The last line is of two years:
memory does not grow with the days.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import time
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa

from lake import commit, parts
from lake.layout import Shelf
from lake.layout import shelf as shelf_of
from lake.manifest import Provenance, digest
from lake.settings import PROJECT
from meta.columns import BARS
from meta.datasets import DATASETS
from meta.timeframes import day_start, days_between, timeframe

FIRST, YEAR, TF = date(2024, 1, 1), 365, timeframe("1m")
SOURCE = Provenance("sim SYNTHETIC: bench", digest(b""), digest(b"bench"))
SECONDS, MIB = 15, 400  # what a year of minutes may take


def main() -> None:
    """Time every export of a year of minutes, and of two."""
    with tempfile.TemporaryDirectory() as name:
        root, out = Path(name) / "lake", Path(name) / "out"
        shelf = shelf_of(root, DATASETS["bars"], TF, "BTCUSDT")
        filled(shelf, FIRST, 2 * YEAR)
        end = FIRST + timedelta(days=YEAR)
        print(f"{YEAR * TF.per_day:,} rows of 1m; to reach: {SECONDS} s, {MIB} MiB")
        print(f"{'export':44} {'wall s':>7} {'CPU s':>6} {'MiB':>5} {'file MB':>8}")
        minutes = ("--intervals", "1m")
        for kind, *words in (
            ("candles", *minutes, "--format", "both"),
            ("all", *minutes, "--format", "csv"),
            ("all", *minutes, "--format", "parquet"),
            ("all", *minutes, "--format", "both"),
            ("all", "--intervals", "all", "--format", "both"),
        ):
            told((kind, *words), measured(root, out, (kind, *words, "--end-time", str(end))))
        told(("all", *minutes, "--format", "both  (two years)"), measured(root, out, ("all", *minutes)))


def filled(shelf: Shelf, first: date, days: int) -> None:
    """Commit so many days of made-up bars."""
    random = np.random.default_rng(1)
    wanted = days_between(first, first + timedelta(days=days - 1))
    with commit.writing(shelf) as writer:
        for i, day in enumerate(wanted, 1):
            writer.stage(day, a_day(day, shelf.symbol, random), SOURCE)
            if i % 50 == 0 or day == wanted[-1]:
                writer.publish()


def a_day(day: date, symbol: str, random: np.random.Generator) -> pa.Table:
    """A day of minutes, every column filled with numbers of the kind venues print."""
    n = TF.per_day
    ts = day_start(day) + TF.ms * np.arange(1, n + 1, dtype=np.int64)
    close = (60_000 * np.exp(np.cumsum(random.normal(0, 5e-4, n)))).round(1)

    def values(name: str, kind: pa.DataType) -> pa.Array:
        if name == "symbol":
            return pa.array([symbol] * n)
        if pa.types.is_timestamp(kind):
            return pa.array(ts if name == "ts" else ts // (8 * 3_600_000) * 8 * 3_600_000).cast(kind)
        if name in ("open", "high", "low", "close"):
            return pa.array(close)
        if name == "funding_interval_hours":
            return pa.array(np.full(n, 8.0))
        return pa.array((random.random(n) * 1000).round(3 if kind == pa.float64() else 0)).cast(kind)

    schema = parts.schema_of(BARS)
    return pa.table([values(field.name, field.type) for field in schema], schema=schema)


def measured(root: Path, out: Path, words: tuple[str, ...]) -> tuple[float, float, float, float]:
    """Wall and CPU seconds, MiB at most, and MB written by one export in a process of its own."""
    line = [sys.executable, "-m", "reports", "export", *words, "--coin", "BTC"]
    before = time.perf_counter()
    with subprocess.Popen(
        [*line, "--lake", str(root), "--output", str(out)], cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as child:
        said = b"".join(child.stdout or ()) + b"".join(child.stderr or ())
        _, status, used = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    wall = time.perf_counter() - before
    if child.returncode:
        raise SystemExit(said.decode())
    size = sum(path.stat().st_size for path in out.iterdir())
    for path in list(out.iterdir()):
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
    return wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, size / 1e6


def told(words: tuple[str, ...], found: tuple[float, float, float, float]) -> None:
    """One line of the table."""
    wall, cpu, mib, megabytes = found
    print(f"{' '.join(words):44} {wall:7.1f} {cpu:6.1f} {mib:5.0f} {megabytes:8.1f}", flush=True)


if __name__ == "__main__":
    main()
