"""How long do whole commands take, and how much memory? `python -m bench.p2_commands`

Each runs in a process of its own: wall time, processor time of all its threads, and the most memory it held. `--help`
of every command first; then the P2 build of 80 days (23,040 bars) and of 730 days of one symbol, kernels compiled
before, whole: start-up, reading, computing, writing with every fsync. Last the first run ever, with an empty kernel
cache. The limits are for a machine with nothing else to do.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from bench.p2_live import market as columns
from lake.layout import Shelf, shelf
from meta.datasets import DATASETS
from meta.timeframes import timeframe

TF, FIRST, ROUNDS = timeframe("5m"), date(2023, 1, 1), 3
GROUPS = ("p1_ingest.cli", "p2_features.cli", "p3_labels.cli", "lake.commands", "reports.cli")
BUILD = ("p2_features", "build", "--symbol", "BTCUSDT", "--tf", "5m", "--lake")


@dataclass(frozen=True)
class Run:
    """What one process took: seconds of wall and of processor, MiB at most."""

    wall: float
    cpu: float
    memory: float

    def line(self, limit: float | None = None) -> str:
        """How is it told?"""
        verdict = f"   (limit {limit:g} s)" if limit else ""
        return f"{self.wall:7.2f} s wall {self.cpu:7.2f} s processor {self.memory:7.0f} MiB{verdict}"


def ran(*command: str, cache: str | None = None) -> Run:
    """Run it to its end. Raises where it fails."""
    env = {**os.environ, **({"NUMBA_CACHE_DIR": cache} if cache else {})}
    null = os.open(os.devnull, os.O_RDWR)
    began = time.perf_counter()
    actions = [(os.POSIX_SPAWN_DUP2, null, 1), (os.POSIX_SPAWN_DUP2, null, 2)]
    child = os.posix_spawn(sys.executable, [sys.executable, "-m", *command], env, file_actions=actions)
    _, status, used = os.wait4(child, 0)
    wall = time.perf_counter() - began
    os.close(null)
    if status:
        raise SystemExit(f"python -m {' '.join(command)} ended with {os.waitstatus_to_exitcode(status)}")
    return Run(wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


def every_command() -> list[list[str]]:
    """Each phase, and each of its commands."""
    import importlib

    import click

    found: list[list[str]] = []
    for where in GROUPS:
        phase, group = where.split(".")[0], importlib.import_module(where).commands
        found.append([phase])
        found += [[phase, name] for name in group.list_commands(click.Context(group))]
    return found


def helps() -> None:
    """The slowest --help."""
    taken = []
    for command in every_command():
        runs = [ran(*command, "--help") for _ in range(ROUNDS)]
        taken.append((min(run.wall for run in runs), min(run.cpu for run in runs), " ".join(command)))
    wall, cpu, name = max(taken)
    print(f"{'--help, the slowest of ' + str(len(taken)):<34}{wall * 1000:5.0f} ms wall {cpu * 1000:5.0f} ms processor"
          f"   (limit 200 ms): {name}")  # fmt: skip
    print(f"{'--help, the median':<34}{statistics.median(took[0] for took in taken) * 1000:5.0f} ms wall")


def filled(root: Path, count: int) -> None:
    """A lake of one symbol with so many days of bars."""
    from tests.market import commit_bars, the_days

    bars: Shelf = shelf(root, DATASETS["bars"], TF, "BTCUSDT")
    commit_bars(bars, columns(count * TF.per_day, 1), the_days(count, FIRST), FIRST)


def builds(scratch: Path) -> None:
    """P2 of 80 and of 730 days."""
    for count, limit in ((80, 1.5), (730, 5.0)):
        runs = []
        for number in range(ROUNDS):
            root = scratch / f"{count} {number}"
            filled(root, count)
            runs.append(ran(*BUILD, str(root)))
        best = min(runs, key=lambda run: run.wall)
        print(f"{f'P2 build of {count} days':<34}{best.line(limit)}")
        again = ran(*BUILD, str(root))
        print(f"{'the same again, nothing to do':<34}{again.line()}")


def first_run(scratch: Path) -> None:
    """The build of 80 days where no kernel has ever been compiled."""
    root = scratch / "first"
    filled(root, 80)
    took = ran(
        "p2_features", "build", "--symbol", "BTCUSDT", "--tf", "5m", "--lake", str(root), cache=str(scratch / "c")
    )
    print(f"{'P2 build of 80 days, first run ever':<34}{took.line(15)}")


def main() -> None:
    """Measure, and print."""
    helps()
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        filled(scratch / "warm", 70)
        ran(*BUILD, str(scratch / "warm"))
        builds(scratch)
        first_run(scratch)


if __name__ == "__main__":
    main()
