"""The lake on the command line: views, queries, status, verification."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import click

from lake import advice, cli, completion, layout, progress, roots, settings
from lake.doctor_cli import doctor
from lake.row_cli import lineage, why
from meta.errors import ChecksRed, NotReady


@click.group(cls=cli.Commands)
def commands() -> None:
    """The lake: look into it, query it, check it."""


def _db_option(command):  # type: ignore[no-untyped-def]
    kind = click.Path(path_type=Path, dir_okay=False)
    return click.option("--db", type=kind, help="Catalog file; else the lake's own under meta/duckdb.")(command)


@commands.command()
@_db_option
@click.option("--json", "as_json", is_flag=True, help="The catalog's file and its views as JSON.")
@cli.lake_option
@cli.debug_option
def views(db: Path | None, as_json: bool, lake: str | None, debug: bool) -> int:
    """Bring the DuckDB catalog up to the lake and list its views.

    \b
    Example:
        python -m lake views
    """
    from lake import catalog

    where = cli.opened(lake)
    place, written = catalog.refresh(where, db and db.absolute())
    names = catalog.names(place)
    if not names:
        raise NotReady(f"lake {where} has no committed day; run {advice.first(where)} first")
    if as_json:
        click.echo(json.dumps({"catalog": str(place), "views": sorted(names)}, indent=1))
    for name in () if as_json else sorted(names):
        click.echo(name)
    cli.say(f"catalog {settings.shown(place)} {'written' if written else 'is up to date'}")
    return 0


@commands.command()
@_db_option
@click.option("--glob", required=True, help="Part files the view reads.")
@click.option("--view", "name", required=True, help="Name of the view.")
@cli.lake_option
@cli.debug_option
def view(db: Path | None, glob: str, name: str, lake: str | None, debug: bool) -> int:
    """Add a view of your own to the catalog, over a glob of part files.

    \b
    Example:
        python -m lake view --glob "data/parquet/5m/BTCUSDT/y=*/m=*/d=*/part-*.parquet" --view btc
    """
    from lake import catalog
    from lake import views as known

    where = layout.root_of(glob) if lake is None and not settings.variable("PERPLAKE_LAKE") else None
    if where is None:
        where = cli.opened(lake)
    else:
        cli.say(roots.banner(where))
    if name in known.of(where):
        place, _ = catalog.refresh(where, db and db.absolute())
        cli.say(f"catalog {settings.shown(place)}: {name} is one of the lake's own views, over every symbol")
        return 0
    place, _ = catalog.refresh(where, db and db.absolute(), {name: glob})
    cli.say(f"catalog {settings.shown(place)}: {name} reads {glob}")
    return 0


@commands.command()
@click.argument("sql")
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "csv", "json", "parquet"]),
    help="Else what FILE ends in, or a table.",
)
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), help="File to write; else standard output.")
@click.option("--rows", type=click.IntRange(1), default=40, show_default=True, help="Rows of a table shown.")
@cli.as_of_option
@cli.lake_option
@cli.debug_option
def query(sql: str, form: str | None, output: Path | None, rows: int, lake: str | None, debug: bool) -> int:
    """Ask the lake one SELECT; nothing changes under it while it runs.

    \b
    Examples:
        python -m lake query "SELECT day, count(*) FROM bars_5m GROUP BY day ORDER BY day DESC LIMIT 5"
        python -m lake query "FROM train_5m" --output train.parquet
    """
    from lake import answers

    meant = answers.form_of(form, output)
    kept = answers.answer(cli.opened(lake), sql, meant, output, rows)
    if output is not None:
        cli.say(f"wrote {kept:,} rows to {settings.shown(output)}")
    return 0


@commands.command()
@cli.as_of_option
@cli.lake_option
@cli.debug_option
def shell(lake: str | None, debug: bool) -> int:
    """Ask the lake one SELECT after the other, each ended by a semicolon; .help tells more.

    \b
    Examples:
        python -m lake shell
        echo "SELECT count(*) FROM bars_5m;" | python -m lake shell
    """
    from lake import shell as asking

    return asking.shell(cli.opened(lake))


@commands.command()
@click.option("--stale", is_flag=True, help="List the days whose inputs are no longer those they were made of.")
@click.option("--json", "as_json", is_flag=True, help="The same as JSON.")
@cli.lake_option
@cli.debug_option
def status(stale: bool, as_json: bool, lake: str | None, debug: bool) -> int:
    """What does the lake hold, and is it up to date?

    \b
    Example:
        python -m lake status --stale
    """
    from lake import status as state

    where = cli.opened(lake)
    found = state.status(where)
    if stale or as_json:
        found = state.with_causes(found)
    if as_json:
        click.echo(json.dumps(found.data(), indent=1))
        return 0
    now = time.time_ns() // 1_000_000
    if sys.stdout.isatty():
        from lake import board

        board.show(found, stale, now)
        return 0
    for line in found.lines(stale, now):
        click.echo(line)
    return 0


@commands.command()
@click.option("--sample", type=click.FloatRange(0, 1, min_open=True), help="Share of the days to read, 0 to 1.")
@click.option("--json", "as_json", is_flag=True, help="The findings as JSON.")
@cli.lake_option
@cli.debug_option
def verify(sample: float | None, as_json: bool, lake: str | None, debug: bool) -> int:
    """Read every byte of the lake and compare it with what its manifests say.

    \b
    Example:
        python -m lake verify
    """
    from lake import verify as verifying

    where = _standing(lake, "verified")
    count = sum(len(shelf.days_on_disk()) for shelf in roots.shelves(where))
    findings = verifying.verify(where, sample=sample, looked=progress.Meter("verifying", count, "days").add)
    told = [json.dumps([one.data() for one in findings], indent=1)] if as_json else map(str, findings)
    progress.results(told)
    wrong = [finding for finding in findings if finding.wrong]
    if wrong:
        things = "thing is" if len(wrong) == 1 else "things are"
        raise ChecksRed(f"{len(wrong)} {things} wrong in {count} days; see above, each with the way to heal it")
    cli.say(f"{count} days verified, nothing wrong")
    return 0


@commands.command()
@click.option("--run", is_flag=True, help="Also run the commands that make the days anew.")
@click.option("--json", "as_json", is_flag=True, help="What was set aside, and the commands, as JSON.")
@cli.lake_option
@cli.debug_option
def repair(run: bool, as_json: bool, lake: str | None, debug: bool) -> int:
    """Set damaged days aside, and tell (or run) the commands that make them anew.

    \b
    Example:
        python -m lake repair --run
    """
    from lake import repair as repairing

    where = _standing(lake, "repaired")
    found = repairing.repair(where)
    for one in () if as_json else found:
        click.echo(str(one))
    commands_of = repairing.gone(where, found)
    if not commands_of:
        cli.say("nothing is damaged, and nothing is gone")
    elif not found:
        cli.say(f"{len(commands_of)} days the log tells of are gone; these commands make them anew:")
    if as_json:
        click.echo(json.dumps({"aside": [one.data() for one in found], "commands": commands_of}, indent=1))
    for words in () if as_json else commands_of:
        click.echo(f"  {words}")
    if found:
        cli.refreshed(where)
    return cli.spawned(commands_of, quiet=as_json) if run else 0


def _standing(lake: str | None, done: str) -> Path:
    """The lake that is meant, which has to be there: of a mistyped one there is nothing wrong. Raises NotReady."""
    where = cli.opened(lake)
    if not where.is_dir():
        raise NotReady(f"lake {where} does not exist, so nothing was {done}; name another with --lake")
    return where


commands.add_command(lineage)
commands.add_command(why)
commands.add_command(doctor)
commands.add_command(completion.completion)
