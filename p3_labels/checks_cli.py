"""P3's checks on the command line: judge the labels, look at some."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lake import cli, ending, layout
from lake.layout import Selection
from lake.span import Span
from meta.datasets import DATASETS
from meta.errors import PerplakeError, Usage

if TYPE_CHECKING:
    from p3_labels.validate import Subject

BARS, FEATURES, LABELS = DATASETS["bars"], DATASETS["features"], DATASETS["labels"]


def _subjects(
    places: cli.Places, features: str | None, bars: str | None, span: Span, horizon: int | None
) -> list[Subject]:
    """Which features and bars belong to these labels? Their siblings, unless named; one glob may name many symbols."""
    from p3_labels.validate import Subject

    if bars is not None and len(places) != 1:
        raise Usage("--bars takes one symbol and one timeframe; leave it out to use each one's own")
    free = places[0][0]
    chosen = layout.selected(features, FEATURES, free.tf, free.symbol) if features else []
    by_name = {(one.shelf.symbol, one.shelf.tf): one for one in chosen}
    subjects = []
    for labels, label_days in places:
        found = by_name.get((labels.symbol, labels.tf)) if features else Selection(labels.sibling(FEATURES), ())
        if found is None:
            raise Usage(f"--features {features!r} selects no features of {labels.symbol} {labels.tf}")
        tape = layout.selected(bars, BARS, labels.tf, labels.symbol)[0].shelf if bars else found.shelf.sibling(BARS)
        subjects.append(Subject(labels, found.shelf, tape, span, label_days, found.days or None, horizon))
    return subjects


@click.command()
@click.option("--labels", help="Labels (part files) that are judged; else the lake's own.")
@click.option("--features", help="Features (part files) they are for; else the sibling features/TF/SYMBOL.")
@click.option("--bars", help="Bars (part files) their paths walk; else the features' sibling parquet/TF/SYMBOL.")
@click.option("--report", "out", type=click.Path(path_type=Path, dir_okay=False), help="JSON; else under reports/.")
@click.option(
    "--H", "horizon", type=click.IntRange(1), help="Horizon in bars, where the labels are not of conf's rules."
)
@cli.symbol_options
@cli.range_options
@cli.lake_option
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
@cli.debug_option
def validate(
    labels: str | None,
    features: str | None,
    bars: str | None,
    out: Path | None,
    horizon: int | None,
    symbol: tuple[str, ...],
    tf: tuple[str, ...],
    span: Span,
    lake: str | None,
    as_json: bool,
    debug: bool,
) -> int:
    """Judge labels: whole, consistent, of their features; exit 3 where they are not. Tells balance and barriers too.

    \b
    Examples:
        python -m p3_labels validate --symbol BTCUSDT
        python -m p3_labels validate --labels "data/labels/5m/BTCUSDT/y=*/m=*/d=*/part-*.parquet" --json
    """
    from lake import checks, settings
    from p3_labels.validate import judged

    default = span.days or settings.lake_conf().days
    meant = span or (Span() if labels or features else Span(days=default))
    subjects = _subjects(cli.shelves_of(LABELS, labels, symbol, tf, lake), features, bars, meant, horizon)
    cli.compiling("first_touch")
    timeframes = dict.fromkeys(subject.labels.tf for subject in subjects)
    found, failures = [], []
    for one in timeframes:
        root = None if labels else subjects[0].labels.root
        place = checks.out_path(out, f"p3_qa_{one}_{default}d.json", len(timeframes), root)
        here = [subject for subject in subjects if subject.labels.tf is one]
        reports, failed = checks.each(here, lambda subject: subject.labels, judged)
        checks.tell(reports, place, as_json)
        found += reports
        failures += failed
    return checks.end(found, failures, "P3 validation")


@click.command()
@click.option("--labels", help="Labels (part files) to draw from; else the lake's own.")
@click.option("--n", type=click.IntRange(1), default=10, show_default=True, help="How many.")
@click.option("--seed", type=int, default=0, show_default=True, help="Another number draws others.")
@cli.symbol_options
@cli.range_options
@cli.lake_option
@click.option("--json", "as_json", is_flag=True, help="All their columns as JSON.")
@cli.debug_option
def sample(
    labels: str | None,
    n: int,
    seed: int,
    symbol: tuple[str, ...],
    tf: tuple[str, ...],
    span: Span,
    lake: str | None,
    as_json: bool,
    debug: bool,
) -> int:
    """Show some labels, drawn at random; the same ones every time unless --seed says otherwise.

    \b
    Example:
        python -m p3_labels sample --symbol BTCUSDT --n 10
    """
    from lake import days as lake_days
    from p3_labels.sample import lines, sampled

    places = cli.shelves_of(LABELS, labels, symbol, tf, lake)
    found, failures = [], 0
    for shelf, picked in places:
        known = lake_days.committed(shelf)
        meant = span.of([day for day in known if picked is None or day in picked])
        try:
            rows = sampled(shelf, {day: known[day] for day in meant}, n, seed)
        except PerplakeError as error:
            if len(places) == 1:
                raise
            cli.say(f"error: {ending.line_of(error)}")
            failures += 1
            continue
        found += rows
        if not as_json:
            click.echo("\n".join([str(shelf), *(f"  {line}" for line in lines(rows))]))
    if as_json:
        click.echo(json.dumps(found, indent=1))
    return 1 if failures else 0
