"""One row on the command line: where does it come from, and why is it there, or missing?"""

from __future__ import annotations

import dataclasses
import json
import time
from datetime import UTC, datetime

import click

from lake import cli, completion
from meta.errors import ChecksRed, Usage
from meta.symbols import symbol as checked_symbol


def _row_options(command):  # type: ignore[no-untyped-def]
    """SYMBOL TS and --tf: one row."""
    told = "Timeframe (5m, 1h …); else conf's."
    tf = cli.option("--tf", metavar="TF", help=told)
    named = click.argument("name", metavar="SYMBOL", shell_complete=completion.symbols)
    return named(click.argument("instant", metavar="TS")(tf(command)))


@click.command()
@_row_options
@click.option("--json", "as_json", is_flag=True, help="Every link as JSON, with its sha256.")
@cli.lake_option
@cli.debug_option
def lineage(name: str, instant: str, tf: str | None, as_json: bool, lake: str | None, debug: bool) -> int:
    """Where does a row come from? Its label, features, bars and the venue's own answers, each verified.

    TS is the bar's close, UTC.

    \b
    Example:
        python -m lake lineage BTCUSDT 2025-06-01T12:05 --tf 5m
    """
    from lake import lineage as walking

    where = cli.opened(lake)
    found = walking.lineage(where, checked_symbol(name), cli.timeframes_of((tf,) if tf else ())[0], _instant(instant))
    if as_json:
        click.echo(json.dumps(found.data(), indent=1))
    for line in () if as_json else found.lines():
        click.echo(line)
    if found.broken:
        raise ChecksRed(f"{len(found.broken)} links are broken; see above")
    cli.say(f"{len(found.links)} links, none broken")
    return 0


@click.command()
@_row_options
@click.option("--json", "as_json", is_flag=True, help="The reasons as JSON.")
@cli.lake_option
@cli.debug_option
def why(name: str, instant: str, tf: str | None, as_json: bool, lake: str | None, debug: bool) -> int:
    """Why is a bar, its row of features or its label there, or missing? With the evidence.

    TS is the bar's close, UTC.

    \b
    Example:
        python -m lake why BTCUSDT 2025-06-01T12:05 --tf 5m
    """
    from lake import why as asking
    from lake.reasons import Asked

    where = cli.opened(lake)
    chosen = cli.timeframes_of((tf,) if tf else ())[0]
    asked = Asked(where, checked_symbol(name), chosen, _instant(instant), time.time_ns() // 1_000_000)
    found = asking.why(asked)
    if as_json:
        click.echo(json.dumps([dataclasses.asdict(reason) for reason in found], indent=1))
    for line in () if as_json else [line for reason in found for line in reason.lines()]:
        click.echo(line)
    return 0


def _instant(text: str) -> int:
    """Which instant (UTC ms) is named: ISO 8601, or milliseconds? Raises Usage."""
    if text.isascii() and text.isdigit() and len(text) in (12, 13):
        return int(text)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise Usage(f"{text!r} is no instant; write it like 2025-06-01T12:05, UTC") from None
    return round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)
