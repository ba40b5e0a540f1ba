"""P2 under suspicion on the command line: could any feature have seen the future?"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lake import cli, layout, progress
from lake.layout import Shelf
from lake.span import Span
from meta.datasets import DATASETS
from meta.errors import NotReady

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from lake import checks

BARS, FEATURES = DATASETS["bars"], DATASETS["features"]
FILE = click.Path(path_type=Path, dir_okay=False)
AUDITED = 365  # days, unless others are asked for


@click.command()
@cli.symbol_options
@cli.range_options
@cli.lake_option
@cli.option("--set", "set_name", metavar="NAME", help="Feature set; else what FEATURES.json says the symbol has.")
@click.option("--cuts", type=click.IntRange(1), default=200, show_default=True, help="Random bars to cut at.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Which random bars.")
@click.option("--out", type=FILE, help="The report, JSON; else under reports/.")
@click.option("--json", "as_json", is_flag=True, help="Print what was found as JSON.")
@cli.debug_option
def audit(
    symbol: tuple[str, ...],
    tf: tuple[str, ...],
    span: Span,
    lake: str | None,
    set_name: str | None,
    cuts: int,
    seed: int,
    out: Path | None,
    as_json: bool,
    debug: bool,
) -> int:
    """Prove on your own bars that no feature sees the future; exit 3 where one does, naming it, its input and the bar.

    \b
    After each of many random cuts every bar is scaled, emptied, taken away and shuffled: no feature at or before the
    cut may change a bit. Nor may one that loses the bars before its declared reach. Each input is shifted by a bar, to
    see that it is noticed. Live and batch are compared over all bars, some bars with the plain definition.

    \b
    Examples:
        python -m p2_features audit --symbol BTCUSDT
        python -m p2_features audit --symbol BTCUSDT --set extended --cuts 500 --out reports/audit.json
    """
    from lake import checks

    where = cli.opened(lake)
    names, tfs = cli.symbols_of(symbol), cli.timeframes_of(tf)
    cli.compiling("live_bar")
    found, failures = [], []
    for one in tfs:
        shelves = [layout.shelf(where, BARS, one, name) for name in names]

        def look(bars: Shelf) -> checks.Report:
            return _audited(bars, set_name, span or Span(days=AUDITED), cuts, seed)

        reports, failed = checks.each(shelves, lambda bars: bars, look)
        checks.tell(reports, checks.out_path(out, f"p2_audit_{one}.json", len(tfs), where), as_json)
        found += reports
        failures += failed
    return checks.end(found, failures, "P2 audit")


def _audited(bars: Shelf, set_name: str | None, span: Span, cuts: int, seed: int) -> checks.Report:
    """Audit a symbol's features over its committed bars. Raises NotReady where there are too few."""
    from lake import days, frames
    from p2_features.audit import audited, live_faults
    from p2_features.choice import Asked, chosen
    from p2_features.compute import compute

    began = time.perf_counter()
    wanted = span.of(list(days.committed(bars)))
    if not wanted:
        raise NotReady(f"{bars} has no committed day there; run `{days.command(bars)}`")
    choice = chosen(bars.sibling(FEATURES), bars, Asked(set_name=set_name))
    grid = frames.grid(bars, wanted[0], wanted[-1], choice.inputs)

    def values(columns: Mapping[str, NDArray[np.float64]], first: int) -> Mapping[str, NDArray]:
        return compute(choice.features, columns, first).values

    def tell(line: str) -> None:
        progress.show(f"{bars}: {line}")

    found = audited(choice.features, values, grid.columns, grid.first, cuts, seed, os.cpu_count() or 1, tell)
    found.add(live_faults(choice.features, choice.warmup, choice.window, values, grid.columns, grid.first))
    for fault in found.faults:
        cli.say(f"{bars}: {fault.line()}")
    took = time.perf_counter() - began
    title = f"{bars}: {len(choice.features)} features over {len(grid):,} bars, {cuts} cuts, {took:.0f} s"
    facts = {"tf": bars.tf.name, "set": choice.set_name, "seed": seed, "bars": len(grid), "seconds": round(took, 1)}
    return found.report(bars.symbol, title, {**facts, "start": str(wanted[0]), "end": str(wanted[-1])})
