"""Queries while days are rewritten: `python -m tests.query_soak [SECONDS]`, or `make soak-query`.

One process rewrites every day of a lake five times a second, each generation with one price throughout. Readers ask by
the path `lake query` takes: queries that scan the lake once, twice, and twice with work in between, from milliseconds
to ten seconds. An answer that holds two prices is mixed. A last reader goes by the plain catalog, which promises whole
days and no more: what it meets shows that the question can fail.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import duckdb
import pyarrow as pa

from lake import catalog, commit
from meta.errors import PerplakeError
from tests import lakes

PROJECT = Path(__file__).resolve().parent.parent
DAYS, TF = 12, "1h"
RATE = 5  # rewrites a second
GRACE = 25  # seconds beyond its own time until a writer has ended
SECONDS = (*(0.0,) * 24, *(0.03,) * 6, *(0.3,) * 3, 3.0, 9.5)  # of work between two scans, in turn
ONCE = "SELECT min(close), max(close) FROM bars_1h"
TWICE = "SELECT (SELECT min(close) FROM bars_1h), (SELECT max(close) FROM bars_1h)"
# The second scan begins once the work is done, since its filter needs what comes out.
APART = """WITH work AS MATERIALIZED (SELECT count(*) * 0 AS nothing FROM range({work}) t(i) WHERE hash(i) <> 0),
     before AS MATERIALIZED (SELECT max(close) AS price FROM bars_1h)
SELECT (SELECT price FROM before), (SELECT min(close) FROM bars_1h WHERE close > (SELECT nothing FROM work))"""


@dataclass
class Asked:
    """What readers met: answers, mixed ones, errors, generations seen, and how long each query took."""

    mixed: list[tuple[float, float]] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    seen: set[float] = field(default_factory=set)
    seconds: list[float] = field(default_factory=list)

    def ask(self, root: Path, sql: str, opened: Callable[[Path], object] | None = None) -> None:
        """Ask once, and keep what came of it."""
        start = time.monotonic()
        try:
            with opened(root) if opened else catalog.opened(root, asked=sql) as lake:  # type: ignore[attr-defined]
                low, high = lake.sql(sql).fetchall()[0]
        except (PerplakeError, duckdb.Error, OSError) as error:
            self.errors.append(str(error))
            return
        self.seconds.append(time.monotonic() - start)
        self.seen |= {low, high}
        if low != high:
            self.mixed.append((low, high))


def prepared(root: Path) -> None:
    """A lake of the first generation, and its catalog."""
    rewritten(root, 1)
    catalog.refresh(root)


def rewritten(root: Path, generation: int) -> None:
    """Every day anew, in one refresh, with this price throughout."""
    shelf = lakes.a_shelf(root, TF)
    with commit.writing(shelf, wait=60) as writer:
        for day in lakes.the_days(DAYS):
            table = lakes.a_day(day, TF)
            at = table.column_names.index("close")
            table = table.set_column(at, table.field(at), pa.array([float(generation)] * table.num_rows))
            writer.stage(day, table, lakes.SOURCE)
        writer.publish()


def write(root: Path, most: int, seconds: float) -> None:
    """Rewrite RATE times a second for so long, or (0 seconds) so many times as fast as it goes; tell how often, and how
    long the longest took."""
    longest, done, due = 0.0, 0, time.monotonic()
    until = due + seconds if seconds else None
    while done < most and (until is None or time.monotonic() < until):
        start = time.monotonic()
        rewritten(root, done + 2)
        done, longest = done + 1, max(longest, time.monotonic() - start)
        if until is not None:
            due += 1 / RATE
            time.sleep(max(0.0, due - time.monotonic()))
    sys.stdout.write(f"{done} {longest}")


def rows_a_second() -> float:
    """How many rows does this machine count in a second, just now?"""
    start, rows = time.monotonic(), 2 * 10**7
    duckdb.sql(f"SELECT count(*) FROM range({rows}) t(i) WHERE hash(i) <> 0").fetchall()
    return rows / (time.monotonic() - start)


@contextmanager
def writer(root: Path, most: int = 1_000_000, seconds: float = 0) -> Iterator[subprocess.Popen[str]]:
    """The rewriting, in a process of its own."""
    words = ["write", str(root), str(most), str(seconds)]
    line = [sys.executable, "-m", "tests.query_soak", *words]
    with subprocess.Popen(line, cwd=PROJECT, stdout=subprocess.PIPE, text=True) as child:
        try:
            yield child
        finally:
            child.kill()


def rewrites(child: subprocess.Popen[str], seconds: float) -> tuple[int, float]:
    """How often did the writer rewrite, and how long did the longest take? It gets so long, and GRACE, to end."""
    done, longest = child.communicate(timeout=seconds + GRACE)[0].split()
    return int(done), float(longest)


def ended(readers: Sequence[threading.Thread], within: float = GRACE) -> bool:
    """Has each of these come to the end of the query it was at?"""
    until = time.monotonic() + within
    for reader in readers:
        reader.join(max(0.0, until - time.monotonic()))
    return not any(reader.is_alive() for reader in readers)


def queries(asked: Asked, root: Path, child: subprocess.Popen[str], work: tuple[int, ...]) -> None:
    """Ask in turn for as long as the writer works."""
    turn = 0
    while child.poll() is None:
        for sql in (ONCE, TWICE, APART.format(work=work[turn % len(work)])):
            asked.ask(root, sql)
        turn += 1


def soak(seconds: float) -> tuple[Asked, Asked, float, int]:
    """What two readers and a plain one met in that time, the longest rewrite, and the number of rewrites."""
    ours, plain = Asked(), Asked()
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        prepared(root)

        @contextmanager
        def by_catalog(root: Path) -> Iterator[duckdb.DuckDBPyConnection]:
            with duckdb.connect(str(catalog.path_for(root)), read_only=True) as connection:
                yield connection

        def plainly() -> None:
            while child.poll() is None:
                plain.ask(root, TWICE, by_catalog)

        with writer(root, seconds=seconds) as child:
            work = tuple(round(rows_a_second() * seconds) for seconds in SECONDS)
            readers = [threading.Thread(target=queries, args=(ours, root, child, work[i:] + work[:i])) for i in (0, 18)]
            readers.append(threading.Thread(target=plainly))
            for reader in readers:
                reader.daemon = True  # one that hangs fails, and does not keep the process
                reader.start()
            done, longest = rewrites(child, seconds)
            assert ended(readers, 120), "a query did not end within two minutes"
    return ours, plain, longest, done


def main() -> None:
    """Soak, and tell what came of it; exit 1 where an answer was mixed or failed."""
    if sys.argv[1:2] == ["write"]:
        write(Path(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]))
        return
    seconds = float(sys.argv[1]) if sys.argv[1:] else 120
    ours, plain, longest, done = soak(seconds)
    took = sorted(ours.seconds)
    print(f"{done} rewrites of {DAYS} days, {RATE} a second asked for; the longest took {longest:.1f} s")
    span = f"{took[0] * 1000:.0f} ms to {took[-1]:.1f} s"
    print(f"lake query: {len(took):,} answers in {span}, of {len(ours.seen)} generations")
    print(f"lake query: {len(ours.mixed)} mixed, {len(ours.errors)} errors")
    print(f"plain catalog: {len(plain.seconds):,} answers, {len(plain.mixed)} mixed, {len(plain.errors)} errors")
    for line in ours.errors[:3]:
        print(line)
    sys.exit(bool(ours.mixed or ours.errors))


if __name__ == "__main__":
    main()
