"""How many days a second and core come from the archive into the lake? `python -m bench.p1_archive`

A made-up archive of 90 days of 5m files lies on disk and is served on loopback by a process of its own; each round
ingests it, recorded, into a new lake on disk, every step with its fsyncs. First as issue and README count it: klines,
metrics and spot zips, a file a day; then all seven series; then all seven from monthly files where they exist.
CPU seconds are this process's, all threads; the server's are not in them. The table says where they go.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import statistics
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from functools import wraps
from pathlib import Path
from typing import Any

from lake import commit, disk, locks, raw
from lake.layout import Shelf
from lake.layout import shelf as shelf_of
from meta.datasets import DATASETS
from meta.timeframes import Timeframe, day_start, days_between, timeframe
from p1_ingest import bars, fetch, ingest, run, wire
from p1_ingest.fetch import Fetcher
from p1_ingest.http import Sender
from p1_ingest.record import Record
from p1_ingest.sources import binance_archive
from p1_ingest.sources.base import Host, Series
from p1_ingest.sources.binance import Binance, Route, binance_conf
from p1_ingest.wanted import Choice

SYMBOL, TF, ROUNDS, WORKERS = "BTCUSDT", timeframe("5m"), 5, 4
DAYS = days_between(date(2024, 9, 1), date(2024, 11, 29))
NOW = day_start(date(2025, 3, 1))
THREE = ("klines", "metrics", "spot")
GOAL = 60
# Each inside the ones before it is told apart by what it takes itself.
STEPS: dict[str, list[tuple[Any, str]]] = {
    "http: send, wait, receive": [(wire.Wire, "__call__")],
    "unzip": [(binance_archive, "unzipped")],
    "sha256 against .CHECKSUM": [(Binance, "verify")],
    "parse CSV": [(Binance, "read")],
    "metrics labels": [(Binance, "settle")],
    "keep raw bodies": [(raw, "keep")],
    "lay on the grid, quarantine": [(bars, "laid"), (run, "day_of_bars"), (fetch, "together")],
    "encode, stage, read back": [(commit.Writer, "stage")],
    "fsync": [(disk, "sync"), (disk, "sync_all")],
    "publish: renames, locks, log": [(commit.Writer, "publish"), (locks, "publishing")],
    "record lines": [(Record, "tell"), (Record, "heard"), (Record, "day")],
    "the rest of a request": [(Sender, "send"), (Fetcher, "_one")],
    "the rest of an ingest": [(ingest, "ingest")],
}


class Chosen(Binance):
    """Binance with some of its series alone, from one mirror."""

    def __init__(self, url: str, route: Route, names: tuple[str, ...]) -> None:
        super().__init__(binance_conf(), route=route, clock=lambda: NOW)
        self.hosts = dict.fromkeys(self.hosts, Host(url))
        self._names = names

    def series(self, symbol: str, tf: Timeframe) -> tuple[Series, ...]:
        """Those chosen; all where none is."""
        return tuple(one for one in super().series(symbol, tf) if not self._names or one.name in self._names)


class Clocked:
    """CPU seconds by step, each step without what it calls of the others."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._now, self._lock = threading.local(), threading.Lock()

    def around(self, step: str, call: Callable[..., Any]) -> Callable[..., Any]:
        """The same call, counted."""

        @wraps(call)
        def counted(*args: Any, **kwargs: Any) -> Any:
            outer, self._now.inner = getattr(self._now, "inner", 0.0), 0.0
            began = time.thread_time()
            try:
                return call(*args, **kwargs)
            finally:
                took = time.thread_time() - began
                with self._lock:
                    self.seconds[step] += took - self._now.inner
                self._now.inner = outer + took

        return counted

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """Count the steps as long as this lasts."""
        real = [(step, place, name, getattr(place, name)) for step, at in STEPS.items() for place, name in at]
        try:
            for step, place, name, call in real:
                setattr(place, name, self.around(step, call))
            yield
        finally:
            for _, place, name, call in real:
                setattr(place, name, call)


def published(root: Path) -> None:
    """A made-up archive: every series of the days, a file a day and, for months that are whole, a file a month."""
    from tests.archive import Archive

    archive = Archive(root)
    archive.days(SYMBOL, TF, DAYS)
    for month in sorted({day.replace(day=1) for day in DAYS}):
        whole = days_between(month, binance_archive.next_month(month) - timedelta(days=1))
        for series in ("klines", "mark", "index", "premium", "spot") if whole[-1] in DAYS else ():
            archive.bars(series, SYMBOL, TF, whole, monthly=True)


def serve(root: Path, told: Any) -> None:
    """Serve the archive until the pipe closes; its URL comes first."""
    from tests.archive import served

    with served(root) as url:
        told.send(url)
        with contextlib.suppress(EOFError):
            told.recv()


@contextlib.contextmanager
def mirror(root: Path) -> Iterator[str]:
    """The archive, built and served in a process of its own: yields its URL."""
    context = multiprocessing.get_context("spawn")
    builder = context.Process(target=published, args=(root,))
    builder.start()
    builder.join()
    mine, theirs = context.Pipe()
    server = context.Process(target=serve, args=(root, theirs), daemon=True)
    server.start()
    theirs.close()
    try:
        yield mine.recv()
    finally:
        mine.close()
        server.join()


def ingested(source: Binance, shelf: Shelf) -> tuple[float, float]:
    """Wall and CPU seconds of one whole ingest."""
    record = Record(shelf.root, source.name, lambda: NOW)
    choice = Choice(refresh_tail=0, workers=WORKERS)
    wall, cpu = time.perf_counter(), time.process_time()
    with Sender(source.hosts, pools=source.pools, record=record.heard, failed=record.failed) as sender:
        summary = ingest.ingest(source, sender, shelf, DAYS, choice, lambda: NOW, record=record)
    spent = time.perf_counter() - wall, time.process_time() - cpu
    if len(summary.committed) != len(DAYS):
        raise SystemExit(f"only {len(summary.committed)} of {len(DAYS)} days came in: {summary.data()}")
    return spent


def measured(url: str, route: Route, names: tuple[str, ...], scratch: Path, title: str) -> Clocked:
    """Ingest into a new lake a few times and say how fast that was; then once more, step by step."""
    took = []
    for number in range(ROUNDS):
        took.append(ingested(Chosen(url, route, names), a_shelf(scratch / f"{title} {number}")))
    wall, cpu = (statistics.median(column) for column in zip(*took, strict=True))
    verdict = "" if title != "three" else f"   (goal {GOAL} a second and core)"
    print(f"{title:9}{len(DAYS) / wall:8.1f} days/s wall{len(DAYS) / cpu:8.1f} days per CPU second{verdict}")
    clocked = Clocked()
    with clocked.watching():
        ingested(Chosen(url, route, names), a_shelf(scratch / f"{title} by step"))
    return clocked


def a_shelf(root: Path) -> Shelf:
    """Where one round's bars go."""
    return shelf_of(root, DATASETS["bars"], TF, SYMBOL)


def main() -> None:
    """Measure, and print."""
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        (scratch / "archive").mkdir()
        with mirror(scratch / "archive") as url:
            print(f"{len(DAYS)} days of {SYMBOL} {TF}, {WORKERS} requests at once, {os.cpu_count()} cores")
            rounds = [("three", "daily", THREE), ("seven", "daily", ()), ("monthly", "auto", ())]
            ingested(Chosen(url, "daily", THREE), a_shelf(scratch / "warm"))
            found = [(title, measured(url, route, names, scratch, title)) for title, route, names in rounds]  # type: ignore[arg-type]
    print(f"\n{'CPU ms a day':32}" + "".join(f"{title:>9}" for title, _ in found))
    for step in STEPS:
        print(f"{step:32}" + "".join(f"{one.seconds[step] / len(DAYS) * 1000:9.2f}" for _, one in found))


if __name__ == "__main__":
    main()
