"""Ingest on the command line: which source, which days, into which lake; and what came of it."""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass, replace
from pathlib import Path

import click

from lake import cli, ending, layout, progress, roots, settings
from lake.layout import Shelf
from lake.settings import Conf
from lake.span import Span, make_span
from meta.datasets import DATASETS
from meta.errors import PerplakeError, Usage
from meta.symbols import symbol as checked_symbol
from meta.timeframes import timeframe
from p1_ingest.summary import Summary


class LegacyConf(Conf, frozen=True, forbid_unknown_fields=True):
    """conf/p1_inputs_cg.yaml: the 15m form of the first pipeline."""

    symbol: str
    start: object
    end: object
    out_dir: str
    base_url: str | None = None
    tf: str = "15m"


@dataclass(frozen=True)
class Target:
    """What to ingest, and into which shelf."""

    shelf: Shelf
    span: Span


@click.command()
@click.argument("source_argument", metavar="[SOURCE]", required=False)
@cli.option("--source", help="coinglass, binance, ccxt, sim, or auto: coinglass where a key is set, else sim.")
@cli.option("--exchange", metavar="ID", help="With --source ccxt: which exchange, by its ccxt id.")
@cli.symbol_options
@cli.range_options
@click.option(
    "--out", type=click.Path(path_type=Path), help="Folder to write: …/parquet/TF/SYMBOL, or any of your own."
)
@cli.lake_option
@click.option(
    "--refresh-tail", type=click.IntRange(0), default=2, show_default=True, help="Ask again for the last N days."
)
@click.option(
    "--skip-present/--no-skip-present", default=True, help="Leave committed days alone (default), or ask again."
)
@click.option(
    "--refresh", is_flag=True, help="Look whether the archive has replaced files of committed days; those come anew."
)
@click.option("--force", is_flag=True, help="Write a day even where it shrinks, or over another source's days.")
@click.option("--update", is_flag=True, hidden=True, help="Accepted: running again is always an update.")
@click.option("--accept-checksum", is_flag=True, help="Use archive files that differ from their published checksum.")
@click.option("--verbose/--no-verbose", default=True, help="Tell progress (default), or nothing but the summary.")
@click.option("--workers", type=click.IntRange(1, 64), default=4, show_default=True, help="Requests under way at once.")
@click.option("--dry-run", is_flag=True, help="Tell requests, days, bytes, minutes and plan limits; fetch nothing.")
@click.option("--replay", is_flag=True, help="Ask the record instead of the venue: every recorded run, or a range.")
@click.option("--raw", metavar="ROOT", help="With --replay: the lake whose record answers; else the one written.")
@click.option("--conf", type=click.Path(path_type=Path), help="A conf file of the 15m form (conf/p1_inputs_cg.yaml).")
@click.option("--json", "as_json", is_flag=True, help="The summary as JSON.")
@cli.wait_option
@cli.debug_option
def ingest(
    source_argument: str | None,
    source: str | None,
    exchange: str | None,
    symbol: tuple[str, ...],
    tf: tuple[str, ...],
    span: Span,
    out: Path | None,
    lake: str | None,
    refresh_tail: int,
    skip_present: bool,
    refresh: bool,
    force: bool,
    update: bool,
    accept_checksum: bool,
    verbose: bool,
    workers: int,
    dry_run: bool,
    replay: bool,
    raw: str | None,
    conf: Path | None,
    as_json: bool,
    wait: float,
    debug: bool,
) -> int:
    """Bring bars into the lake, a whole day at a time; running it again goes on where it stopped.

    \b
    Examples:
        python -m p1_ingest ingest --symbol BTCUSDT --tf 5m --days 80
        python -m p1_ingest ingest --source binance --symbol BTCUSDT --start 2025-01-01 --end 2025-12-31
        python -m p1_ingest ingest --source ccxt --exchange binanceusdm --symbol BTC/USDT:USDT --days 80
        python -m p1_ingest ingest --replay --raw data --lake /tmp/again
    """
    from p1_ingest import venues
    from p1_ingest.record import Record
    from p1_ingest.refresh import Revalidating
    from p1_ingest.wanted import Choice

    if source and source_argument and source != source_argument:
        raise Usage(f"give one source, not both {source_argument} and {source}")
    if (replay and dry_run) or (raw and not replay):
        raise Usage("--raw goes with --replay, and --replay without --dry-run: it asks nobody and costs nothing")
    if refresh and (replay or dry_run):
        raise Usage("--refresh looks at the archive, which neither --replay nor --dry-run does; give one of them")
    asked, symbol = venues.meant(source or source_argument, exchange, symbol)
    choice = Choice(refresh_tail, skip_present, force, wait, workers, accept_checksum)
    log = cli.say if debug else None
    tell, show = (cli.say, progress.show) if verbose else (lambda text: None,) * 2
    if replay:
        return _replay(asked, raw, lake, out, symbol, tf, span, choice, show, log, as_json)
    legacy = settings.convert(settings.read_yaml(conf), LegacyConf, settings.shown(conf)) if conf else None
    name = roots.source_in_use(asked or ("coinglass" if legacy else None))  # the 15m form is CoinGlass's
    where = cli.opened(lake, name) if not (out or legacy) else None
    targets = _legacy_targets(legacy, name) if legacy else _targets(where, out, symbol, tf, span, name)
    root = targets[0].shelf.root
    roots.not_over_real_data(root, name)
    moment = venues.Moment(venues.now_ms())
    record = None if dry_run else Record(root, name, venues.now_ms)
    url = legacy.base_url if legacy else None
    with (
        Revalidating(root) if refresh else contextlib.nullcontext() as known,
        venues.opened(name, url=url, log=log, tell=tell, clock=moment, record=record, transport=known) as (
            venue,
            sender,
        ),
    ):
        cli.say(f"source {venue.name}" + (venues.why_sim(asked) if venue.synthetic else ""))
        if dry_run:
            return _dry_run(venue, sender, targets, choice, as_json)
        results, failures = _run(venue, sender, targets, choice, moment, record, show, known)
    return _told(root, results, failures, as_json)


def _replay(asked, raw, lake, out, symbol, tf, span, choice, show, log, as_json: bool) -> int:  # type: ignore[no-untyped-def]
    """Ask the record: the range where one is given, else every run it holds of these symbols and timeframes."""
    from p1_ingest import replay_cli

    name = asked or replay_cli.recorded_source(raw, lake)
    where = cli.opened(lake, name) if not out else None
    if out or span:
        shelves = {target.shelf: target.span for target in _targets(where, out, symbol, tf, span, name)}
    else:
        assert where is not None
        recorded = Path(raw).absolute() if raw else where
        shelves = dict.fromkeys(replay_cli.recorded_shelves(where, recorded, name, symbol, tf), span)
    root = next(iter(shelves)).root
    roots.not_over_real_data(root, name)
    results, failures = replay_cli.replayed(name, Path(raw).absolute() if raw else root, shelves, choice, show, log)
    return _told(root, results, failures, as_json)


def _legacy_targets(conf: LegacyConf, source: str) -> list[Target]:
    out, tf = Path(conf.out_dir), timeframe(conf.tf)
    span = make_span(None, str(conf.start), str(conf.end))
    shelf = layout.shelf_at(out, DATASETS["bars"], tf, checked_symbol(conf.symbol))
    cli.announce([shelf], source)
    return [Target(shelf, span)]


def _targets(
    where: Path | None, out: Path | None, symbol: tuple[str, ...], tf: tuple[str, ...], span: Span, source: str
) -> list[Target]:
    symbols, tfs = cli.symbols_of(symbol), cli.timeframes_of(tf)
    if out is not None:
        if len(symbols) * len(tfs) != 1:
            raise Usage("--out takes one symbol and one timeframe; leave it out to write several into the lake")
        shelf = layout.shelf_at(out, DATASETS["bars"], tfs[0], symbols[0])
        cli.announce([shelf], source)
        return [Target(shelf, span)]
    assert where is not None
    return [Target(layout.shelf(where, DATASETS["bars"], one, name), span) for one in tfs for name in symbols]


def _run(venue, sender, targets: list[Target], choice, moment, record, show, known):  # type: ignore[no-untyped-def]
    """Ingest every target; one that fails does not stop the others. Returns the summaries and the failures."""
    from p1_ingest import venues
    from p1_ingest.ingest import ingest as ingest_shelf
    from p1_ingest.wanted import wanted_days, within_plan

    results, failures, gates = [], [], set()
    for target in targets:
        shelf, moment.ms = target.shelf, venues.now_ms()
        try:
            wanted = wanted_days(venue, target.span, moment(), settings.lake_conf().days)
            wanted, line = within_plan(venue, sender, shelf.tf, wanted, moment())
            if line and line not in gates:
                gates.add(line)
                cli.say(line)
            if wanted:
                chosen, unseen = _refreshing(venue, shelf, wanted, choice, known) if known else (choice, [])
                failures += unseen
                results.append(ingest_shelf(venue, sender, shelf, wanted, chosen, moment, show, record))
        except (PerplakeError, OSError) as error:
            if len(targets) == 1:
                raise
            failures.append(f"{shelf.symbol} {shelf.tf}: {ending.line_of(error)}")
    return results, failures


def _refreshing(venue, shelf: Shelf, wanted, choice, known):  # type: ignore[no-untyped-def]
    """The choice with the days that the archive's replaced files ask for; and what could not be looked at."""
    from p1_ingest.refresh import looked

    found = looked(venue, known, shelf, wanted, choice.workers)
    for line in found.lines():
        cli.say(f"{shelf.symbol} {shelf.tf}: {line}")
    return replace(choice, again=found.again), [f"{shelf.symbol} {shelf.tf}: {line}" for line in found.trouble()]


def _told(root: Path, results: list[Summary], failures: list[str], as_json: bool) -> int:
    """Say what was done, and with which exit code it ends."""
    if as_json:
        progress.results([json.dumps([summary.data() for summary in results], indent=1)])
    else:
        progress.results(ending.redacted(text) for summary in results for text in summary.lines())
    cli.refreshed(root)
    failures = failures + [text for summary in results for text in summary.trouble()]
    for failure in failures:
        cli.say(ending.redacted(f"error: {failure}"))
    return 1 if failures else 0


def _dry_run(venue, sender, targets: list[Target], choice, as_json: bool) -> int:  # type: ignore[no-untyped-def]
    from p1_ingest.plan import planned

    plans = [planned(venue, sender, target.shelf, target.span, choice) for target in targets]
    if as_json:
        click.echo(json.dumps([plan.data() for plan in plans], indent=1))
        return 0
    for plan in plans:
        click.echo(plan.line())
    return 0
