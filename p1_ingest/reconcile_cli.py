"""Two sources side by side, on the command line."""

from __future__ import annotations

from pathlib import Path

import click

from lake import cli, layout
from lake.span import Span
from meta.datasets import DATASETS
from meta.errors import Usage
from meta.symbols import symbol as checked_symbol

BARS = DATASETS["bars"]


@click.command()
@cli.option("--against", metavar="ROOT", help="The other lake's root; else the same lake, with --against-symbol.")
@cli.option("--against-symbol", metavar="S", help="What the other calls the symbol; else the same.")
@click.option("--tolerance", type=click.FloatRange(0), default=0.001, show_default=True,
              help="Median relative difference a column may have.")  # fmt: skip
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="The report, JSON; else under reports/.")
@cli.symbol_options
@cli.range_options
@click.option("--lake", "lakes", multiple=True, metavar="ROOT", help="The lake's root; a second one is --against.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
@cli.debug_option
def reconcile(
    against: str | None,
    against_symbol: str | None,
    tolerance: float,
    out: Path | None,
    symbol: tuple[str, ...],
    tf: tuple[str, ...],
    span: Span,
    lakes: tuple[str, ...],
    as_json: bool,
    debug: bool,
) -> int:
    """Compare two sources' bars: which bars one lacks, how each column differs, and whether one lags; exit 3 where so.

    \b
    Examples:
        python -m p1_ingest reconcile --lake data --against /mnt/other
        python -m p1_ingest reconcile --symbol BTCUSDT --against-symbol BTC-USDT_USDT_BINANCEUSDM --tf 1h
    """
    from lake import checks
    from p1_ingest.reconcile import reconciled

    names, tfs = cli.symbols_of(symbol), cli.timeframes_of(tf)
    first, against = _two(lakes, against)
    if not against and not against_symbol:
        raise Usage("nothing to compare with; give --against ROOT, or --against-symbol S for one in the same lake")
    if against_symbol and len(names) > 1:
        raise Usage("--against-symbol is what one symbol is called there; give one --symbol")
    where = cli.opened(first)
    other = cli.opened(against) if against else where
    found, failures = [], []
    for one in tfs:
        pairs = [
            (layout.shelf(where, BARS, one, name), layout.shelf(other, BARS, one, _other(name, against_symbol)))
            for name in names
        ]
        if any(a == b for a, b in pairs):
            raise Usage(f"{pairs[0][0]} would be compared with itself; give another --against or --against-symbol")
        reports, failed = checks.each(
            pairs, lambda pair: pair[0], lambda pair: reconciled(pair[0], pair[1], span, tolerance)
        )
        checks.tell(reports, checks.out_path(out, f"p1_reconcile_{one}.json", len(tfs), where), as_json)
        found += reports
        failures += failed
    return checks.end(found, failures, "P1 reconcile")


def _two(lakes: tuple[str, ...], against: str | None) -> tuple[str | None, str | None]:
    """Which lake is meant, and which other one?"""
    named = [*lakes, *([against] if against else [])]
    if len(named) > 2:
        raise Usage(f"{len(named)} lakes are named; two are compared at a time")
    return (lakes[0] if lakes else None), (against or (lakes[1] if len(lakes) == 2 else None))


def _other(name: str, against_symbol: str | None) -> str:
    return checked_symbol(against_symbol) if against_symbol else name
