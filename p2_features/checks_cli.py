"""P2's checks on the command line: are the features whole, and are they quick enough?"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import click

from lake import cli, layout
from lake.layout import Shelf
from lake.span import Span
from meta.datasets import DATASETS
from meta.errors import Usage
from meta.timeframes import Timeframe

BARS, FEATURES = DATASETS["bars"], DATASETS["features"]
FILE = click.Path(path_type=Path, dir_okay=False)


@dataclass(frozen=True)
class Target:
    """Whose features, the bars they come from, and the days a glob selects (None: all)."""

    shelf: Shelf
    bars: Shelf
    days: tuple[date, ...] | None


def _targets(
    glob: str | None, bars: str | None, symbol: tuple[str, ...], tf: tuple[str, ...], lake: str | None
) -> list[Target]:
    """Which shelves do the options name? Without --bars they are the features' sibling."""
    found = cli.shelves_of(FEATURES, glob, symbol, tf, lake)
    if bars is not None and len(found) != 1:
        raise Usage("--bars takes one symbol and one timeframe; leave it out to use each one's own")
    return [Target(shelf, _bars_of(shelf, bars), days) for shelf, days in found]


def _bars_of(shelf: Shelf, bars: str | None) -> Shelf:
    return layout.selected(bars, BARS, shelf.tf, shelf.symbol)[0].shelf if bars else shelf.sibling(BARS)


def _by_timeframe(targets: list[Target]) -> dict[Timeframe, list[Target]]:
    grouped: dict[Timeframe, list[Target]] = {}
    for target in targets:
        grouped.setdefault(target.shelf.tf, []).append(target)
    return grouped


@click.command()
@click.option("--glob", help="Features (part files) that are judged; else the lake's own.")
@click.option("--bars", help="Bars (part files) they were made of; else the sibling parquet/TF/SYMBOL.")
@click.option("--qa", "out", type=FILE, help="The report, JSON; else under reports/.")
@click.option("--schema", type=FILE, help="What each feature means, JSON; else under reports/.")
@click.option("--horizon_days", type=click.IntRange(1), help="Days back from the last feature day, warm-up included.")
@click.option("--warmup", type=click.IntRange(0), metavar="BARS", help="Bars of the horizon that are warm-up.")
@cli.symbol_options
@cli.range_options
@cli.lake_option
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
@cli.debug_option
def validate(
    glob: str | None,
    bars: str | None,
    out: Path | None,
    schema: Path | None,
    horizon_days: int | None,
    warmup: int | None,
    symbol: tuple[str, ...],
    tf: tuple[str, ...],
    span: Span,
    lake: str | None,
    as_json: bool,
    debug: bool,
) -> int:
    """Judge features: whole, complete, and what today's bars and rules make of them; exit 3 where they are not.

    \b
    Examples:
        python -m p2_features validate --symbol BTCUSDT --horizon_days 80
        python -m p2_features validate --glob "data/features/5m/BTCUSDT/**/*.parquet" --horizon_days 80 --warmup 8640
    """
    from lake import checks, settings
    from p2_features import validate as validating
    from p2_features.bench import measured

    if horizon_days and span.days and horizon_days != span.days:
        raise Usage(f"give --horizon_days {horizon_days} or --days {span.days}, not both")
    grouped = _by_timeframe(_targets(glob, bars, symbol, tf, lake))
    cli.compiling("past_quantiles")
    horizon = horizon_days or span.days or settings.lake_conf().days
    found, failures = [], []
    for one, targets in grouped.items():
        root = None if glob else targets[0].shelf.root
        place = checks.out_path(out, f"p2_qa_{one}_{horizon}d.json", len(grouped), root)
        named = "p2_feature_schema.json" if len(grouped) == 1 else f"p2_feature_schema_{one}.json"
        beside = checks.out_path(schema, named, len(grouped), root)
        bench = place.with_name(_bench_name(one, horizon))

        def look(target: Target, bench: Path = bench) -> checks.Report:
            meant = validating.Range(horizon, warmup, span.start, span.end, target.days)
            speed = measured(bench, target.shelf.symbol, target.shelf.tf.name)
            return validating.judged(target.shelf, target.bars, meant, speed)

        reports, failed = checks.each(targets, lambda target: target.shelf, look)
        checks.tell(reports, place, as_json)
        told = {t.shelf.symbol: validating.schema(t.shelf, t.bars) for t in targets if validating.decided(t.shelf)}
        checks.write(beside, json.dumps(told, indent=1, ensure_ascii=False) + "\n")
        cli.say(f"wrote {settings.shown(beside)}")
        found += reports
        failures += failed
    return checks.end(found, failures, "P2 validation")


def _bench_name(tf: Timeframe, days: int) -> str:
    return f"p2_bench_{tf}_{days}d.csv"


@click.command()
@click.option("--glob", help="Features (part files) whose computation is timed; else the lake's own.")
@click.option("--bars", help="Bars (part files) they are made of; else the sibling parquet/TF/SYMBOL.")
@click.option("--report", "out", type=FILE, help="The report, CSV; else under reports/.")
@cli.symbol_options
@cli.range_options
@cli.lake_option
@click.option("--json", "as_json", is_flag=True, help="Print what was measured as JSON.")
@cli.debug_option
def bench(
    glob: str | None,
    bars: str | None,
    out: Path | None,
    symbol: tuple[str, ...],
    tf: tuple[str, ...],
    span: Span,
    lake: str | None,
    as_json: bool,
    debug: bool,
) -> int:
    """Time the features of a bar, in the batch and live; exit 3 where they take more than 50 ms.

    \b
    Examples:
        python -m p2_features bench --symbol BTCUSDT --days 80
        python -m p2_features bench --glob "data/features/5m/BTCUSDT/**/*.parquet" --report reports/p2_bench_5m_80d.csv
    """
    from lake import checks, settings
    from lake import days as lake_days
    from p2_features import bench as benching

    grouped = _by_timeframe(_targets(glob, bars, symbol, tf, lake))
    horizon = span.days or settings.lake_conf().days
    chosen = span or Span(days=horizon)
    found, failures = [], []
    cli.compiling("live_bar")
    for one, targets in grouped.items():
        timings: list[benching.Timing] = []

        def look(target: Target, timings: list[benching.Timing] = timings) -> checks.Report:
            known = target.days if target.days is not None else tuple(lake_days.committed(target.shelf))
            timings.append(benching.timed(target.shelf, target.bars, chosen.of(list(known))))
            return timings[-1].report()

        reports, failed = checks.each(targets, lambda target: target.shelf, look)
        root = None if glob else targets[0].shelf.root
        place = checks.out_path(out, _bench_name(one, horizon), len(grouped), root)
        checks.tell(reports, place, as_json, benching.written(timings))
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        benching.remember(place.with_name(benching.HISTORY), timings, now)
        found += reports
        failures += failed
    return checks.end(found, failures, "P2 bench")
