"""Following on the command line: which symbols, from where, and how it is heard that all is well."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import click

from lake import cli, ending, layout, roots
from lake.layout import Shelf
from meta.datasets import DATASETS
from meta.errors import ChecksRed, Retryable

if TYPE_CHECKING:
    from p1_ingest.hearing import Hearing
    from p1_ingest.http import Sender
    from p1_ingest.sources.base import Source
    from p1_ingest.voice import Voice

PROBE = 4.0  # seconds: a host that is down is asked again at the next look
TRIES = 3  # of one request; after them the whole look is tried again, later and later


@click.command()
@cli.option("--source", help="coinglass, binance, ccxt, sim, or auto: coinglass where a key is set, else sim.")
@cli.option("--exchange", metavar="ID", help="With --source ccxt: which exchange, by its ccxt id.")
@cli.symbol_options
@cli.lake_option
@click.option(
    "--lag", type=click.FloatRange(0, 3600), default=5.0, show_default=True, help="Seconds from a close to the look."
)
@click.option(
    "--patience",
    type=click.FloatRange(0, 3600),
    default=20.0,
    show_default=True,
    help="Seconds for which a bar that lacks something is waited for.",
)
@click.option(
    "--refresh-tail", type=click.IntRange(1), default=2, show_default=True, help="Ask again for the last N days."
)
@click.option("--workers", type=click.IntRange(1, 64), default=4, show_default=True, help="Requests under way at once.")
@click.option("--json", "as_json", is_flag=True, help="Closed bars as JSON lines, for `stream`; the rest on stderr.")
@click.option("--check", is_flag=True, help="Only tell whether these symbols are being kept up with; exit 3 if not.")
@cli.debug_option
def follow(
    source: str | None,
    exchange: str | None,
    symbol: tuple[str, ...],
    tf: tuple[str, ...],
    lake: str | None,
    lag: float,
    patience: float,
    refresh_tail: int,
    workers: int,
    as_json: bool,
    check: bool,
    debug: bool,
) -> int:
    """Keep up with symbols for as long as it runs: bars as they close, days as they settle, restatements of both.

    Which symbols: --symbol and --tf, else SYMBOLS, else conf/universe.yaml. One process a symbol and timeframe.

    \b
    Examples:
        python -m p1_ingest follow --source binance --symbol BTCUSDT,ETHUSDT --tf 5m
        python -m p1_ingest follow --json | python -m p2_features stream --state state/live.p2
        python -m p1_ingest follow --check
    """
    from lake import locks
    from p1_ingest import venues
    from p1_ingest.follow import Follow
    from p1_ingest.follower import follower
    from p1_ingest.hearing import Hearing
    from p1_ingest.pace import Pace
    from p1_ingest.venue_clock import VenueClock
    from p1_ingest.wanted import Choice

    asked, symbol = venues.meant(source, exchange, symbol)
    name = roots.source_in_use(asked)
    where = roots.root(lake, name) if check else cli.opened(lake, name)
    shelves = [layout.shelf(where, DATASETS["bars"], frame, one) for frame, one in cli.followed_of(symbol, tf)]
    if check:
        return _check(shelves)
    roots.not_over_real_data(where, name)
    voice = _voice(as_json)
    with contextlib.ExitStack() as held:
        for shelf in shelves:
            held.enter_context(locks.following(shelf))
        record = Hearing(where, name, VenueClock(venues.now_ms, voice.say))
        venue, sender = held.enter_context(answering(name, record, voice.say, cli.say if debug else None))
        cli.say(f"source {venue.name}" + (venues.why_sim(asked) if venue.synthetic else ""))
        paces = [Pace(one.symbol, one.tf, round(lag * 1000), round(patience * 1000)) for one in shelves]
        now = venues.now_ms()
        followers = [
            follower(shelf, pace, voice, venue, _before(shelf), now) for shelf, pace in zip(shelves, paces, strict=True)
        ]
        cli.say(f"following {', '.join(str(one) for one in shelves)}: {lag:g} s after each close, and until ended")
        choice = Choice(refresh_tail, workers=workers)

        def committed() -> None:
            cli.refreshed(where)

        Follow(venue, sender, record, followers, choice, time.sleep, voice.say, committed).run()
    return 0


def _voice(as_json: bool) -> Voice:
    from p1_ingest.voice import Voice

    def say(line: str) -> None:
        cli.say(ending.redacted(line))

    def bar(line: str) -> None:
        click.echo(line)
        sys.stdout.flush()

    def emit(line: bytes) -> None:
        sys.stdout.buffer.write(line)
        sys.stdout.buffer.flush()

    return Voice(say, say, emit) if as_json else Voice(say, bar)


@contextlib.contextmanager
def answering(
    name: str,
    record: Hearing,
    say: Callable[[str], object],
    log: Callable[[str], None] | None,
    sleep: Callable[[float], object] = time.sleep,
) -> Iterator[tuple[Source, Sender]]:
    """The source and its sender. An exchange has to tell its markets first; while it does not, it is asked again."""
    from p1_ingest import venues
    from p1_ingest.pace import FIRST_WAIT, LONGEST_WAIT
    from p1_ingest.silence import Silence

    silence, wait = Silence(say), FIRST_WAIT
    with contextlib.ExitStack() as held:
        while True:
            try:
                opened = venues.opened(name, log=log, clock=venues.now_ms, record=record, tries=TRIES, probe=PROBE)
                pair = held.enter_context(opened)
                break
            except Retryable as error:
                now = venues.now_ms()
                silence.failed(name, str(error), now, now + wait)
                sleep(wait / 1000)
                wait = min(wait * 2, LONGEST_WAIT)
        silence.well(name, venues.now_ms())
        yield pair


def _before(shelf: Shelf) -> str:
    """Which source filled live/ before? "" where nobody says."""
    from lake import following

    told = following.read(shelf)
    return told.source if told else ""


def _check(shelves: list[Shelf]) -> int:
    """Is each of these symbols being kept up with?"""
    from lake import following
    from p1_ingest import venues

    now, unwell = venues.now_ms(), 0
    for shelf in shelves:
        told = following.read(shelf)
        unwell += told is None or bool(told.unwell(now))
        click.echo(
            told.line(now) if told else f"follow {shelf.tf} {shelf.symbol}: NOT WELL, it was never followed here"
        )
    if unwell:
        raise ChecksRed(f"{unwell} of {len(shelves)} symbols are not being kept up with; see above")
    return 0
