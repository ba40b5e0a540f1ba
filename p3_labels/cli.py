"""P3 on the command line: label bars, check the labels, look at some."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, replace
from datetime import date
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lake import cli, layout, progress, several
from lake.layout import Shelf
from lake.span import Span
from meta.datasets import DATASETS
from meta.errors import Usage
from p3_labels.checks_cli import sample, validate
from p3_labels.train_cli import folds, weights

if TYPE_CHECKING:
    from lake.run import Engine
    from p3_labels.build import Built
    from p3_labels.rules import Rules

BARS, FEATURES, LABELS = DATASETS["bars"], DATASETS["features"], DATASETS["labels"]


@click.group(cls=cli.Commands)
def commands() -> None:
    """P3: what happened after each bar, by the triple barrier."""


@dataclass(frozen=True)
class Target:
    """Whose labels: where they go, the features and bars they come from, and the days a glob selects (None: all)."""

    shelf: Shelf
    features: Shelf
    bars: Shelf
    days: tuple[date, ...] | None


def _targets(
    features: str | None,
    bars: str | None,
    out: Path | None,
    symbol: tuple[str, ...],
    tf: tuple[str, ...],
    lake: str | None,
) -> list[Target]:
    """Which shelves do the options name? Without --bars they are the features' sibling."""
    found = cli.shelves_of(FEATURES, features, symbol, tf, lake)
    if (out is not None or bars is not None) and len(found) != 1:
        raise Usage("--out and --bars take one symbol and one timeframe; leave them out to label several")
    targets = []
    for shelf, days in found:
        sibling = layout.selected(bars, BARS, shelf.tf, shelf.symbol)[0].shelf if bars else shelf.sibling(BARS)
        place = layout.shelf_at(out, LABELS, shelf.tf, shelf.symbol) if out else shelf.sibling(LABELS)
        targets.append(Target(place, shelf, sibling, days))
    return targets


@commands.command("triple-barrier")
@click.option("--features", help="Features (part files) whose bars get a label; else the lake's own.")
@click.option("--bars", help="Bars (part files) the paths walk; else the features' sibling parquet/TF/SYMBOL.")
@click.option("--out", type=click.Path(path_type=Path), help="Where to write: …/labels/TF/SYMBOL, or any folder.")
@cli.symbol_options
@cli.range_options
@cli.as_of_option
@cli.lake_option
@click.option("--k", type=float, help="Both barriers, in multiples of the average true range (1.2).")
@click.option("--k-up", type=float, help="The upper barrier alone.")
@click.option("--k-down", type=float, help="The lower barrier alone.")
@click.option("--H", "horizon", type=int, help="Horizon in bars (36).")
@click.option("--atr_window", type=int, help="Bars the average true range is taken over (14).")
@click.option("--atr", help="How true ranges are averaged: wilder (default), or sma.")
@click.option("--unit", help="What the barriers are multiples of: atr (default), or realised volatility.")
@click.option(
    "--events", help="Which bars: every (default), cusum[:LOG RETURN], or a Parquet or CSV file of ts[, side]."
)
@click.option("--tie", help="Both barriers inside one bar: wait (default), stop, nearest, or resolve by 1m bars.")
@click.option("--min-barrier-bp", type=float, help="Narrower barriers give no label (0).")
@click.option("--cost-bp", type=float, help="Cost of a round trip; above 0 adds ret_net (0).")
@click.option("--json", "as_json", is_flag=True, help="What was done as JSON.")
@cli.prune_option
@cli.engine_options
@cli.wait_option
@cli.debug_option
def triple_barrier(
    features: str | None,
    bars: str | None,
    out: Path | None,
    symbol: tuple[str, ...],
    tf: tuple[str, ...],
    span: Span,
    lake: str | None,
    k: float | None,
    k_up: float | None,
    k_down: float | None,
    horizon: int | None,
    atr_window: int | None,
    atr: str | None,
    unit: str | None,
    events: str | None,
    tie: str | None,
    min_barrier_bp: float | None,
    cost_bp: float | None,
    as_json: bool,
    prune: bool,
    engine: str,
    workers: int | None,
    wait: float,
    debug: bool,
) -> int:
    """Label every bar that has features by the barrier its price touches first.

    \b
    Examples:
        python -m p3_labels triple-barrier --symbol BTCUSDT
        python -m p3_labels triple-barrier --symbol BTCUSDT --k 1.2 --H 36 --atr_window 14 --tie stop
        python -m p3_labels triple-barrier --symbol BTCUSDT --unit realised --events cusum:0.01
    """
    targets = _targets(features, bars, out, symbol, tf, lake)
    cli.compiling("first_touch")
    from p3_labels.rules import rules

    chosen = rules(k, k_up, k_down, horizon, atr_window, tie, min_barrier_bp, cost_bp, atr, unit, events)
    works = [(target.shelf, partial(_begun, target, span, chosen, wait, prune)) for target in targets]
    return several.built(works, engine, workers, as_json)


def _begun(
    target: Target, span: Span, chosen: Rules, wait: float, prune: bool, engine: Engine
) -> Generator[None, None, Built]:
    from p3_labels import build as building

    work = building.Work(target.shelf, target.features, target.bars, chosen)
    wanted = span if target.days is None else replace(span, only=frozenset(target.days))
    return building.building(work, wanted, engine, wait, progress.show, prune)


commands.add_command(validate)
commands.add_command(sample)
commands.add_command(weights)
commands.add_command(folds)
