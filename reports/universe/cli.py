"""Exports of a universe on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import click

from lake import cli
from meta.errors import Usage

KEY = "Accepted and not needed: nobody is asked."


def _secret(name: str):  # type: ignore[no-untyped-def]
    return click.option(name, metavar="KEY", expose_value=False, callback=cli.typed_secret(name), help=KEY)


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
@click.option("--source-freq", metavar="TF", default="5m", show_default=True, help="Length of the lake's bars.")
@click.option("--export-freq", metavar="TF", help="Length of the exported bars, made of whole groups; else the same.")
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
@click.option("--db-path", metavar="FILE", hidden=True, help="There is no database: see --lake.")
@_secret("--api-key")
@_secret("--api-secret")
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
    db_path: str | None,
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

    if db_path is not None:
        raise Usage("there is no database to name by --db-path: bars are kept in a lake; give --lake ROOT, or nothing")
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
        form=form,
        progress=cli.say,
    )
    for line in [json.dumps(report, indent=1)] if as_json else [*lines(report), report["report_path"]]:
        click.echo(line)
    for error in report["errors"]:
        cli.say(f"error: {error['date']}: {error['error']}")
    nothing = not report["exported_days"] and any(
        day["reason"] != "no_active_symbols" for day in report["skipped_days"]
    )
    if nothing:
        cli.say(
            f"error: no day could be exported ({report['skipped_days'][0]['reason']}); {report['report_path']} says why"
        )
    return 1 if report["errors"] or nothing else 0
