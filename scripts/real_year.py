"""Does a real archive come in the same whichever way it is asked? `python -m scripts.real_year FOLDER [SYMBOL …]`

FOLDER is laid out as data.binance.vision: FOLDER/data/futures/um/daily/klines/SYMBOL/5m/…. It is served on loopback,
and all days it has daily klines of are ingested three times: from monthly files, from daily ones, and from the record
of the first run with no network at all. The parts of all three must be the same bytes. Then a raw body is deleted and
another one altered, and the lineage of a row made of each must name it. Everything is written to a temporary folder.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path

from lake import days, layout, raw
from lake.layout import Shelf
from lake.lineage import lineage
from meta.datasets import DATASETS
from meta.timeframes import day_start, timeframe
from p1_ingest import replay as replaying
from p1_ingest.http import Sender
from p1_ingest.ingest import ingest
from p1_ingest.record import Record
from p1_ingest.replay import Replay
from p1_ingest.sources.binance import Binance, BinanceConf, Hosts, Route
from p1_ingest.venues import now_ms
from p1_ingest.wanted import Choice
from tests.archive import served

TF = timeframe("5m")
NOWHERE = "http://127.0.0.1:9"  # nobody listens there


def wanted(folder: Path, symbol: str) -> list[date]:
    """Which days does the archive have daily klines of?"""
    files = (folder / "data/futures/um/daily/klines" / symbol / TF.name).glob("*.zip")
    return sorted(date.fromisoformat(file.stem[-10:]) for file in files)


def brought(url: str, route: Route, shelf: Shelf, asked: Sequence[date]) -> Shelf:
    """Ingest these days by this route, recorded."""
    now = now_ms()
    source, record = (
        Binance(BinanceConf(hosts=Hosts(url, url, url)), route=route),
        Record(shelf.root, "binance", now_ms),
    )
    with Sender(source.hosts, pools=source.pools, record=record.heard, failed=record.failed) as sender:
        ingest(source, sender, shelf, list(asked), Choice(), lambda: now, record=record)
    return shelf


def replayed(lake: Path, shelf: Shelf) -> Shelf:
    """The same days from the record, and from nowhere else."""
    replay = Replay(lake, "binance")
    (run,) = replaying.of_shelf(replay.runs, shelf)
    now = replaying.milliseconds(run.time)
    source = Binance(BinanceConf(hosts=Hosts(NOWHERE, NOWHERE, NOWHERE)), route="auto", clock=lambda: now)
    replay.turn(run)
    asked, choice = replaying.choice_of(run, Choice(), frozenset())
    with Sender(source.hosts, transport=replay, tries=1) as sender:
        ingest(source, sender, shelf, asked, choice, lambda: now)
    return shelf


def parts(shelf: Shelf) -> dict[date, str]:
    """The sha256 of each committed day's part, as read."""
    return {day: days.need(shelf, day).entry.sha256 for day in days.committed(shelf)}


def named(shelf: Shelf, day: date, harm: Callable[[Path], object]) -> bool:
    """Does the lineage of a row name the body of its bars once that was harmed?"""
    line = raw.days_of(shelf)[str(day), days.need(shelf, day).entry.sha256]
    sha = line.bodies["klines"][0]
    before = lineage(shelf.root, shelf.symbol, TF, day_start(day) + 12 * TF.ms).broken
    harm(raw.path(shelf.root, sha))
    after = lineage(shelf.root, shelf.symbol, TF, day_start(day) + 12 * TF.ms).broken
    return not before and any(sha in (link.sha256, link.what) or sha in link.fact for link in after)


def main(folder: Path, symbols: Sequence[str]) -> int:
    """Bring each symbol in three ways, compare, harm; 1 where anything differs."""
    well = True
    with tempfile.TemporaryDirectory() as scratch, served(folder) as url:
        for symbol in symbols:
            asked = wanted(folder, symbol)
            places = [layout.shelf(Path(scratch) / way, DATASETS["bars"], TF, symbol) for way in "mdr"]
            monthly, daily = brought(url, "auto", places[0], asked), brought(url, "daily", places[1], asked)
            again, made = replayed(monthly.root, places[2]), parts(monthly)
            rows = sum(entry.rows for entry in days.committed(monthly).values())
            same = [made == parts(other) for other in (daily, again)]
            told = [named(monthly, asked[0], Path.unlink), named(daily, asked[0], lambda body: body.write_bytes(b"x"))]
            print(f"{symbol} {TF}: {len(made)} of {len(asked)} days, {rows:,} bars")
            for what, holds in zip(("daily and monthly files", "the replay without a network"), same, strict=True):
                print(f"  {what}: {'the same bytes' if holds else 'OTHER BYTES'}")
            for what, holds in zip(("a deleted body", "an altered body"), told, strict=True):
                print(f"  {what}: {'named by its lineage' if holds else 'NOT NAMED'}")
            well = well and all(same) and all(told) and len(made) == len(asked)
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:] or ["BTCUSDT"]))
