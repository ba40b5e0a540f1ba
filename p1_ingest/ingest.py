"""Days come in: what is missing or still settling is asked for, and each day that was fully answered is committed."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date

from lake import commit, days, notes
from lake.layout import Shelf
from lake.manifest import Entry
from lake.progress import Pace
from lake.roots import source_name
from meta.errors import Refused
from p1_ingest.doubt import Doubt
from p1_ingest.fetch import Fetcher
from p1_ingest.fetched import Fetched
from p1_ingest.http import Sender
from p1_ingest.record import Asked, Record
from p1_ingest.run import Run
from p1_ingest.served import never_served, offered
from p1_ingest.sources.base import Series, Source
from p1_ingest.summary import Summary
from p1_ingest.wanted import Choice, chunks, code, to_ask


def ingest(
    source: Source,
    sender: Sender,
    shelf: Shelf,
    wanted: list[date],
    choice: Choice,
    now: Callable[[], int],
    tell: Callable[[str], None] = lambda line: None,
    record: Record | None = None,
) -> Summary:
    """Ask for what is missing among `wanted` and commit each day that was fully answered.

    record : keeps what is heard, before a day made of it is published; the sender should report to it.
    Failures that concern a day stay with it, in the summary. Raises VenueRefused, Busy, Refused, Tampered.
    """
    summary = Summary(shelf.symbol, shelf.tf.name)
    series = [one for one in source.series(shelf.symbol, shelf.tf) if one.required or not choice.candles_only]
    with commit.writing(shelf, choice.wait) as writer, workers(choice.workers) as pool:
        known = days.committed(shelf)
        _same_source(shelf, source, known, choice)
        today, whole = (code(source, shelf.symbol, shelf.tf, only) for only in (choice.candles_only, False))
        asked = to_ask(known, wanted, choice, today, whole)
        summary.asked, summary.present = len(wanted), len(wanted) - len(asked)
        unasked = {"unasked": record.unasked} if record else {}
        fetcher = Fetcher(source, sender, pool, now, choice.accept_checksum, **unasked)
        with_bars = {day for day in known if known[day].rows}
        never = never_served(source, shelf, known)
        run = Run(source, series, shelf, writer, choice, summary, today, never, with_bars, record)
        recording = record.run(shelf, _asked(source, series, choice, now(), wanted, asked)) if record else None
        with recording or contextlib.nullcontext():
            doubt = Doubt(fetcher, series, shelf, wanted)
            _taken(run, doubt, asked, lambda line: tell(f"{shelf.symbol} {shelf.tf} {line}"))
            run.finish(doubt)
        if summary.committed or known:
            notes.write(shelf, notes.OFFERED, offered(source, series, shelf, fetcher.listing))
            notes.write_rules(shelf, *(code(source, shelf.symbol, shelf.tf, only) for only in (True, False)))
    return summary


def _taken(run: Run, doubt: Doubt, asked: Sequence[date], tell: Callable[[str], None]) -> None:
    """Work on the days month by month, and tell how far it is."""
    done, pace = 0, Pace(len(asked), "days")
    for chunk, fetched in _ahead(doubt, chunks(asked)):
        run.take(chunk, fetched)
        done += len(chunk)
        tell(f"{chunk[0]} … {chunk[-1]}: {pace.at(done)}")


def _asked(
    source: Source, series: Sequence[Series], choice: Choice, now: int, wanted: list[date], asked: list[date]
) -> Asked:
    required = [one.name for one in series if one.required]
    return Asked(now, wanted, asked, source.settle_lag_ms, required, choice.settings())


@contextlib.contextmanager
def workers(number: int) -> Iterator[ThreadPoolExecutor]:
    """Threads that are waited for when all went well, and left alone when it did not: a dead host takes minutes."""
    pool = ThreadPoolExecutor(number)
    try:
        yield pool
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        raise
    pool.shutdown()


def _ahead(doubt: Doubt, work: list[list[date]]) -> Iterator[tuple[list[date], Fetched]]:
    """Each chunk with what was said about it; the next one is being fetched while this one is worked on."""
    with workers(1) as one_ahead:
        coming = None
        for chunk, following in itertools.zip_longest(work, work[1:]):
            fetched = (coming or one_ahead.submit(doubt.fetch, chunk)).result()
            coming = following and one_ahead.submit(doubt.fetch, following)
            yield chunk, fetched


def _same_source(shelf: Shelf, source: Source, known: dict[date, Entry], choice: Choice) -> None:
    others = {source_name(entry.source) for entry in known.values()} - {source.name}
    if others and not choice.force:
        raise Refused(
            f"{shelf} in {shelf.root} holds {len(known)} days of {', '.join(sorted(others))}; "
            f"days of {source.name} are not mixed in: choose another --lake, or give --force"
        )
