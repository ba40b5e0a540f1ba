"""Resampling on the command line."""

from __future__ import annotations

from functools import partial

import click

from lake import cli, layout, progress, several
from lake.layout import Shelf
from lake.span import Span
from meta.datasets import DATASETS
from meta.timeframes import timeframe

BARS = DATASETS["bars"]


@click.command()
@cli.option("--from", "from_tf", required=True, metavar="TF", help="Timeframe of the committed bars to read.")
@cli.option(
    "--to",
    "to_tf",
    required=True,
    multiple=True,
    callback=cli.split,
    metavar="TF",
    help="Timeframe to make, repeatable or a,b.",
)
@cli.option("--symbol", multiple=True, callback=cli.split, metavar="S", help="Symbol, repeatable or a,b,c.")
@cli.range_options
@cli.lake_option
@click.option("--force", is_flag=True, help="Write over ingested days, and days that shrink.")
@click.option("--json", "as_json", is_flag=True, help="What was done as JSON.")
@cli.wait_option
@cli.debug_option
def resample(
    from_tf: str,
    to_tf: tuple[str, ...],
    symbol: tuple[str, ...],
    span: Span,
    lake: str | None,
    force: bool,
    as_json: bool,
    wait: float,
    debug: bool,
) -> int:
    """Make longer bars of committed shorter ones, a whole day at a time; only from complete groups.

    \b
    Examples:
        python -m p1_ingest resample --from 5m --to 15m
        python -m p1_ingest resample --from 1h --to 2h,1d --symbol BTCUSDT --days 80
    """
    from p1_ingest import resample as resampling

    source, targets = timeframe(from_tf), [timeframe(name) for name in to_tf]
    for target in targets:
        resampling.members(source, target)
    names = cli.symbols_of(symbol)
    where = cli.opened(lake)

    def made(shelf: Shelf) -> resampling.Resampled:
        shorter = layout.shelf(where, BARS, source, shelf.symbol)
        done = resampling.resample(shorter, shelf, span, force=force, wait=wait, tell=progress.show)
        progress.results(() if as_json else done.lines())
        return done

    shelves = [layout.shelf(where, BARS, target, name) for name in names for target in targets]
    works = ((shelf, partial(made, shelf)) for shelf in shelves)
    results, failures = several.attempted(works, alone=len(shelves) == 1)
    return several.end(results, failures, [where], as_json)
