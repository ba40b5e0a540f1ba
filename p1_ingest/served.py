"""Which bar columns does a venue really serve for this symbol? It is found out by asking, and kept in OFFERED.json."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

from lake import days, notes
from lake.layout import Shelf
from lake.manifest import Entry
from p1_ingest.bars import absent_series
from p1_ingest.sources.base import Listing, Series, Source
from p1_ingest.wanted import code

NEVER_SERVED = "its files answered 404 on every day asked for"
NOT_LISTED = "the venue lists no file of it"
NOT_ASKED = "not asked for: candles alone were"


def never_served(source: Source, shelf: Shelf, known: Mapping[date, Entry]) -> set[str]:
    """Which series was no committed day served with? Days of candles alone say nothing of the others."""
    candles = code(source, shelf.symbol, shelf.tf, candles_only=True)
    absent = [absent_series(entry.source) for entry in known.values() if entry.code != candles]
    return set.intersection(*absent) if absent else set()


def offered(
    source: Source, series: Sequence[Series], shelf: Shelf, listing: Listing | None = None
) -> dict[str, object]:
    """Which bar columns does the source offer for this symbol, and why not the others?

    The source's own declaration, less the series its listing has no file of; where nobody looked there, less those
    that no committed day could be served with, unless an earlier run had looked.
    """
    never = never_served(source, shelf, days.committed(shelf))
    before = (notes.read(shelf, notes.OFFERED) or {}).get("columns", {})
    columns: dict[str, object] = dict(source.left_out(shelf.symbol, shelf.tf))
    for one in source.series(shelf.symbol, shelf.tf):
        if one not in series:
            columns |= {name: before.get(name, NOT_ASKED) for name in one.columns}
    for one in series:
        listed, said = listing.has(one.name) if listing else None, before.get(one.columns[0])
        why: object = True
        if one.name in never and not listed:
            unserved = NOT_LISTED if listed is False else NEVER_SERVED
            why = said if listed is None and said in (True, NOT_LISTED) else unserved
        columns |= dict.fromkeys(one.columns, why)
    return {"source": source.name, "columns": columns}
