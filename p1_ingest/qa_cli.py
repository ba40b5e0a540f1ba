"""P1's checks on the command line."""

from __future__ import annotations

from pathlib import Path

import click

from lake import cli
from lake.span import Span
from meta.datasets import DATASETS


@click.command()
@click.option("--glob", help="Bars (part files) that are judged; else the lake's own.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="The report, JSON; else under reports/.")
@cli.symbol_options
@cli.range_options
@cli.lake_option
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
@cli.debug_option
def qa(
    glob: str | None,
    out: Path | None,
    symbol: tuple[str, ...],
    tf: tuple[str, ...],
    span: Span,
    lake: str | None,
    as_json: bool,
    debug: bool,
) -> int:
    """Judge bars: all there, none impossible, enough said; exit 3 where they are not fit for use.

    \b
    Examples:
        python -m p1_ingest qa --symbol BTCUSDT --days 80
        python -m p1_ingest qa --glob "data/parquet/5m/BTCUSDT/y=*/m=*/d=*/part-*.parquet" --days 80
    """
    from lake import checks, settings
    from p1_ingest.qa import Asked, judged
    from p1_ingest.venues import now_ms

    targets = cli.shelves_of(DATASETS["bars"], glob, symbol, tf, lake)
    default = settings.lake_conf().days
    timeframes = dict.fromkeys(shelf.tf for shelf, _ in targets)
    found, failures = [], []
    for one in timeframes:
        root = None if glob else targets[0][0].root
        place = checks.out_path(out, _name(one.name, span.days or default), len(timeframes), root)
        asked = [(shelf, Asked(span, picked, now_ms(), default)) for shelf, picked in targets if shelf.tf is one]
        reports, failed = checks.each(asked, lambda pair: pair[0], lambda pair: judged(*pair))
        checks.tell(reports, place, as_json)
        found += reports
        failures += failed
    return checks.end(found, failures, "P1 QA")


def _name(tf: str, days: int) -> str:
    """What is the report called? The 15m form keeps the name of the first pipeline."""
    return "p1_qa_core.json" if tf == "15m" else f"p1_qa_core_{tf}_{days}d.json"
