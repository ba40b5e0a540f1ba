"""A whole round over the made-up archive: define, download, export; and what today's list would have told instead."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from lake import universes
from meta.universe import Universe
from p1_ingest.universe import define_universe, download_universe_data
from reports.universe import export_universe_data
from tests import cast, lakes
from tests.archive import Archive
from tests.mirror import Mirror, mirrored

AFTER = 3  # days the archive goes on after the universe
HOSTS = ("VISION", "LISTING", "FAPI", "SPOT")


@dataclass(frozen=True)
class Round:
    """What a round gave, and the folder it lies in."""

    root: Path
    lives: Sequence[cast.Life]
    universe: Universe
    downloaded: Mapping[str, Any]
    report: Mapping[str, Any]

    @property
    def arrays(self) -> Path:
        """Where is the export?"""
        return Path(self.report["report_path"]).parent


@contextmanager
def archive(root: Path, length: int, steady: int) -> Iterator[list[cast.Life]]:
    """The cast's archive on loopback, and every host of Binance's there."""
    lives = cast.cast(length, steady, after=AFTER)
    cast.publish(Archive(root), lives)
    before = {name: os.environ.get(name) for name in (*(f"BINANCE_{host}_URL" for host in HOSTS), "SOURCE_DATE_EPOCH")}
    with mirrored(Mirror(root)) as url:
        os.environ |= {f"BINANCE_{host}_URL": url for host in HOSTS} | {"SOURCE_DATE_EPOCH": "1700000000"}
        try:
            yield lives
        finally:
            for name, value in before.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value


def made(root: Path, lives: Sequence[cast.Life], length: int, lake: Path | None = None) -> Round:
    """Define, download and export the cast's universe under `root`; its lake there, too, or one that has the days."""
    bounds = (cast.on(0), cast.on(length - 1))
    universe = define_universe(cast.symbols(lives), *bounds, root / "u.json", interval="1h")
    downloaded = download_universe_data(
        root / "u.json", lake=lake or root / "lake", interval="1h", api_request_delay=0.0
    )
    report = export_universe_data(
        root / "u.json", export_base_path=root / "out", source_freq="1h", lake=lake or root / "lake"
    )
    return Round(root, lives, universe, downloaded, report)


def accounted(found: Round) -> dict[str, int]:
    """Each symbol-day of the universe, by what became of it. Raises AssertionError for one told twice or never."""
    counts: dict[str, int] = {}
    rows = json.loads((found.arrays / "univ_dct2.json").read_text())
    for snapshot in found.universe.daily_snapshots:
        day = snapshot.date
        told = dict.fromkeys(rows.get(day.replace("-", ""), ()), "exported")
        assert not told.keys() & found.report["merged_missing"].get(day, {}).keys()
        told |= found.report["merged_missing"].get(day, {})
        assert sorted(told) == sorted(found.universe.requested_symbols), day
        for why in told.values():
            counts[why] = counts.get(why, 0) + 1
    return counts


def by_todays_list(lives: Sequence[cast.Life], days: Sequence[date]) -> dict[str, set[str]]:
    """The rule of the tool before: who trades today, and had a first minute on the day."""
    last = max(life.stretches[-1][1] for life in lives)
    alive = [life for life in lives if life.survives(last)]
    return {str(day): {life.symbol for life in alive if day in life.days() and not life.hours(day)[0]} for day in days}


def mean_coin(found: Round, chosen: Mapping[str, set[str]]) -> float:
    """What an equal part of each chosen and exported symbol gave, day by day from open to close, in log return."""
    rows, total = json.loads((found.arrays / "univ_dct2.json").read_text()), 0.0
    for stamp, names in rows.items():
        opens, closes = (np.load(found.arrays / name / f"{stamp}.npy") for name in ("opn", "cls"))
        day = f"{stamp[:4]}-{stamp[4:6]}-{stamp[6:]}"
        kept = [i for i, name in enumerate(names) if name in chosen[day]]
        gains = [np.exp(_last(closes[i]) - _first(opens[i])) - 1 for i in kept]
        total += float(np.log1p(np.mean(gains))) if gains else 0.0
    return total


def _first(row: np.ndarray) -> float:
    return float(np.log(row[np.isfinite(row)][0]))


def _last(row: np.ndarray) -> float:
    return float(np.log(row[np.isfinite(row)][-1]))


def everything(root: Path) -> dict[str, bytes]:
    """Every byte a round wrote that is to be the same the next time: universe, day folders, export."""
    found = {
        f"{name}/{one}": data for name, files in lakes.day_folders(root / "lake").items() for one, data in files.items()
    }
    found |= {str(path.relative_to(root)): path.read_bytes() for path in (root / "out").rglob("*") if path.is_file()}
    return found | {"u.json": (root / "u.json").read_bytes()}


def told(found: Round) -> list[str]:
    """The round in a few lines."""
    days = [date.fromisoformat(day.date) for day in found.universe.daily_snapshots]
    ours, theirs = universes.active(found.universe), by_todays_list(found.lives, days)
    pairs = len(found.universe.requested_symbols) * len(days)
    counts = accounted(found)
    lost = {name for names in ours.values() for name in names} - {name for names in theirs.values() for name in names}
    return [
        f"{len(found.universe.requested_symbols)} symbols x {len(days)} days = {pairs:,} symbol-days, each told once: "
        + ", ".join(f"{n:,} {why}" for why, n in sorted(counts.items())),
        f"download: {found.downloaded['stats']}",
        f"export: {found.report['stats']}",
        f"by each day's klines {sum(map(len, ours.values())):,} symbol-days are active, by today's list "
        f"{sum(map(len, theirs.values())):,}; today's list has never heard of {', '.join(sorted(lost))}",
        f"the mean coin, an equal part of each a day: {np.expm1(mean_coin(found, ours)):+.1%}; "
        f"by today's list {np.expm1(mean_coin(found, theirs)):+.1%}",
    ]


def main(length: int = 60, steady: int = 14) -> None:
    """Make the round twice, and say what it gave."""
    began = time.monotonic()
    with lakes.scratch() as root, archive(root / "archive", length, steady) as lives:
        first, again = (made(root / name, lives, length) for name in ("a", "b"))
        same = everything(first.root) == everything(again.root)
        for line in told(first):
            sys.stdout.write(line + "\n")
        files = len(everything(first.root))
        sys.stdout.write(f"the same archive twice: {files:,} files, {'the same bytes' if same else 'OTHER BYTES'}\n")
        sys.stdout.write(f"{time.monotonic() - began:.0f} s with the archive's making\n")
    sys.exit(not same)


if __name__ == "__main__":
    main()
