"""Bytes of bars, labels and weights are what they were, or whoever changed them has said so in their digests.

Those of features: test_p2_features_golden.py. After a change that is meant: `python -m tests.test_lake_golden` prints
the table below anew.
"""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path

import numpy as np
import pytest

from lake import commit, days
from lake.layout import Shelf
from lake.span import Span
from meta.columns import KEYS
from meta.timeframes import day_start
from p1_ingest.http import Sender
from p1_ingest.ingest import ingest
from p1_ingest.sim.server import SimVenue
from p1_ingest.sources.coinglass import sim_source
from p1_ingest.wanted import Choice
from p3_labels import build, weights
from p3_labels.rules import rules
from tests import lakes, market
from tests.p3_tape import random_bars
from tests.test_p2_features_golden import LIBRARIES, SCALARS, libraries, scalars

AGAIN = "then run `python -m tests.test_lake_golden` and put what it prints into this test"
LENGTH = 6
GOLDEN = {
    "bars": ("b1d8789b2dca6f82", "f95d8b37af2ad8ae"),
    "labels": ("e91760f33e67330b", "fb142ee752555b5e"),
    "weights": ("c023bf2813a8e54a", "cbe4cdbd156af5aa"),
}


def ingested(root: Path) -> Shelf:
    """Two days of the made-up market, as its venue tells them."""
    shelf, some = lakes.a_shelf(root, "1h"), lakes.the_days(2)
    now = day_start(some[-1]) + 7 * 86_400_000
    with SimVenue(clock=lambda: now) as venue:
        source = sim_source(venue.url)
        with Sender(source.hosts, pools=source.pools) as sender:
            ingest(source, sender, shelf, some, Choice(), lambda: now)
    return shelf


def labelled(root: Path) -> Shelf:
    """Days of labels on a walk with gaps, every bar of it an event."""
    bars, features = lakes.a_shelf(root, "15m"), lakes.a_shelf(root, "15m", dataset="features")
    tape, some = random_bars(np.random.default_rng(5), LENGTH * bars.tf.per_day), market.the_days(LENGTH)
    market.commit_bars(bars, {"open": tape.open, "high": tape.high, "low": tape.low, "close": tape.close}, some)
    with commit.writing(features) as writer:
        for day in some:
            writer.stage(day, days.need(bars, day).table([column.name for column in KEYS]), lakes.SOURCE)
        writer.publish()
    shelf = lakes.a_shelf(root, "15m", dataset="labels")
    build.build(build.Work(shelf, features, bars, rules(k=3.0)), Span())
    return shelf


def weighed(root: Path) -> Shelf:
    """The weights of these labels."""
    labels = labelled(root)
    shelf, bars = (lakes.a_shelf(root, "15m", dataset=name) for name in ("weights", "bars"))
    weights.build(weights.Work(shelf, labels, bars, rules().barriers.H), Span())
    return shelf


MADE = {"bars": ingested, "labels": labelled, "weights": weighed}


def made(name: str, root: Path) -> tuple[str, str]:
    """Digests of the rules these days were made by, and of the bytes of their parts."""
    shelf = MADE[name](root)
    known, sha = days.committed(shelf), hashlib.sha256()
    assert len({entry.code for entry in known.values()}) == 1
    assert sum(entry.rows for entry in known.values()) > 40
    for day in known:
        sha.update(days.need(shelf, day).data)
    return next(iter(known.values())).code[:16], sha.hexdigest()[:16]


@pytest.mark.parametrize("name", MADE)
def test_bytes_of_days_change_only_with_the_rules_or_with_version(tmp_path: Path, name: str) -> None:
    if scalars() != SCALARS or libraries() != LIBRARIES:
        pytest.skip(f"recorded with {LIBRARIES}, this is {libraries()}, or another C library")
    code, data = made(name, tmp_path)
    if data == GOLDEN[name][1]:
        return
    assert code != GOLDEN[name][0], (
        f"{name} have other bytes than before, and their code digest does not say so: raise the VERSION of {name!r} in "
        f"meta/datasets.py if that is meant, so that days made before are made anew; {AGAIN}"
    )
    pytest.fail(f"{name} have other bytes than before, and their code digest says so; {AGAIN}")


if __name__ == "__main__":
    for one in MADE:
        with tempfile.TemporaryDirectory() as folder:
            print(f'    "{one}": {made(one, Path(folder))!r},'.replace("'", '"'))
