"""Exports of a universe on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import click

from lake import accepted, cli, progress

NEXT = {
    "strict_metrics_empty_day": "leave metrics out by --no-include-metrics, or keep what there is of them by "
    "--metrics-reliability legacy_warn",
    "no_data": "bring the bars in by `python -m p1_ingest universe download`",
}


@click.command("universe-export")
@click.option(
    "--universe-file",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="The universe, as `p1_ingest universe define` wrote it.",
)
@click.option(
    "--export-base-path",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("exports"),
    show_default=True,
    help="Where the export's folder goes.",
)
@cli.option("--source-freq", metavar="TF", default="5m", show_default=True, help="Length of the lake's bars.")
@cli.option("--export-freq", metavar="TF", help="Length of the exported bars, made of whole groups; else the same.")
@click.option(
    "--include-klines/--no-include-klines", default=True, help="With prices and volumes (default), or without."
)
@click.option(
    "--include-metrics/--no-include-metrics",
    default=True,
    help="With open interest, ratios and funding (default), or without.",
)
@click.option(
    "--metrics-reliability",
    type=click.Choice(["strict_100", "legacy_warn"]),
    default="strict_100",
    show_default=True,
    help="Leave out symbol-days that lack a metric at any bar, or keep them with what is missing missing.",
)
@click.option("--start-date", "--start", metavar="DATE", help="First day; else the universe's.")
@click.option("--end-date", "--end", metavar="DATE", help="Last day; else the universe's.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["npy", "parquet", "both"]),
    default="both",
    show_default=True,
    help="As what.",
)
@accepted.database
@accepted.keys
@cli.as_of_flag
@cli.lake_option
@click.option("--json", "as_json", is_flag=True, help="The whole report as JSON.")
@cli.debug_option
def universe_export(
    universe_file: Path,
    export_base_path: Path,
    source_freq: str,
    export_freq: str | None,
    include_klines: bool,
    include_metrics: bool,
    metrics_reliability: str,
    start_date: str | None,
    end_date: str | None,
    form: str,
    as_of: str | None,
    lake: str | None,
    as_json: bool,
    debug: bool,
) -> int:
    """Write a universe's days as arrays of symbols by bars and as tables, with a report on every symbol-day.

    \b
    Example:
        python -m reports universe-export --universe-file universe.json --source-freq 5m --export-freq 1h
    """
    from reports.universe.export import export_universe_data
    from reports.universe.report import lines

    report = export_universe_data(
        universe_file,
        None,
        export_base_path,
        source_freq,
        export_freq,
        include_klines,
        include_metrics,
        metrics_reliability,
        start_date,
        end_date,
        lake=cli.opened(lake, "binance"),
        as_of=as_of,
        form=form,
        progress=progress.show,
    )
    progress.results([json.dumps(report, indent=1)] if as_json else [*lines(report), report["report_path"]])
    for error in report["errors"]:
        cli.say(f"error: {error['date']}: {error['error']}")
    emptied = [day["reason"] for day in report["skipped_days"] if day["reason"] in NEXT]
    if emptied and not report["exported_days"]:
        cli.say(f"error: no day could be exported ({emptied[0]}); {NEXT[emptied[0]]}")
        return 1
    return 1 if report["errors"] else 0
