"""Writers that go on until somebody kills them: the work of a child process."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import date
from multiprocessing.connection import Connection
from pathlib import Path

from lake import commit
from tests import lakes
from tests.tap import Tap, tapped


def rewriting(pipe: Connection, root: Path, wanted: Sequence[date], mode: str) -> None:
    """Rewrite these days for ever, two values by turns."""
    shelf, turn = lakes.a_shelf(root), 0
    tables = [{day: lakes.a_day(day, seed=seed) for day in wanted} for seed in (1, 2)]
    with tapped(Tap(root), mode):
        while True:
            turn += 1
            with commit.writing(shelf, wait=30) as writer:
                for day, table in tables[turn % 2].items():
                    writer.stage(day, table, lakes.SOURCE)
                writer.publish()


def rewriting_some(pipe: Connection, root: Path, wanted: Sequence[date], seed: int) -> None:
    """Rewrite some of these days, chosen by chance, for ever."""
    rng, shelf = random.Random(seed), lakes.a_shelf(root)
    while True:
        with commit.writing(shelf, wait=30) as writer:
            for day in sorted(rng.sample(wanted, rng.randint(1, 4))):
                writer.stage(day, lakes.a_day(day, seed=rng.randrange(1 << 30)), lakes.SOURCE)
            writer.publish()
