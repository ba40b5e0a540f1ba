"""A day has had many parts; the way from today's back to an earlier one leads through what each rewrite changed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from lake import changes, log, parts, revisions
from lake.days import Day
from lake.layout import Shelf
from lake.manifest import Entry, Provenance, digest
from lake.revisions import Revision
from meta.errors import NotReady, Tampered

Way = list[Revision | None]  # newest first; None: the day was not there before


def way(shelf: Shelf, day: date, today: Entry | None, told: Sequence[log.Line], kept: int) -> Way:
    """Which changes are to be undone, from today's part on, so that the first `kept` lines alone are true?

    told : what the log tells of this day, oldest first. Raises NotReady, naming what was not kept.
    """
    lines = [*told]
    word = lines[-1].new if lines else log.ABSENT
    here = today.sha256 if today else log.ABSENT
    if here != word:  # published, and told of in a moment; or the day was set aside
        lines.append(lines[-1]._replace(old=word, new=here) if lines else log.line(shelf, day, word, here))
    wanted = lines[kept - 1].new if kept else log.ABSENT
    found = _back(shelf, day, today, lines[kept:][::-1], wanted)
    if found is None:
        raise NotReady(
            f"{shelf} {day}: its part was {wanted[:12]}… by the log, and the way back to that was not kept: the day was"
            " rewritten before there were revisions, or set aside, or they are gone; ask for a later time"
        )
    return found


def _back(shelf: Shelf, day: date, now: Entry | None, lines: Sequence[log.Line], wanted: str) -> Way | None:
    """The way over these lines, newest first. Where two manifests had the same part, the one that leads on is taken."""
    here = now.sha256 if now else log.ABSENT
    if not lines:
        return [] if here == wanted else None
    line, rest = lines[0], lines[1:]
    if line.new != here:
        return None
    if line.old == log.ABSENT:
        further = _back(shelf, day, None, rest, wanted)
        return None if further is None else [None, *further]
    for one in revisions.into(shelf, day, now):
        if one.tells(line) and (further := _back(shelf, day, one.old, rest, wanted)) is not None:
            return [one, *further]
    return None


def part(shelf: Shelf, today: Day | None, back: Way) -> tuple[bytes, Entry] | None:
    """Which part and entry does the way lead to? None where the day was not there.

    The bytes are those the log told, or, where another version of the Parquet writer had written them, today's bytes of
    the very same values. Raises Tampered where they are neither.
    """
    table = today.table() if today else None
    for one in back:
        if one is None:
            table = None
        else:
            start = one.schema.empty_table() if table is None else table
            table = changes.undone(start, one.cells, one.schema, shelf.symbol)
    last = back[-1]
    if table is None or last is None:
        return None
    data = parts.encoded(table)
    if digest(data) == last.old.sha256:
        return data, last.old
    if changes.digest(table) == last.values:
        return data, last.old._replace(sha256=digest(data), bytes=len(data))
    raise Tampered(f"{last.path} leads to another part than it was kept of; take it from a copy")


def first_seen(shelf: Shelf, today: Day, back: Way) -> tuple[bytes, Entry]:
    """Which part has, of every bar and column, the first value that was ever seen? Today's rules and columns.

    What was missing at first counts from when it was said; a bar that is gone stands as it was seen.
    """
    table = today.table()
    for one in back:
        table = table if one is None else _first(table, one.cells, shelf.symbol)
    live = revisions.live(shelf, today.day)
    for at in sorted(set(live.column("last_seen").to_pylist()), reverse=True):
        cells = live.filter(pc.equal(live.column("last_seen"), at)).select(changes.SCHEMA.names)
        table = _first(table, cells, shelf.symbol)
    data = parts.encoded(table)
    provenance = Provenance(today.entry.source, today.entry.inputs, today.entry.code)
    return data, parts.entry_of(table, data, shelf.part_name(today.day), provenance)


def _first(table: pa.Table, cells: pa.Table, symbol: str) -> pa.Table:
    """The same with the older of two values, wherever there are two."""
    said = cells.filter(pc.is_valid(cells.column("old")))
    gone = said.filter(pc.equal(said.column("column"), changes.BAR)).column("ts").combine_chunks()
    there = pa.concat_arrays([table.column("ts").combine_chunks(), gone])
    return changes.undone(table, said.filter(pc.is_in(said.column("ts"), there)), table.schema, symbol)
