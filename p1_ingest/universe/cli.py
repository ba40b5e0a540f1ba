"""Universes on the command line: define, download, export."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import click

from lake import accepted, cli, ending, progress, roots, settings
from lake.span import Span
from meta.errors import Usage
from meta.timeframes import timeframe


@click.group(cls=cli.Commands)
def universe() -> None:
    """Which contracts could be traded on which day: define it, download its bars, export them."""


def _path(name: str, told: str, **more: Any) -> Callable[[Any], Any]:
    return click.option(name, type=click.Path(path_type=Path, dir_okay=False), help=told, **more)


def _daily_checks(command: Any) -> Any:
    """--daily-check-…: how fast the venue is asked."""
    options = (
        ("--daily-check-workers", click.IntRange(1, 64), 5, "Requests at once."),
        ("--daily-check-request-delay", click.FloatRange(0), 0.0, "Seconds between two requests to a host, at least."),
        ("--daily-check-max-requests-per-minute", click.IntRange(1), 1800, "Requests to a host in a minute, at most."),
    )
    for name, kind, default, told in reversed(options):
        command = click.option(name, type=kind, default=default, show_default=True, help=told)(command)
    return command


@universe.command()
@cli.option("--symbols", "--symbol", multiple=True, metavar="A,B,@FILE", help="Symbols, and files of them; repeatable.")
@_path("--symbols-file", "A text file of symbols, one a line.")
@click.option("--all", "all_symbols", is_flag=True, help="Every perpetual the archive ever had, delisted ones too.")
@click.option("--quote", multiple=True, metavar="Q", help="With --all: in which quotes; else USDT. Repeatable.")
@cli.range_options
@_path("--output", "The file to write; else LAKE/universe/START_END.json.")
@click.option("--description", metavar="TEXT", help="A line for people, kept in the file.")
@click.option("--force", is_flag=True, help="Write over a universe that stands there.")
@cli.option("--interval", metavar="TF", help="Of which klines the evidence is; else conf's tf.")
@click.option("--top", type=click.IntRange(1), metavar="N", help="Of each day's symbols, the N largest alone.")
@click.option(
    "--by", type=click.Choice(["turnover", "trades"]), default="turnover", show_default=True, help="Largest by."
)
@click.option("--lookback", metavar="30d", default="30d", show_default=True, help="Over how many days before the day.")
@click.option("--compat", is_flag=True, help="Write version 2.0, with the reason codes of the tool it comes from.")
@click.option(
    "--accept-checksum", is_flag=True, help="Believe archive files that differ from their published checksum."
)
@_daily_checks
@accepted.keys
@cli.lake_option
@click.option("--json", "as_json", is_flag=True, help="What was written, as JSON.")
@cli.debug_option
def define(span: Span, output: Path | None, lake: str | None, as_json: bool, debug: bool, **given: Any) -> int:
    """Write down which of some symbols could be traded on each day, as that day's own klines tell.

    A symbol that was delisted since stays where it was. The file is never changed afterwards.

    \b
    Examples:
        python -m p1_ingest universe define --symbols BTCUSDT,ETHUSDT --start-date 2024-10-01 --end-date 2024-10-31
        python -m p1_ingest universe define --all --top 50 --lookback 30d --start 2024-10-01 --end 2024-10-31
    """
    from p1_ingest import venues
    from p1_ingest.universe import define as defining

    if given["quote"] and not given["all_symbols"]:
        raise Usage("--quote goes with --all: it says which of all symbols are meant")
    start, end = _range(span)
    path = output or roots.root(lake, "binance") / "universe" / f"{start}_{end}.json"
    symbols = given.pop("symbols") or (() if given["all_symbols"] or given["symbols_file"] else _conf_symbols())
    told = defining.define_universe(
        symbols,
        start,
        end,
        path,
        quotes=given.pop("quote") or defining.QUOTES,
        interval=timeframe(given.pop("interval") or settings.lake_conf().tf),
        lookback_days=given.pop("lookback"),
        progress=cli.say,
        log=cli.say if debug else None,
        now=venues.now_ms,
        **given,
    )
    if as_json:
        click.echo(json.dumps({"path": str(path), **defining.counted(told)}, indent=1))
    for line in () if as_json else [f"{settings.shown(path)} written", *defining.lines(told)]:
        click.echo(line)
    return 0


def _range(span: Span):  # type: ignore[no-untyped-def]
    """The first and the last day: where they are left open, the last settled ones."""
    from p1_ingest import venues
    from p1_ingest.wanted import last_settled

    end = span.end or last_settled(venues.described("binance"), venues.now_ms())
    return span.start or end - timedelta(days=(span.days or settings.lake_conf().days) - 1), end


def _conf_symbols() -> tuple[str, ...]:
    return tuple(settings.universe_conf().define)


@universe.command()
@_path("--universe-file", "The universe, as `define` wrote it.", required=True)
@click.option("--start-date", "--start", metavar="DATE", help="First day; else the universe's.")
@click.option("--end-date", "--end", metavar="DATE", help="Last day; else the universe's.")
@cli.option("--interval", metavar="TF", default="5m", show_default=True, help="Length of the bars.")
@click.option(
    "--download-market-metrics/--no-download-market-metrics",
    default=True,
    help="With open interest, funding, ratios, mark, index and spot (default), or candles alone.",
)
@click.option(
    "--incremental/--no-incremental", default=True, help="Leave committed days alone (default), or ask again."
)
@click.option(
    "--api-request-delay",
    type=click.FloatRange(0),
    default=0.5,
    show_default=True,
    help="Seconds between two requests to REST.",
)
@click.option(
    "--vision-request-delay", type=click.FloatRange(0), default=0.0, show_default=True, help="The same for the archive."
)
@click.option(
    "--max-retries", type=click.IntRange(0, 20), default=3, show_default=True, help="Further tries of a request."
)
@click.option(
    "--workers",
    "--max-vision-workers",
    type=click.IntRange(1, 64),
    default=4,
    show_default=True,
    help="Requests at once.",
)
@click.option("--accept-checksum", is_flag=True, help="Use archive files that differ from their published checksum.")
@accepted.database
@accepted.keys
@cli.lake_option
@click.option("--json", "as_json", is_flag=True, help="The report as JSON.")
@cli.wait_option
@cli.debug_option
def download(
    universe_file: Path, start_date: str | None, end_date: str | None, interval: str, max_retries: int,
    lake: str | None, as_json: bool, debug: bool, **given: Any,
) -> int:  # fmt: skip
    """Bring the bars of exactly a universe's active symbol-days into the lake; the universe stays as it is.

    \b
    Example:
        python -m p1_ingest universe download --universe-file universe.json --interval 5m
    """
    from p1_ingest import venues
    from p1_ingest.universe import download as downloading

    where = cli.opened(lake, "binance")
    report = downloading.download_universe_data(
        universe_file,
        lake=where,
        interval=interval,
        start_date=start_date,
        end_date=end_date,
        retry_config=downloading.RetryConfig(max_retries),
        progress=progress.show,
        log=cli.say if debug else None,
        now=venues.now_ms,
        **given,
    )
    if as_json:
        progress.results([ending.redacted(json.dumps(report, indent=1))])
    else:
        progress.results(ending.redacted(line) for line in downloading.lines(report))
    cli.refreshed(where)
    for line in downloading.trouble(report):
        cli.say(ending.redacted(f"error: {line}"))
    return 1 if report["stats"]["failed"] else 0


@universe.command(context_settings={"ignore_unknown_options": True})
@click.argument("options", nargs=-1, type=click.UNPROCESSED)
@accepted.keys
@cli.debug_option
def export(options: tuple[str, ...], debug: bool) -> int:
    """Write a universe's days as arrays: the same as `python -m reports universe-export`, which takes the OPTIONS.

    \b
    Example:
        python -m p1_ingest universe export --universe-file universe.json --source-freq 5m
    """
    words = [*options, "--debug"] if debug else options
    return cli.spawned([f"python -m reports universe-export {shlex.join(words)}"], None)
