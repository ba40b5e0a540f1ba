"""What it costs to keep what a rewritten day said, beside rewriting it and keeping nothing: processor time a day.

python -m bench.lake_revisions [FOLDER]      on the disk of FOLDER (default: the lake's own)

A month of 5m days is rewritten again and again, with a few cells of each day changed, as a tail refresh does, or all of
them; both sides in turn. Then the lake of before is made again, and everything that was kept is proved.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from statistics import median

import pyarrow as pa

from lake import commit, revised, revisions
from lake.frozen import frozen
from lake.layout import Shelf
from meta.columns import BARS
from tests import lakes
from tests.test_lake_changes import with_cell

DAYS, ROUNDS = 31, 7
Tables = Mapping[date, pa.Table]


def restated(table: pa.Table) -> pa.Table:
    """The same day with a value of four columns changed."""
    for i, name in enumerate(("close", "volume", "oi_now", "funding_now")):
        table = with_cell(table, name, 40 * i, table.column(name)[40 * i].as_py() + 1)
    return table


@contextmanager
def forgetting() -> Iterator[None]:
    """Keep nothing."""
    kept, revisions.are_kept = revisions.are_kept, lambda shelf: False
    try:
        yield
    finally:
        revisions.are_kept = kept


def took(work: Callable[[], object]) -> float:
    """Processor milliseconds a day."""
    began = time.process_time()
    work()
    return (time.process_time() - began) / DAYS * 1e3


def write(shelf: Shelf, tables: Tables) -> None:
    """Put these days in their place, in one batch."""
    with commit.writing(shelf) as writer:
        for day, table in tables.items():
            writer.stage(day, table, lakes.SOURCE)
        writer.publish()


def compared(shelf: Shelf, base: Tables, other: Tables) -> tuple[float, float]:
    """A rewrite that keeps, and one that does not: medians of rounds in turn."""
    keeping, not_keeping = [], []
    for _ in range(ROUNDS):
        with forgetting():
            write(shelf, base)
            not_keeping.append(took(lambda: write(shelf, other)))
            write(shelf, base)
        keeping.append(took(lambda: write(shelf, other)))
    return median(keeping), median(not_keeping)


def known(shelf: Shelf, base: Tables, other: Tables) -> tuple[float, float]:
    """The lake of before made again, and all that was kept of it proved."""
    write(shelf, base)
    when = datetime.now(UTC).isoformat()
    write(shelf, other)
    return took(lambda: frozen(shelf.root, when)), took(lambda: list(revised.faults(shelf.root)))


def main() -> None:
    """Measure and print."""
    where = sys.argv[1] if len(sys.argv) > 1 else None
    base = {day: lakes.a_day(day, "5m", columns=BARS) for day in lakes.the_days(DAYS)}
    few = {day: restated(table) for day, table in base.items()}
    every = {day: lakes.a_day(day, "5m", columns=BARS, seed=1) for day in base}
    for what, other in (("4 cells", few), (f"all {288 * (len(BARS) - 2):,}", every)):
        with tempfile.TemporaryDirectory(dir=where) as name:
            shelf = lakes.a_shelf(Path(name), "5m")
            write(shelf, base)
            keeping, plain = compared(shelf, base, other)
            told = f"{keeping:6.2f} ms a day, {plain:6.2f} without keeping: {keeping / plain:.2f} times"
            print(f"rewritten with {what:10} changed  {told}")
            back, proof = known(shelf, base, other)
            print(f"                                    {back:6.2f} ms a day made again, {proof:6.2f} proved")


if __name__ == "__main__":
    main()
