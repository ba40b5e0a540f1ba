"""P2 on the command line: build features, check them, time them."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lake import cli, layout, progress, several
from lake.span import Span
from meta.datasets import DATASETS
from meta.errors import Usage
from p2_features.audit_cli import audit
from p2_features.checks_cli import Target, bench, validate
from p2_features.stream_cli import stream

if TYPE_CHECKING:
    from lake.run import Engine
    from p2_features.build import Built
    from p2_features.choice import Asked

BARS, FEATURES = DATASETS["bars"], DATASETS["features"]
FIRST_CALLS = [f"p2_features.first_calls:{name}" for name in ("winsorized", "ranked", "evaluated", "scored")]


@click.group(cls=cli.Commands)
def commands() -> None:
    """P2: features that could have been known at each bar."""


def _targets(
    glob: str | None, out: Path | None, symbol: tuple[str, ...], tf: tuple[str, ...], lake: str | None
) -> list[Target]:
    """Which shelves do the options name? A glob selects bars; --out says where the features go."""
    pairs = cli.shelves_of(BARS, glob, symbol, tf, lake)
    if out is None:
        return [Target(bars.sibling(FEATURES), bars, days) for bars, days in pairs]
    if len(pairs) != 1:
        raise Usage("--out takes one symbol and one timeframe; leave it out to write several into the lake")
    bars, days = pairs[0]
    return [Target(layout.shelf_at(out, FEATURES, bars.tf, bars.symbol), bars, days)]


@commands.command()
@click.option("--glob", help="Bars (part files): they select the days written; look-back is read as needed.")
@click.option(
    "--out", type=click.Path(path_type=Path), help="Folder to write: …/features/TF/SYMBOL, or any of your own."
)
@cli.symbol_options
@cli.range_options
@cli.as_of_option
@cli.lake_option
@cli.option("--set", "set_name", metavar="NAME", help="Feature set of conf/features.yaml; core unless chosen before.")
@cli.option("--with", "include", multiple=True, metavar="F", help="Have this feature, and decide again.")
@cli.option("--without", "exclude", multiple=True, metavar="F", help="Leave this feature out, and decide again.")
@click.option("--reselect", is_flag=True, help="Decide again which features the symbol has.")
@click.option(
    "--coverage", type=click.FloatRange(0, 1, min_open=True), metavar="SHARE",
    help="With --reselect: leave out what has an input on a smaller share of all committed bars.",
)  # fmt: skip
@click.option("--warmup", type=int, metavar="BARS", help="Bars of history a row needs; 30 days unless given.")
@click.option("--winsor_low", type=float, metavar="Q", help="Lower quantile of the past a value is clipped to (0.01).")
@click.option("--winsor_high", type=float, metavar="Q", help="Upper quantile of the past a value is clipped to (0.99).")
@click.option("--json", "as_json", is_flag=True, help="What was done as JSON.")
@cli.prune_option
@cli.engine_options
@cli.wait_option
@cli.debug_option
def build(
    glob: str | None,
    out: Path | None,
    symbol: tuple[str, ...],
    tf: tuple[str, ...],
    span: Span,
    lake: str | None,
    set_name: str | None,
    include: tuple[str, ...],
    exclude: tuple[str, ...],
    reselect: bool,
    coverage: float | None,
    warmup: int | None,
    winsor_low: float | None,
    winsor_high: float | None,
    as_json: bool,
    prune: bool,
    engine: str,
    workers: int | None,
    wait: float,
    debug: bool,
) -> int:
    """Compute features for every committed day that is new or whose inputs changed.

    \b
    Examples:
        python -m p2_features build --symbol BTCUSDT
        python -m p2_features build --symbol BTCUSDT --without perp_share_60m
        python -m p2_features build --symbol BTCUSDT --reselect --coverage 0.9
        python -m p2_features build --symbol BTCUSDT,ETHUSDT --engine processes
    """
    targets = _targets(glob, out, symbol, tf, lake)
    cli.compiling("past_quantiles", FIRST_CALLS)
    from p2_features.build import costly
    from p2_features.choice import Asked

    asked = Asked(set_name, include, exclude, reselect, coverage, warmup, winsor_low, winsor_high).checked()
    works = [(target.shelf, partial(_begun, target, span, asked, wait, prune)) for target in targets]
    return several.built(works, engine, workers, as_json, costly)


def _begun(
    target: Target, span: Span, asked: Asked, wait: float, prune: bool, engine: Engine
) -> Generator[None, None, Built]:
    from p2_features import build as building

    wanted = span if target.days is None else replace(span, only=frozenset(target.days))
    return building.building(target.shelf, target.bars, wanted, asked, engine, wait, progress.show, prune)


commands.add_command(validate)
commands.add_command(bench)
commands.add_command(audit)
commands.add_command(stream)
