"""Whatever takes `--as-of` gives what it gave then: each read, each export and each build, by command and by Python."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import click
import numpy as np
import polars as pl
import pyarrow.parquet as pq
import pytest

import lake
import p3_labels
from lake import days, universes
from lake.asof import place_of
from lake.frozen import instant
from meta.universe import Snapshot, Universe
from tests import lakes, p3_lake
from tests.export_lake import kept
from tests.mains import GROUPS, called
from tests.p3_lake import EVERY, SYMBOLS, TF
from tests.test_lake_changes import with_cell

NAME, CHANGED = SYMBOLS[0], EVERY[40]
FOLDS = Path("folds") / TF / "main"
BOTH = f"--symbol {','.join(SYMBOLS)} --tf {TF}"
BUILDS = (
    f"p2_features build {BOTH}",
    f"p3_labels triple-barrier {BOTH} --k 4",
    f"p3_labels weights {BOTH}",
    f"p3_labels folds {BOTH} --k 4 --embargo 4h",
)
EXPORTS = ("candles", "funding", "oi", "all", "features", "labels", "train")
OTHERS = ("lake query", "lake shell", "reports html", "reports universe-export")


class Then:
    """A lake whose bars were restated, the lake as it stood before, and the instant between the two."""

    def __init__(self, folder: Path) -> None:
        self.root, self.before = p3_lake.whole(folder / "lake"), p3_lake.whole(folder / "before")
        self.when = instant(datetime.now(UTC).isoformat(), datetime.now(UTC))
        bars = p3_lake.shelf(self.root, "bars")
        read = days.need(bars, CHANGED)
        kept(bars, {CHANGED: with_cell(read.table(), "close", 5, 1.5)})
        self.told = [called(f"{line} --lake {self.root} --as-of {self.when}") for line in BUILDS]

    def place(self) -> Path:
        """Where is the lake as of then?"""
        return place_of(self.root, self.when)


@pytest.fixture(scope="module")
def then() -> Iterator[Then]:
    with lakes.scratch() as folder:
        yield Then(folder)


def test_builds_as_of_then_make_the_very_days_that_stood_there_then(then: Then) -> None:
    assert [code for code, _ in then.told] == [0] * len(BUILDS), then.told
    made, stood = lakes.day_folders(then.place()), lakes.day_folders(then.before)
    assert made.keys() == stood.keys()
    assert [path for path in made if made[path] != stood[path]] == []
    for name in ("folds.parquet", "rows.parquet"):
        assert (then.place() / FOLDS / name).read_bytes() == (then.before / FOLDS / name).read_bytes()


def test_exports_as_of_then_hold_what_the_lake_held_then(then: Then, tmp_path: Path) -> None:
    held = lake.load(NAME, TF, lake=then.before)["close"].to_list()
    for kind in EXPORTS:
        line = f"reports export {kind} --coin BTC --format parquet --output {tmp_path / kind} --lake {then.root}"
        line += "" if kind in ("funding", "oi") else f" --intervals {TF}"
        assert called(f"{line} --as-of {then.when}")[0] == 0
        (path,) = (tmp_path / kind).glob("*.parquet")
        table = pq.read_table(path)
        if kind in ("candles", "all"):
            assert table.column("close").to_pylist() == held
        else:
            assert table.num_rows == len(READS[kind](lake=then.before) if kind in READS else held)


def test_a_page_as_of_then_tells_of_the_lake_of_then(then: Then, tmp_path: Path) -> None:
    line = f"reports html --symbol {NAME} --tf {TF} --days 5 --output {tmp_path} --lake {then.root} --as-of {then.when}"
    assert called(line)[0] == 0
    (page,) = [path for path in tmp_path.rglob("*.json") if NAME in path.name]
    parts = json.loads(page.read_bytes())["sections"]["restatements"]["parts"]
    assert parts["restated"]["rows"] == parts["rewrites"]["rows"] == [], "then nothing had been restated"
    assert "first-seen" not in parts, "of a lake of then no first values are asked for"


def test_the_shell_as_of_then_answers_from_the_lake_of_then(then: Then, monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(more: object) -> tuple[int, str]:
        monkeypatch.setattr(sys, "stdin", io.StringIO(f"SELECT min(close) FROM bars_{TF} WHERE symbol = '{NAME}';"))
        code, told = called(f"lake shell --lake {more}")
        return code, "".join(line for line in told.splitlines(keepends=True) if "│" in line)

    assert answer(f"{then.root} --as-of {then.when}") == answer(then.before) != answer(then.root)


def test_a_universe_as_of_then_is_exported_as_it_was(then: Then, tmp_path: Path) -> None:
    day = str(CHANGED)
    told_at = "2026-02-21T00:00:00+00:00"
    universes.write(tmp_path / "u.json", Universe("2.1", SYMBOLS, day, day, (Snapshot(day, SYMBOLS, {}),), told_at))
    line = f"reports universe-export --universe-file {tmp_path / 'u.json'} --source-freq {TF} --no-include-metrics"
    found = []
    for more in (f"{then.root} --as-of {then.when}", then.root):
        assert called(f"{line} --export-base-path {tmp_path} --lake {more}")[0] == 0
        (path,) = set(tmp_path.rglob("cls/*.npy")) - {one for one, _ in found}
        found.append((path, np.load(path)[0]))
    bars = lake.load(NAME, TF, CHANGED, CHANGED, then.before)
    assert found[0][1].tolist()[:6] == bars["close"].to_list()[:6] and found[1][1][5] == 1.5
    assert then.place().name in str(found[0][0]), "neither takes the place of the other"


READS: dict[str, Callable[..., Any]] = {
    **{
        of: lambda of=of, **more: lake.load(NAME, TF, of=of, **more) for of in ("bars", "features", "labels", "weights")
    },
    "train": partial(lake.train_table, NAME, TF),
    "folds": partial(lake.folds, TF),
    "bars with their reach": partial(p3_labels.load, NAME, TF),
}


@pytest.mark.parametrize("what", READS)
def test_python_reads_the_lake_of_then(then: Then, what: str) -> None:
    found = READS[what](lake=then.root, as_of=then.when)
    assert isinstance(found, pl.DataFrame) and len(found)
    assert found.equals(READS[what](lake=then.before))
    if what.startswith("bars"):
        assert not found.equals(READS[what](lake=then.root))


def test_every_command_that_takes_an_instant_is_tried_here() -> None:
    def leaves(group: click.Command, name: str) -> Iterator[tuple[str, click.Command]]:
        for word, command in getattr(group, "commands", {"": group}).items():
            yield from [(name, command)] if not word else leaves(command, f"{name} {word}")

    taking = {
        name
        for package, group in GROUPS.items()
        for name, command in leaves(group, package)
        if any("--as-of" in option.opts for option in command.params)
    }
    tried = {" ".join(line.split()[:2]) for line in BUILDS} | {f"reports export {kind}" for kind in EXPORTS}
    assert taking == tried | set(OTHERS), "OTHERS: a claim above, `lake query` in test_lake_frozen.py"
