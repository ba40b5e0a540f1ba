"""Writers are killed at random while readers verify every byte they get: nothing torn, nothing lost, nothing grows.

python -m tests.soak --seconds 600
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path

import click

from lake import catalog, commit, days
from lake.layout import Shelf
from meta.errors import PerplakeError
from tests import children, lakes
from tests.writers import rewriting_some

WANTED = lakes.the_days(12)
ROWS = 24
SAMPLE = 0.5  # seconds between two looks at what the readers hold


@dataclass
class Report:
    """What happened: kills, publishes that were told, reads, queries; what was wrong; and what the readers held."""

    kills: int = 0
    publishes: int = 0
    reads: int = 0
    queries: int = 0
    wrong: list[str] = field(default_factory=list)
    held: list[tuple[int, int]] = field(default_factory=list)  # resident bytes and descriptors of the readers
    left: int = 0  # files under .lake at the end, the log and locks apart

    def grown(self) -> tuple[float, int]:
        """By which share did the readers' memory grow, and by how many their descriptors, over the later two thirds?"""
        later = self.held[len(self.held) // 3 :]
        if len(later) < 2:
            return 0.0, 0
        (memory, files), (memory_then, files_then) = later[0], later[-1]
        return memory_then / memory - 1, files_then - files

    def line(self) -> str:
        """The report for people."""
        memory, files = self.grown()
        return (
            f"{self.kills:,} writers killed, {self.publishes:,} publishes, {self.reads:,} verified reads, "
            f"{self.queries:,} queries: {len(self.wrong)} wrong; memory {memory:+.1%}, descriptors {files:+d}, "
            f"{self.left} leftovers"
        )


def read(pipe: Connection, root: Path, most: int | None) -> None:
    """Read days, each against its manifest, and tell how many and what was wrong."""
    rng, shelf, count = random.Random(os.getpid()), lakes.a_shelf(root), 0
    wrong: list[str] = []
    while not pipe.poll() and (most is None or count < most):
        for _ in range(200):
            wrong += _read(shelf, rng)
            count += 1
    pipe.send(("reads", count, wrong[:20]))


def _read(shelf: Shelf, rng: random.Random) -> Iterator[str]:
    day = rng.choice(WANTED)
    try:
        found = days.read(shelf, day)
    except PerplakeError as error:
        yield str(error)
        return
    if found is None:
        yield f"{day} is lost"
    elif rng.random() < 0.02 and found.table().num_rows != ROWS:
        yield f"{day} has {found.table().num_rows} rows"


def ask(pipe: Connection, root: Path, most: int | None) -> None:
    """Query the lake: every day is there, twice over, in one state."""
    count = 0
    wrong: list[str] = []
    sql = "SELECT count(*) - (SELECT count(*) FROM bars_1h), sum(close) - (SELECT sum(close) FROM bars_1h) FROM bars_1h"
    while not pipe.poll() and (most is None or count < most):
        try:
            with catalog.opened(root) as lake:
                row = lake.sql(sql).fetchall()[0]
            if row != (0, 0.0):
                wrong.append(f"a query saw two states: {row}")
        except PerplakeError as error:
            wrong.append(str(error))
        count += 1
    pipe.send(("queries", count, wrong[:20]))


def soak(root: Path, seconds: float | None, kills: int | None, seed: int = 1, reads: int | None = None) -> Report:
    """Kill writers until the time or the number of kills is used up; readers go on meanwhile."""
    report, rng, shelf = Report(), random.Random(seed), lakes.a_shelf(root)
    lakes.committed(shelf, WANTED)
    longest = children.LONGEST + (seconds or 0)
    with (
        children.running(read, root, reads, longest=longest) as one,
        children.running(ask, root, None, longest=longest) as other,
    ):
        readers = [one, other]
        until = time.monotonic() + (seconds or longest)
        sampled = 0.0
        while time.monotonic() < until and (kills is None or report.kills < kills):
            with children.running(rewriting_some, root, WANTED, rng.randrange(1 << 30)) as writer:
                writer.process.join(rng.choice((0.02, 0.1, 0.3, 1.0)) * rng.random())
            report.kills += 1
            if time.monotonic() - sampled > SAMPLE:
                sampled = time.monotonic()
                memory, files = zip(*(_held(reader.pid) for reader in readers), strict=True)
                report.held.append((sum(memory), sum(files)))
        for reader in readers:
            reader.pipe.send("enough")
            kind, count, wrong = reader.said()
            setattr(report, kind, count)
            report.wrong += wrong
    with commit.writing(shelf):
        pass  # the next run clears what the last one left
    report.publishes = len(lakes.told(root)) - len(WANTED)
    report.left = len(lakes.staged(root))
    return report


def _held(pid: int) -> tuple[int, int]:
    """Resident bytes and open descriptors."""
    at = Path(f"/proc/{pid}")
    if not at.exists():
        return 0, 0
    pages = int((at / "statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE"), len(list((at / "fd").iterdir()))


@click.command()
@click.option("--seconds", type=float, default=600.0, show_default=True, help="For how long.")
@click.option("--seed", type=int, default=1, help="Another seed, other kills.")
def main(seconds: float, seed: int) -> None:
    """Kill writers at random for a while, and show what readers saw."""
    with lakes.scratch() as root:
        report = soak(root, seconds, None, seed)
    click.echo(report.line())
    for line in report.wrong:
        click.echo(f"wrong: {line}")
    memory, files = report.grown()
    raise SystemExit(1 if report.wrong or report.left or memory > 0.05 or files > 2 else 0)


if __name__ == "__main__":
    main()
