"""What a day costs to publish, fsynced, beside what the disk alone would take.

python -m bench.lake_days [FOLDER]      on the disk of FOLDER (default: the lake's own)
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from lake import commit, disk
from lake.layout import Shelf
from meta.columns import BARS
from tests import lakes
from tests.test_lake_changes import with_cell

DAYS, BATCH, ROUNDS = 365, 31, 3  # a year, committed month by month as ingest does


@contextmanager
def refusing() -> Iterator[None]:
    """A file system that cannot exchange folders."""
    native = disk._RENAME
    disk._RENAME = None
    try:
        yield
    finally:
        disk._RENAME = native


def write(shelf: Shelf, seed: int, cell: float | None = None, together: bool = True) -> tuple[float, float]:
    """Commit a year of 5m days: seconds, and processor seconds, from tables in memory to days on disk and in the log.

    cell : one close of each day is this instead, as where a venue restated it. together : a month is staged at once, as
    builds do; else day by day, as ingest does.
    """
    wanted = lakes.the_days(DAYS)
    tables = [lakes.a_day(day, "5m", seed=seed, columns=BARS) for day in wanted]
    if cell is not None:
        tables = [with_cell(table, "close", 3, cell) for table in tables]
    began = time.perf_counter(), time.process_time()
    with commit.writing(shelf) as writer:
        for first in range(0, DAYS, BATCH):
            batch = zip(wanted[first : first + BATCH], tables[first : first + BATCH], strict=True)
            if together:
                writer.stage_all((day, table, lakes.SOURCE) for day, table in batch)
            else:
                for day, table in batch:
                    writer.stage(day, table, lakes.SOURCE)
            writer.publish()
    return time.perf_counter() - began[0], time.process_time() - began[1]


def one_fsync(folder: Path) -> float:
    """Seconds for one small file written and fsynced, alone."""
    took = []
    for i in range(30):
        began = time.perf_counter()
        disk.write_new(folder / f"probe-{i}", b"x" * 4096)
        took.append(time.perf_counter() - began)
    return median(took)


def main() -> None:
    """Measure and print."""
    where = sys.argv[1] if len(sys.argv) > 1 else None
    with tempfile.TemporaryDirectory(dir=where) as name:
        fresh = [lakes.a_shelf(Path(name) / f"lake {number}", "5m") for number in range(2 * ROUNDS)]
        taken = [write(one, 0, together=number % 2 == 1) for number, one in enumerate(fresh)]
        first, alone_each = min(taken[1::2]), min(taken[::2])
        shelf = fresh[-1]
        restated = min(write(shelf, 0, cell) for cell in range(1, 1 + ROUNDS))
        exchanged = min(write(shelf, seed) for seed in range(1, 1 + ROUNDS))
        with refusing():
            swapped = min(write(shelf, seed) for seed in range(11, 11 + ROUNDS))
        print(f"one small file, fsynced alone   {one_fsync(Path(name)) * 1e3:6.2f} ms")
        for title, (took, worked) in {
            "first, staged a month at once": first,
            "first, staged day by day": alone_each,
            "one value restated, its revision kept": restated,
            "every value restated, exchanged": exchanged,
            "every value restated, make-before-break": swapped,
        }.items():
            times = f"{took / DAYS * 1e3:6.2f} ms, {worked / DAYS * 1e3:6.2f} ms of the processor"
            print(f"a day of 5m bars, {title:39} {times}   {DAYS / took:6.0f} days a second")


if __name__ == "__main__":
    main()
