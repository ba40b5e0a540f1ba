"""Are the restatements of a real archive all found? `python -m scripts.real_restated FOLDER [SYMBOL …]`

FOLDER is laid out as data.binance.vision. A copy of it is served on loopback, all days it has daily klines of are
ingested, features and labels built of them, and the lake is copied. Then, in two rounds, monthly files are put in their
place again with cells of a few days altered (one month with none), a funding rate too, and `--refresh` is run. Asked:

    is every altered cell told by the view `revisions`, and none that was not?
    is the lake as of instants of before, between and after the rounds the copy that was taken then, byte for byte?
    does `status` name exactly the days made of altered ones, and does a build touch exactly those?
    are features and labels as of the first instant those that stood there?
    what does a refresh cost that finds nothing, and does it touch anything?

All of it by commands, as a user runs them, in a temporary folder. Exit 1 where an answer is no.
"""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np

import lake
from lake import catalog, days, fresh, layout, notes, settings, status
from lake.asof import place_of
from lake.frozen import frozen, instant
from lake.layout import Shelf
from meta.datasets import DATASETS
from meta.timeframes import timeframe
from scripts.real_year import wanted
from scripts.restating import Planted, Restating
from tests import lakes
from tests.mirror import Mirror, mirrored

TF = timeframe("5m")
DAYS, BARS = 3, 12  # of each symbol, restated in each round
KINDS = ("bars", "features", "labels")
Copy = dict[str, dict[str, bytes]]


class Run:
    """One lake, the archive it is of, and what was found."""

    def __init__(self, root: Path, archive: Restating, symbols: Sequence[str], span: Sequence[date]) -> None:
        self.root, self.archive, self.symbols, self.span = root, archive, symbols, span
        self.well, self.planted = True, list[Planted]()
        self.copies: list[tuple[str, Copy]] = []

    def say(self, what: str, holds: bool) -> None:
        """Tell an answer, and remember a no."""
        print(f"  {'yes' if holds else 'NO '}  {what}", flush=True)
        self.well = self.well and holds

    def call(self, words: str) -> float:
        """Run a command of ours; the processor seconds it took."""
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        line = [sys.executable, "-m", *words.split(), "--lake", str(self.root), "--symbol", ",".join(self.symbols)]
        done = subprocess.run(line, cwd=settings.PROJECT, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"{' '.join(line)} ended with {done.returncode}: {done.stderr[-600:]}")
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    def ingest(self, more: str = "") -> float:
        """Ask the archive for all days."""
        return self.call(
            f"p1_ingest ingest --source binance --tf {TF} --start {self.span[0]} --end {self.span[-1]} {more}"
        )

    def build(self, more: str = "") -> float:
        """Make features and labels."""
        return self.call(f"p2_features build --tf {TF} {more}") + self.call(
            f"p3_labels triple-barrier --tf {TF} {more}"
        )

    def shelves(self, kind: str) -> list[Shelf]:
        """This dataset's, of all symbols."""
        return [layout.shelf(self.root, DATASETS[kind], TF, name) for name in self.symbols]

    def copy(self) -> None:
        """Take a copy of all days, and note the instant."""
        copied = lakes.day_folders(self.root)
        self.copies.append((instant(datetime.now(UTC).isoformat(), datetime.now(UTC)), copied))


@contextmanager
def _venue(root: Path) -> Iterator[str]:
    """The archive on loopback, and nothing else anywhere."""
    with mirrored(Mirror(root, validators=("etag", "last-modified"))) as url:
        names = ("VISION", "FAPI", "SPOT", "LISTING")
        os.environ.update({f"BINANCE_{name}_URL": url for name in names})
        yield url


def inodes(root: Path) -> dict[str, tuple[int, int]]:
    """Every file of every committed day: what changes when it is written."""
    found = [path for kind in KINDS for path in (root / DATASETS[kind].folder).glob("*/*/y=*/m=*/d=*/*")]
    known = {str(path): path.stat() for path in found}
    return {name: (one.st_ino, one.st_ctime_ns) for name, one in known.items()}


def restated(run: Run, turn: int) -> None:
    """Alter, refresh, and take a copy."""
    half, random = len(run.span) // 2, np.random.default_rng(turn)
    for name in run.symbols:
        start = len(run.span) // 4 + 20 * turn
        some = sorted(random.choice(run.span[start:half], DAYS, replace=False).tolist())
        run.planted += run.archive.restate(name, some, BARS)
        if (told := run.archive.settle(name, some[0])) is not None:
            run.planted += _funding(run, name, *told)
    run.archive.rewrite(run.symbols[0], f"{run.span[-40]:%Y-%m}")
    print(f"round {turn + 1}: {len(run.planted):,} cells altered by now; refresh {run.ingest('--refresh'):.1f} CPU s")
    run.copy()


def _funding(run: Run, name: str, stamp: int, old: float, new: float) -> Iterator[Planted]:
    """A rate stands at every bar from its settlement to the next."""
    held = lake.load(name, TF.name, lake=run.root, as_="numpy")
    settled, ts = (held[column].astype("datetime64[ms]").astype(np.int64) for column in ("funding_ts", "ts"))
    for close in ts[settled == stamp].tolist():
        yield Planted(name, close, "funding_now", old, new)


def told(run: Run) -> list[Planted]:
    """What does the view tell?"""
    with catalog.opened(run.root) as connection:
        rows = connection.sql('SELECT symbol, epoch_ms(ts), "column", old, new FROM revisions').fetchall()
    return [Planted(*row) for row in rows]


def as_of(run: Run, more: int) -> None:
    """Is the lake as of each copy's instant, and of some between, that copy?"""
    random, same, n = np.random.default_rng(7), 0, 0
    for i, (when, copied) in enumerate(run.copies):
        start = datetime.fromisoformat(when)
        end = datetime.fromisoformat(run.copies[i + 1][0]) if i + 1 < len(run.copies) else datetime.now(UTC)
        quiet = min((end - start) / 1000, timedelta(milliseconds=20))  # before the next round's first publish
        bars = {path: files for path, files in copied.items() if path.startswith("parquet/")}
        for moment in [start, *(start + quiet * float(random.random()) for _ in range(more))]:
            same += lakes.day_folders(frozen(run.root, moment.isoformat()).root) == bars
            n += 1
    run.say(f"as of {n} instants the bars are those that were copied then, byte for byte ({same})", same == n)


def expected(run: Run, changed: Mapping[str, set[date]]) -> dict[tuple[str, str], set[date]]:
    """Which days of features and labels are made of these bars? By what they say they read."""
    found = {}
    for shelf in run.shelves("features"):
        back = fresh.days_back(int((notes.read(shelf, notes.FEATURES) or {})["reach"]), TF)
        reached = {day + timedelta(days=i) for day in changed[shelf.symbol] for i in range(back + 1)}
        found["features", shelf.symbol] = reached & set(days.committed(shelf))
    for shelf in run.shelves("labels"):
        walked = {day: fresh.walked(entry.source) for day, entry in days.committed(shelf).items()}
        hit = {
            day for day, span in walked.items() if span and any(span[0] <= d <= span[1] for d in changed[shelf.symbol])
        }
        found["labels", shelf.symbol] = hit
    return found


def stale(run: Run, changed: Mapping[str, set[date]]) -> None:
    """Is what is listed as stale what has to be, with its causes, and is that all a build touches?"""
    state = status.with_causes(status.status(run.root))
    listed = {(one.shelf.dataset.name, one.shelf.symbol): set(one.stale) for one in state.shelves if one.stale}
    wanted, n = expected(run, changed), sum(map(len, listed.values()))
    run.say(f"{n} days are listed as stale, those whose bars were altered and no other", listed == wanted)
    causes = {(one.shelf.symbol, one.day) for one in state.causes}
    run.say(
        f"{len(causes)} altered days are named as their causes", causes == {(s, d) for s in changed for d in changed[s]}
    )
    before, took = inodes(run.root), run.build()
    after = inodes(run.root)
    touched = {Path(name).parent for name in after if after[name] != before.get(name)}
    shelves = {(s.dataset.name, s.symbol): s for kind in KINDS for s in run.shelves(kind)}
    due = {shelves[key].day_folder(day) for key, some in wanted.items() for day in some}
    run.say(
        f"the builds ({took:.1f} CPU s) touched these {len(due)} days and no other ({len(touched)})", touched == due
    )
    run.say("nothing is stale then", not any(one.stale for one in status.status(run.root).shelves))


def features_then(run: Run) -> None:
    """Are features and labels as of the first instant those that stood there?"""
    when, copied = run.copies[0]
    took = run.build(f"--as-of {when}")
    same = lakes.day_folders(place_of(run.root, when)) == copied
    run.say(
        f"features and labels built as of the first instant ({took:.1f} CPU s) are those of then, byte for byte", same
    )


def first(run: Run) -> float:
    """Bring everything, make everything, take the first copy; what an ingest of everything costs."""
    took, built = run.ingest(), run.build()
    rows = sum(entry.rows for shelf in run.shelves("bars") for entry in days.committed(shelf).values())
    print(f"{' '.join(run.symbols)} {TF}: {rows:,} bars; ingest {took:.1f} CPU s, builds {built:.1f} CPU s", flush=True)
    run.copy()
    return took


def unchanged(run: Run, whole: float) -> None:
    """What does a refresh cost that finds nothing?"""
    before, asked, plain = inodes(run.root), run.ingest("--refresh"), run.ingest("--refresh-tail 0")
    share = f"{asked:.1f} CPU s, {asked / whole:.0%} of the first ingest; a run that asks for nothing takes {plain:.1f}"
    run.say(f"a refresh that finds nothing touches no file ({share})", inodes(run.root) == before)


def main(folder: Path, symbols: Sequence[str]) -> int:
    """Do all of it; 1 where an answer is no."""
    with tempfile.TemporaryDirectory(dir=os.environ.get("SCRATCH")) as scratch:
        archive = Path(shutil.copytree(folder, Path(scratch) / "archive", copy_function=shutil.copyfile))
        with _venue(archive):
            run = Run(Path(scratch) / "lake", Restating(archive, TF, 1), symbols, wanted(folder, symbols[0]))
            whole = first(run)
            unchanged(run, whole)
            for turn in range(2):
                restated(run, turn)
            cells = told(run)
            same = sorted(map(repr, cells)) == sorted(map(repr, run.planted))
            run.say(f"{len(cells):,} changes are told, all that were made and none more", same)
            as_of(run, 5)
            changed = {name: {_day(one) for one in run.planted if one.symbol == name} for name in symbols}
            stale(run, changed)
            features_then(run)
    return 0 if run.well else 1


def _day(one: Planted) -> date:
    return datetime.fromtimestamp((one.ts - TF.ms) / 1000, UTC).date()


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:] or ["BTCUSDT"]))
