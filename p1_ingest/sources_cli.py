"""The sources on the command line: what they offer, and whether they answer."""

from __future__ import annotations

import json
from dataclasses import asdict

import click

from lake import cli, ending, roots, settings
from meta.errors import PerplakeError
from meta.timeframes import timeframe

TRIES = 2  # a check is to tell of trouble, not to wait for its end


@click.command()
@cli.option("--source", help="One of them; else all are told of, and the one in use is checked.")
@cli.option("--exchange", metavar="ID", help="With --source ccxt: which exchange, by its ccxt id.")
@cli.option("--symbol", metavar="S", help="For which symbol; else conf's.")
@cli.option("--tf", metavar="TF", help="At which timeframe; else conf's.")
@click.option("--days", type=click.IntRange(1), metavar="N", help="The cost of how many days; else conf's.")
@click.option(
    "--check", is_flag=True, help="Ask the source: can it be reached, is the key set, what does the plan allow?"
)
@click.option("--json", "as_json", is_flag=True, help="The same as JSON.")
@cli.debug_option
def sources(
    source: str | None,
    exchange: str | None,
    symbol: str | None,
    tf: str | None,
    days: int | None,
    check: bool,
    as_json: bool,
    debug: bool,
) -> int:
    """List what each source offers: columns, depth, limits and cost; or check that one answers.

    \b
    Examples:
        python -m p1_ingest sources
        python -m p1_ingest sources --check --source binance
    """
    from p1_ingest import offers, venues

    conf = settings.lake_conf()
    frame = timeframe(tf or conf.tf)
    given: tuple[str, ...] = (symbol,) if symbol else ()
    if check:
        asked, given = venues.meant(source, exchange, given)
        return _check(roots.source_in_use(asked), cli.symbols_of(given)[0], frame.name, as_json, debug)
    name = cli.symbols_of(given)[0]
    wanted = [source.partition(":")[0]] if source else venues.NAMES
    told = [offers.offered(one, name, frame, days or conf.days) for one in wanted]
    if as_json:
        click.echo(json.dumps([one.data() for one in told], indent=1))
        return 0
    click.echo(f"for {days or conf.days} days of {name} {frame}")
    for line in [line for one in told for line in one.lines()]:
        click.echo(line)
    return 0


def _check(source: str, symbol: str, tf: str, as_json: bool, debug: bool) -> int:
    from p1_ingest import offers, venues

    found = []
    try:
        with venues.opened(source, log=cli.say if debug else None, clock=venues.now_ms, tries=TRIES) as (venue, sender):
            for one in offers.checked(venue, sender, symbol, timeframe(tf)):
                found.append(one)
                if not as_json:
                    click.echo(ending.redacted(one.line()))
    except PerplakeError as error:
        if not source.startswith(venues.CCXT):
            raise
        found.append(offers.Checked(f"{source} reach", False, str(error)))
        if not as_json:
            click.echo(ending.redacted(found[-1].line()))
    if as_json:
        click.echo(ending.redacted(json.dumps([asdict(one) for one in found], indent=1)))
    return 0 if all(one.well for one in found) else 1
