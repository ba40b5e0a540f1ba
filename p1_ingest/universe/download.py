"""A universe's active symbol-days, exactly these, come into the lake."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

from lake import layout, roots, settings, universes
from lake.ending import line_of
from lake.layout import Shelf
from lake.progress import Pace
from lake.raw import spans
from meta.datasets import DATASETS
from meta.errors import PerplakeError, Usage, VenueRefused
from meta.timeframes import Timeframe, timeframe
from meta.universe import Snapshot
from p1_ingest import venues
from p1_ingest.budget import Pool
from p1_ingest.http import Sender
from p1_ingest.ingest import ingest
from p1_ingest.record import Record
from p1_ingest.sources import binance_archive as archive
from p1_ingest.sources.base import Source
from p1_ingest.summary import Summary
from p1_ingest.wanted import Choice


@dataclass(frozen=True)
class RetryConfig:
    """How many further tries a request is given once it failed."""

    max_retries: int = 3


def download_universe_data(
    universe_file: str | Path,
    db_path: str | Path | None = None,
    retry_config: RetryConfig = RetryConfig(),
    api_request_delay: float = 0.5,
    vision_request_delay: float = 0.0,
    download_market_metrics: bool = True,
    incremental: bool = True,
    interval: str | Timeframe = "5m",
    start_date: universes.When = None,
    end_date: universes.When = None,
    *,
    lake: str | Path | None = None,
    workers: int = 4,
    wait: float = 0.0,
    accept_checksum: bool = False,
    progress: Callable[[str], None] = lambda line: None,
    log: Callable[[str], None] | None = None,
    now: Callable[[], int] = venues.now_ms,
) -> dict[str, Any]:
    """Bring the active symbol-days of a universe into the lake, and report on every one of them.

    start_date, end_date : a part of the universe's range. progress : called with a line now and then. db_path : there
    is none, bars are kept in a lake. What fails stays with its symbol-days, in the report.
    Raises Usage for a universe that is none and for dates beyond it, VenueRefused.
    """
    if db_path is not None:
        raise Usage("db_path: there is no database, bars are kept in a lake; give lake=ROOT, or nothing")
    tf = timeframe(str(interval))
    universe = universes.read(Path(universe_file))
    days = universes.within(universe, start_date, end_date)
    wanted = _wanted(days, universe.requested_symbols)
    root = roots.root(lake, "binance")
    choice = Choice(0, incremental, False, wait, workers, accept_checksum, candles_only=not download_market_metrics)
    shelves = {layout.shelf(root, DATASETS["bars"], tf, name): active for name, active in wanted.items()}
    record, limits = Record(root, "binance", now), partial(_pools, api=api_request_delay, vision=vision_request_delay)
    tries, moment = retry_config.max_retries + 1, venues.Moment(now())
    with venues.opened("binance", clock=moment, record=record, log=log, tell=progress, tries=tries, pools=limits) as (
        source,
        sender,
    ):
        work = _Work(source, sender, choice, moment, now, record, progress)
        work.run(shelves)
    return _report(universe_file, root, tf, days, wanted, work.done, work.failed)


@dataclass
class _Work:
    """Symbol after symbol; what fails stays with its symbol, until the venue refuses to be asked at all."""

    source: Source
    sender: Sender
    choice: Choice
    moment: venues.Moment
    now: Callable[[], int]
    record: Record
    progress: Callable[[str], None]
    done: list[Summary] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)

    def run(self, shelves: Mapping[Shelf, list[date]]) -> None:
        """Ingest these days. Raises Usage."""
        names = [shelf.symbol for shelf in shelves]
        pace = Pace(len(names), "symbols")
        for number, (shelf, active) in enumerate(shelves.items(), 1):
            try:
                self._ingest(shelf, active)
            except Usage:
                raise
            except VenueRefused as error:  # whoever asks on after that is banned for longer
                self.failed |= dict.fromkeys(names[number - 1 :], line_of(error))
                return
            except (PerplakeError, OSError) as error:
                self.failed[shelf.symbol] = line_of(error)
            told = self.failed.get(shelf.symbol) or _line(self.done[-1])
            self.progress(f"{pace.at(number)}: {shelf.symbol}: {told}")

    def _ingest(self, shelf: Shelf, active: list[date]) -> None:
        self.moment.ms = self.now()
        summary = ingest(self.source, self.sender, shelf, active, self.choice, self.moment, record=self.record)
        self.done.append(summary)


def _wanted(days: Sequence[Snapshot], symbols: Sequence[str]) -> dict[str, list[date]]:
    """Each symbol's active days, for those that have any."""
    found: dict[str, list[date]] = {name: [] for name in symbols}
    for snapshot in days:
        for name in snapshot.active_symbols:
            found[name].append(date.fromisoformat(snapshot.date))
    return {name: active for name, active in found.items() if active}


def _pools(own: Mapping[str, Pool], api: float, vision: float) -> dict[str, Pool]:
    """The source's limits, with these seconds between two requests to REST and to the archive."""
    spaced = {name: replace(pool, apart=api) for name, pool in own.items()}
    return {**spaced, archive.HOST: replace(own.get(archive.HOST, Pool()), apart=vision)}


def _line(told: Summary) -> str:
    return f"{told.asked} days: {len(told.committed)} written, {told.present} already there, {_out(told)} not there"


def _out(summary: Summary) -> int:
    return len(summary.failed) + len(summary.waiting)


def _report(
    file: str | Path, root: Path, tf: Timeframe, days: Sequence[Snapshot], wanted: Mapping[str, list[date]],
    done: Sequence[Summary], failed: Mapping[str, str],
) -> dict[str, Any]:  # fmt: skip
    """What became of every active symbol-day: in the lake, waiting for its venue, or failed, with the reason."""
    out: dict[str, dict[str, str]] = {name: dict.fromkeys(map(str, wanted[name]), why) for name, why in failed.items()}
    waiting: dict[str, dict[str, str]] = {}
    for one in done:
        if one.failed:
            out[one.symbol] = {str(day): why for day, why in one.failed.items()}
        if one.waiting:
            waiting[one.symbol] = {str(day): why for day, why in one.waiting.items()}
    pairs, lost, late = (sum(map(len, one.values())) for one in (wanted, out, waiting))
    return {
        "universe_file": str(file),
        "lake": settings.shown(root),
        "interval": tf.name,
        "date_range": {"start_date": days[0].date, "end_date": days[-1].date},
        "total_days": len(days),
        "skipped_days": [day.date for day in days if not day.active_symbols],
        "total_symbols": len(wanted),
        "total_day_symbol_pairs": pairs,
        "stats": {
            "in_lake": pairs - lost - late,
            "written": sum(len(one.committed) for one in done),
            "already_there": sum(one.present for one in done),
            "unchanged": sum(one.unchanged for one in done),
            "waiting": late,
            "failed": lost,
        },
        "failed": out,
        "waiting": waiting,
        "failed_reason_summary": dict(Counter(why for one in out.values() for why in one.values())),
    }


def lines(report: Mapping[str, Any]) -> list[str]:
    """How is a report told to people?"""
    stats, span = report["stats"], report["date_range"]
    told = [
        f"{span['start_date']} … {span['end_date']} {report['interval']}: {report['total_day_symbol_pairs']:,} active "
        f"symbol-days of {report['total_symbols']} symbols: {stats['in_lake']:,} in the lake ({stats['written']:,} "
        f"written, {stats['already_there']:,} already there), {stats['waiting']:,} waiting, {stats['failed']:,} failed"
    ]
    return told + [f"{name}: waiting: {_told(days)}" for name, days in report["waiting"].items()]


def trouble(report: Mapping[str, Any]) -> list[str]:
    """What failed, a line a symbol?"""
    return [f"{name}: not in the lake: {_told(days)}" for name, days in report["failed"].items()]


def _told(days: Mapping[str, str]) -> str:
    stretches = spans([date.fromisoformat(day) for day in days])
    shown = ", ".join(first if first == last else f"{first} … {last}" for first, last in stretches[:3])
    return f"{shown}{' …' if len(stretches) > 3 else ''}: {next(iter(days.values()))}"
