"""Pages on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import click

from lake import cli, ending
from lake.span import Span


@click.command()
@cli.symbol_options
@cli.range_options
@click.option("--output", type=click.Path(path_type=Path, file_okay=False), help="Folder; else reports/.")
@click.option("--json", "as_json", is_flag=True, help="Where the index and the pages are, and what failed, as JSON.")
@cli.as_of_option
@cli.lake_option
@cli.debug_option
def html(
    symbol: tuple[str, ...],
    tf: tuple[str, ...],
    span: Span,
    output: Path | None,
    as_json: bool,
    lake: str | None,
    debug: bool,
) -> int:
    """Make a page for each symbol and timeframe, and an index: coverage, market, features, labels, folds, history.

    Each is one file that needs no network, with its numbers as JSON beside it. Without --symbol or --tf: all there are.

    \b
    Examples:
        python -m reports html
        python -m reports html --symbol BTCUSDT --tf 5m --days 80
    """
    from lake import checks, settings
    from reports import pages

    where = cli.opened(lake)
    names = cli.symbols_of(symbol) if symbol or settings.variable("SYMBOLS") else []
    judged = checks.folder(where)
    out = output.absolute() if output else judged
    built = pages.build(pages.Asked(where, names, cli.timeframes_of(tf) if tf else [], span, out, judged), cli.say)
    for failure in built.failures:
        cli.say(ending.redacted(f"error: {failure}"))
    click.echo(json.dumps(built.data(), indent=1) if as_json else settings.shown(built.place))
    return 1 if built.failures else 0
