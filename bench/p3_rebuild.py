"""Do labels and weights come out the same at once, by month and by day? `python -m bench.p3_rebuild LAKE [SYMBOL …]`

The lake is only read: each way writes to a temporary lake that borrows its bars and features. Ends with 1 where a byte
differs.
"""

from __future__ import annotations

import hashlib
import itertools
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path

from lake import days, layout
from lake.layout import Shelf
from lake.span import Span
from meta.datasets import DATASETS
from meta.errors import NotReady
from meta.timeframes import timeframe
from p3_labels import build, weights
from p3_labels.rules import rules


def spans(way: str, known: list[date]) -> Iterator[Span]:
    """In which bites are these days labelled?"""
    if way == "at once":
        yield Span()
    elif way == "by month":
        for _, month in itertools.groupby(known, lambda day: (day.year, day.month)):
            here = list(month)
            yield Span(None, here[0], here[-1])
    else:
        for day in known:
            yield Span(None, day, day)


def digest(shelf: Shelf) -> tuple[str, int]:
    """One digest of every byte of every day, and how many days."""
    found = hashlib.sha256()
    known = shelf.days_on_disk()
    for day in known:
        for path in sorted(shelf.day_folder(day).iterdir()):
            found.update(f"{day}/{path.name}\n".encode() + path.read_bytes())
    return found.hexdigest(), len(known)


def built(way: str, lake: Path, symbol: str, where: Path) -> list[tuple[str, int]]:
    """Labels and weights of one symbol, written anew this way; their digests."""
    for kind in ("parquet", "features"):
        (where / kind).symlink_to(lake / kind)
    shelves = {kind: layout.shelf(where, DATASETS[kind], timeframe("5m"), symbol) for kind in DATASETS}
    known, chosen = sorted(days.committed(shelves["features"])), rules()
    for span in spans(way, known):
        build.build(build.Work(shelves["labels"], shelves["features"], shelves["bars"], chosen), span)
    for span in spans(way, known):
        try:
            weights.build(weights.Work(shelves["weights"], shelves["labels"], shelves["bars"], chosen.barriers.H), span)
        except NotReady:  # a day whose labels wait
            continue
    return [digest(shelves[kind]) for kind in ("labels", "weights")]


def main() -> None:
    """Build each symbol three ways and compare."""
    if len(sys.argv) < 2:
        print("name a lake and its symbols: python -m bench.p3_rebuild LAKE BTCUSDT SOLUSDT")
        return
    lake, differ = Path(sys.argv[1]).resolve(), 0
    for symbol in sys.argv[2:] or ["BTCUSDT"]:
        ways = {}
        for way in ("at once", "by month", "by day"):
            begin = time.monotonic()
            with tempfile.TemporaryDirectory() as where:
                ways[way] = built(way, lake, symbol, Path(where).resolve())
            print(f"{symbol} {way:<9} {time.monotonic() - begin:6.1f} s", *(f"{d[:16]} {n} days" for d, n in ways[way]))
        differ += len({str(found) for found in ways.values()}) - 1
    print("the same bytes every way" if not differ else "bytes DIFFER")
    if differ:
        sys.exit(1)


if __name__ == "__main__":
    main()
