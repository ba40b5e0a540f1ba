"""P3's training data on the command line: weigh the labels, cut the folds."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from lake import cli, layout, progress, several
from lake.layout import Shelf
from lake.span import Span
from meta.datasets import DATASETS
from meta.timeframes import Timeframe

if TYPE_CHECKING:
    from p3_labels.folds import Plan

KINDS = ("kfold", "cpcv", "walk-forward")


@click.command()
@cli.symbol_options
@cli.range_options
@cli.as_of_option
@cli.lake_option
@click.option("--H", "horizon", type=click.IntRange(1), help="Horizon in bars, where the labels are not of conf's.")
@click.option("--json", "as_json", is_flag=True, help="What was done as JSON.")
@cli.prune_option
@cli.wait_option
@cli.debug_option
def weights(
    symbol: tuple[str, ...],
    tf: tuple[str, ...],
    span: Span,
    lake: str | None,
    horizon: int | None,
    as_json: bool,
    prune: bool,
    wait: float,
    debug: bool,
) -> int:
    """Tell how crowded each label is: concurrency, uniqueness and the return that is its own.

    \b
    Example:
        python -m p3_labels weights --symbol BTCUSDT
    """
    where = cli.opened(lake)
    names, tfs = cli.symbols_of(symbol), cli.timeframes_of(tf)
    from p3_labels import weights as weighing
    from p3_labels.rules import rules

    H = horizon or rules().barriers.H

    def weighed(shelf: Shelf) -> weighing.Weighed:
        work = weighing.Work(shelf, shelf.sibling(DATASETS["labels"]), shelf.sibling(DATASETS["bars"]), H)
        done = weighing.build(work, span, wait, progress.show, prune)
        progress.results(() if as_json else done.lines())
        return done

    shelves = [layout.shelf(where, DATASETS["weights"], one, name) for one in tfs for name in names]
    works = ((shelf, partial(weighed, shelf)) for shelf in shelves)
    results, failures = several.attempted(works, alone=len(shelves) == 1)
    return several.end(results, failures, [where], as_json)


@click.command()
@cli.symbol_options
@cli.range_options
@cli.as_of_option
@cli.lake_option
@click.option("--name", help="What the snapshot is called (main).")
@click.option("--kind", type=click.Choice(KINDS), help="Each block once, every choice of blocks, or only forward.")
@click.option("--k", type=int, help="Blocks of time, over all symbols together (6).")
@click.option("--test-blocks", type=int, help="cpcv: how many blocks each split tests (2).")
@click.option("--train-blocks", type=int, help="walk-forward: how many blocks train, the latest ones; else all before.")
@click.option(
    "--embargo",
    metavar="LENGTH",
    help="Kept out after a test, such as 4h or 60d; else by the features. Walk-forward keeps all of it out.",
)
@click.option("--cut", help="t1 purges by the labels' own ends; horizon drops all that begins within H before a test.")
@click.option("--H", "horizon", type=click.IntRange(1), help="Horizon in bars, where the labels are not of conf's.")
@click.option("--weight", help="What a row weighs: return (default), uniqueness or equal.")
@click.option("--decay", type=float, help="Weight of the very oldest label beside the newest; 1 is no decay.")
@click.option("--balance/--no-balance", default=None, help="Every class weighs the same in all.")
@click.option("--json", "as_json", is_flag=True, help="The snapshot's meta.json.")
@cli.wait_option
@cli.debug_option
def folds(
    symbol: tuple[str, ...], tf: tuple[str, ...], span: Span, lake: str | None, as_json: bool, wait: float, **asked: Any
) -> int:
    """Cut the labels of all symbols into training and test, purged and embargoed, as one named snapshot.

    \b
    Examples:
        python -m p3_labels folds --symbol BTCUSDT --symbol SOLUSDT
        python -m p3_labels folds --name strict --kind walk-forward --k 12 --symbol BTCUSDT
    """
    from p3_labels import folds as folding

    asked.pop("debug")
    where = cli.opened(lake)
    names, tfs = cli.symbols_of(symbol), cli.timeframes_of(tf)
    told = []
    for one in tfs:
        with progress.watched(f"P3 folds {one}"):
            done = folding.build(where, one, names, span, _plan(where, one, names, **asked), wait)
        told.append(dict(done.said))
        for line in () if as_json else done.lines():
            click.echo(line)
    if as_json:
        click.echo(json.dumps(told, indent=1))
    cli.refreshed(where)
    return 0


def _plan(
    where: Any, tf: Timeframe, names: list[str], *, embargo: str | None, horizon: int | None, **asked: Any
) -> Plan:
    """What do the flags mean, with conf under them?"""
    from lake.settings import conf
    from p3_labels import folds as folding
    from p3_labels.rules import LabelsConf, rules
    from p3_labels.splits import Scheme

    said = conf("labels.yaml", LabelsConf).folds
    H, text = horizon or rules().barriers.H, said.embargo if embargo is None else embargo
    kept_out = folding.usual_embargo(where, tf, names, H) if text is None else folding.embargo_of(text)
    chosen = {name: getattr(said, name) if value is None else value for name, value in asked.items()}
    scheme = Scheme(
        kind=chosen["kind"],
        blocks=chosen["k"],
        test_blocks=chosen["test_blocks"],
        train_blocks=chosen["train_blocks"],
        embargo_ms=kept_out,
        cut=chosen["cut"],
        horizon_ms=H * tf.ms,
    )
    return folding.Plan(chosen["name"], scheme.check(), chosen["weight"], chosen["decay"], chosen["balance"])
