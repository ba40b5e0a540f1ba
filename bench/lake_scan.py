"""How long does a wide look take: 3 columns of 50 symbols over 730 days? `python -m bench.lake_scan`

`lake.scan` first, when every day is verified and each symbol's file is made, and again, when only manifests are
compared; beside it polars and DuckDB over the 36,500 day files, which believe what they find, and one symbol's days by
`lake.load`. All in one run, in turn; wall time and processor time of all threads. One symbol's days are committed, the
others' are copies of them: as many files, each with bytes of its own. It takes some minutes, and 5 GB of the disk of
FOLDER (`python -m bench.lake_scan FOLDER`; default: the temporary one).
"""

from __future__ import annotations

import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path

import duckdb
import polars as pl

import lake
from bench.p2_live import market as columns
from lake import scans
from lake.layout import shelf
from meta.datasets import DATASETS
from meta.timeframes import timeframe

TF, FIRST = timeframe("5m"), date(2023, 1, 1)
SYMBOLS, DAYS, ROUNDS = 50, 730, 3
WANTED = ["close", "quote_volume", "oi_now"]


def filled(root: Path, symbols: int, days: int) -> list[str]:
    """A lake of so many symbols; their names."""
    from tests.market import commit_bars, the_days

    names = [f"S{k:02}USDT" for k in range(symbols)]
    one = shelf(root, DATASETS["bars"], TF, names[0])
    commit_bars(one, columns(days * TF.per_day, 1), the_days(days, FIRST), FIRST)
    for name in names[1:]:
        shutil.copytree(one.folder, shelf(root, DATASETS["bars"], TF, name).folder, copy_function=shutil.copyfile)
    return names


def took(work: Callable[[], object], rounds: int = ROUNDS) -> str:
    """Median wall and processor time."""
    walls, cpus = [], []
    for _ in range(rounds):
        began, used = time.perf_counter(), time.process_time()
        work()
        walls.append(time.perf_counter() - began)
        cpus.append(time.process_time() - used)
    return f"{statistics.median(walls):6.2f} s wall {statistics.median(cpus):6.2f} s processor"


def main(symbols: int = SYMBOLS, days: int = DAYS) -> None:
    """Measure, and print."""
    where = sys.argv[1] if len(sys.argv) > 1 else None
    with tempfile.TemporaryDirectory(dir=where) as folder:
        root = Path(folder)
        names = filled(root, symbols, days)
        places = [shelf(root, DATASETS["bars"], TF, name) for name in names]
        pattern = f"{root}/parquet/{TF}/*/y=*/m=*/d=*/*.parquet"
        query = f"SELECT symbol, ts, {', '.join(WANTED)} FROM read_parquet('{pattern}', hive_partitioning = false)"
        options = {"hive_partitioning": False, "glob": True}

        def scanned() -> object:
            return lake.scan(names, WANTED, TF.name, lake=root, as_="arrow")

        def by_polars() -> object:
            return pl.scan_parquet(pattern, **options).select("symbol", "ts", *WANTED).collect()

        print(f"{len(WANTED)} columns of {symbols} symbols, {days} days each: {symbols * days:,} day files")
        print(f"{'lake.scan, the first time':<34}{took(scanned, 1)}")
        print(f"{'lake.scan':<34}{took(scanned)}   (limit 1 s)")
        print(f"{'its manifests compared':<34}{took(lambda: [scans.manifests(place) for place in places])}   (of it)")
        print(f"{'polars over the day files':<34}{took(by_polars, 1)}")
        print(f"{'DuckDB over the day files':<34}{took(lambda: duckdb.sql(query).arrow().read_all(), 1)}")
        print(f"{'lake.load of one symbol':<34}{took(lambda: lake.load(names[0], TF.name, lake=root, as_='arrow'))}")


if __name__ == "__main__":
    main()
