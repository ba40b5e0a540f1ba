"""`reports export`: what people take away, as CSV and Parquet."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lake import cli, completion, ending, progress, settings
from meta.datasets import DATASETS
from meta.errors import PerplakeError
from meta.markets import TYPES

if TYPE_CHECKING:
    from reports.exports.between import Asked
    from reports.exports.held import Named
    from reports.exports.write import Export, Written

DAYS_OF = {"features": "features", "labels": "labels", "train": "features"}  # the others are made of bars
FORMS = {"csv": ("csv",), "parquet": ("parquet",), "both": ("csv", "parquet")}


@click.group(cls=cli.Commands)
def export() -> None:
    """Tables to take away: a file a symbol and interval, with a page that says what it is and what it was made of."""


def _options(intervals: bool | None) -> Callable[[cli.F], cli.F]:
    """The options of every export; --intervals as a must, as a may, or (None) not at all."""
    option = cli.option
    of = option("--intervals", required=bool(intervals), metavar="LIST", help="1m, or 1m,15m,4h, or all.")
    every = [
        option("--coin", required=True, multiple=True, callback=cli.split, metavar="C", help="BTC, or BTC,ETH."),
        *([of] if intervals is not None else []),
        option("--days", type=click.IntRange(1, 36_500), metavar="N", help="The N days up to the last committed bar."),
        option("--start-time", metavar="T", help="First bar's open: ISO (UTC) or Unix seconds."),
        option("--end-time", metavar="T", help="End, not included: ISO (UTC) or Unix seconds."),
        option(
            "--exchange",
            metavar="E",
            help="Of which exchange or source; else what the lake holds.",
            shell_complete=completion.exchanges_held,
        ),
        option("--quote", metavar="Q", help="In which quote currency; else what the lake holds, USDT first."),
        option("--market-type", type=click.Choice(TYPES), help="Which kind of market; else what the lake holds."),
        option("--format", "form", type=click.Choice([*FORMS]), default="both", show_default=True, help="File format."),
        option("--output", type=click.Path(path_type=Path, file_okay=False), help="Folder; else exports/."),
        option("--json", "as_json", is_flag=True, help="Tell what was written as JSON."),
        cli.as_of_option,
        cli.lake_option,
        cli.debug_option,
    ]

    def decorated(command: cli.F) -> cli.F:
        for one in reversed(every):
            command = one(command)
        return command

    return decorated


@export.command()
@_options(intervals=True)
def candles(**options: Any) -> int:
    """Open, high, low, close, volume and number of trades.

    \b
    Example:
        python -m reports export candles --coin BTC --intervals 5m,1h --days 30
    """
    return _exported("candles", options)


@export.command()
@_options(intervals=None)
def funding(**options: Any) -> int:
    """Funding rate with premium, mark and index price, at the finest timeframe held.

    \b
    Example:
        python -m reports export funding --coin BTC --days 180 --format csv
    """
    return _exported("funding", options)


@export.command()
@_options(intervals=None)
def oi(**options: Any) -> int:
    """Open interest with the volume of the last 24 hours, at the finest timeframe held.

    \b
    Example:
        python -m reports export oi --coin BTC --days 30
    """
    return _exported("open_interest", options)


@export.command("all")
@_options(intervals=True)
def merged(**options: Any) -> int:
    """Candles with the funding and open interest of the same bars; what is missing stays null.

    \b
    Examples:
        python -m reports export all --coin BTC --intervals 5m --days 90 --format parquet
        python -m reports export all --coin BTC,ETH --intervals all --start-time 2025-01-01 --end-time 2026-01-01
    """
    return _exported("merged", options)


@export.command()
@_options(intervals=False)
def features(**options: Any) -> int:
    """Features, a row a bar that has all of them.

    \b
    Example:
        python -m reports export features --coin BTC --format parquet
    """
    return _exported("features", options)


@export.command()
@_options(intervals=False)
def labels(**options: Any) -> int:
    """Triple-barrier labels, a row a bar that has one.

    \b
    Example:
        python -m reports export labels --coin BTC --days 30 --format csv
    """
    return _exported("labels", options)


@export.command()
@_options(intervals=False)
def train(**options: Any) -> int:
    """Features, labels, weights and folds of the same bars, ready for a model.

    \b
    Example:
        python -m reports export train --coin BTC --format parquet
    """
    return _exported("train", options)


@dataclass(frozen=True)
class _Wanted:
    """What one command line asks for, a coin aside."""

    kind: str
    intervals: str | None
    asked: Asked
    forms: tuple[str, ...]
    folder: Path
    command: str
    now: datetime


def _exported(kind: str, options: dict[str, Any]) -> int:
    from lake import locks
    from reports.exports.between import asked
    from reports.exports.held import Named

    span = asked(options["days"], options["start_time"], options["end_time"])
    root = cli.opened(options["lake"])
    folder = (options["output"] or settings.PROJECT / "exports").absolute()
    wanted = _Wanted(
        kind, options.get("intervals"), span, FORMS[options["form"]], folder, _command(), datetime.now(UTC)
    )
    more = options["exchange"], options["quote"], options["market_type"]
    names = [Named(coin, *more) for coin in options["coin"]]
    written, failures = [], []
    with locks.snapshot(root):
        for named in names:
            try:
                written += list(_of(root, named, wanted, options["as_json"]))
            except (PerplakeError, OSError) as error:
                if len(names) == 1:
                    raise
                failures.append(f"{named.coin}: {ending.line_of(error)}")
    if options["as_json"]:
        click.echo(json.dumps([_told(one) for one in written], indent=1))
    for failure in failures:
        cli.say(f"error: {failure}")
    return 1 if failures else 0


def _of(root: Path, named: Named, wanted: _Wanted, quiet: bool) -> Iterator[Written]:
    """The exports of one coin, one after the other."""
    from reports.exports import plan
    from reports.exports import write as writing
    from reports.exports.held import held

    known = held(root, DATASETS[DAYS_OF.get(wanted.kind, "bars")], named)
    said: set[str] = set()
    for one in plan.exports(wanted.kind, known, wanted.intervals, wanted.asked):
        done = writing.write(one, wanted.forms, wanted.folder, wanted.command, wanted.now, progress.show)
        for line in _empty(one, done):
            if line not in said:
                cli.say(line)
            said.add(line)
        progress.results(f"{settings.shown(path)}  {_size(path, done)}" for path in (() if quiet else done.paths))
        yield done


def _empty(one: Export, done: Written) -> list[str]:
    """Which columns hold nothing, and why?"""
    columns: dict[str, list[str]] = {}
    for column in done.page["columns"]:
        if "why_null" in column:
            columns.setdefault(column["why_null"], []).append(column["name"])
    head = f"{one.kind} {one.market.symbol}"
    return [f"{head}: {', '.join(names)} null throughout: {why}" for why, names in columns.items()]


def _size(path: Path, done: Written) -> str:
    size = path.stat().st_size
    if path.suffix == ".json":
        return f"tells of {done.page['row_count']:,} rows"
    return f"{size / 1e6:,.1f} MB" if size >= 1e6 else f"{size / 1e3:,.1f} kB"


def _told(done: Written) -> dict[str, object]:
    return {"files": [settings.shown(path) for path in done.paths], **done.page}


def _command() -> str:
    """The command line as it was typed."""
    words = click.get_current_context().find_root().obj or []
    return ending.redacted(shlex.join(["python", "-m", "reports", *words]))
