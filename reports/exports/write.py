"""An export is one table of one symbol, in a file a form, and one page that says what it is and what it was made of."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from pathlib import Path
from typing import Any

from lake import disk, files, roots
from lake.days import command
from lake.progress import Pace
from meta.errors import NotReady, Refused
from reports.exports.about import Export, Tally, page
from reports.exports.claim import claimed
from reports.exports.held import newest_first
from reports.exports.rows import Piece

TOLD = 100  # days between two lines of progress


@dataclass(frozen=True)
class Written:
    """What an export wrote: its files, the page about them last."""

    paths: list[Path]
    page: dict[str, Any]


def write(
    export: Export,
    forms: Sequence[str],
    folder: Path,
    typed: str,
    now: datetime,
    tell: Callable[[str], None] = lambda line: None,
) -> Written:
    """Write an export in these forms (csv, parquet), and the page that describes them all, last.

    Each file is whole under its name or not there. typed : the command line. now : UTC, in the names.
    The caller holds the lake still. Raises NotReady where no row lies in the range, Refused for a folder within the
    lake, Tampered.
    """
    roots.outside(folder, export.shelf.root)
    first = next(export.pieces, None)
    if first is None:
        raise _nothing(export)
    with claimed(folder, _name(export), now) as (stem, moment):
        paths = {form: folder / f"{stem}.{form}" for form in forms}
        tally = _copied(export, first, paths, tell)
        about = page(export, tally, paths, typed, moment)
        beside = folder / f"{stem}.json"
        disk.write_over(beside, (json.dumps(about, indent=1, ensure_ascii=False) + "\n").encode())
    return Written([*paths.values(), beside], about)


def _copied(export: Export, first: Piece, paths: dict[str, Path], tell: Callable[[str], None]) -> Tally:
    tally = Tally()
    tally.schema = first.rows.schema
    with ExitStack() as open_files:
        sinks = [open_files.enter_context(files.table(path, form, tally.schema)) for form, path in paths.items()]
        pace, told = Pace(len(export.between.days(export.shelf.days_on_disk())), "days"), 0
        for piece in chain([first], export.pieces):
            tally.add(piece)
            if piece.rows.schema != tally.schema:
                raise Refused(f"{export} has days of two schemas; run `{command(export.shelf)}` first")
            for sink in sinks:
                sink(piece.rows)
            if (done := len(tally.days[export.shelf.dataset.name])) // TOLD > told:
                told = done // TOLD
                tell(f"{export}: {pace.at(done)}, {tally.rows:,} rows")
        if not tally.rows:
            raise _nothing(export)
    return tally


def _name(export: Export) -> str:
    market = export.market
    words = [export.kind, market.exchange, market.coin, market.quote, market.type, export.interval]
    return "_".join(word for word in words if word)


def _nothing(export: Export) -> NotReady:
    entries = [entry for _, entry in newest_first(export.shelf) if entry.rows]
    between = export.between
    if not entries:
        return NotReady(f"{export}: no data {between}; the lake holds no row of {export.shelf}")
    held = f"{entries[-1].min_ts} … {entries[0].max_ts}"
    return NotReady(f"{export}: no data {between}; the lake holds {export.shelf} with ts {held}")
