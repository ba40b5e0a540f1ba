"""Where does a row come from? From its label to its features, the bars they read, and the bodies those were made of.

Nothing is believed: every part is verified against its manifest, every digest of inputs is made again, every body is
hashed again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from lake import advice, days, fresh, layout, notes, raw
from lake.days import Day
from lake.layout import Shelf
from lake.manifest import Entry
from lake.roots import source_name
from meta.datasets import DATASETS
from meta.errors import NotReady, PerplakeError
from meta.timeframes import TIMEFRAMES, Timeframe, day_of, days_between, utc

READERS = 4


@dataclass(frozen=True)
class Link:
    """One step on the way: what it is about, what was found, and whether the chain breaks there.

    level : label, features, bars or raw. sha256 : of the part or body. own : it is of the row's own day.
    """

    level: str
    what: str
    fact: str
    sha256: str = ""
    broken: bool = False
    own: bool = False


@dataclass(frozen=True)
class Lineage:
    """A row's way back, link by link."""

    symbol: str
    tf: str
    ts: str
    links: tuple[Link, ...]

    @property
    def broken(self) -> list[Link]:
        """Where does the chain break?"""
        return [link for link in self.links if link.broken]

    def lines(self) -> Iterator[str]:
        """How is it told to people? The row's own day in full, the others by their number, what is broken by name."""
        for level in ("label", "features", "bars", "raw"):
            links = [link for link in self.links if link.level == level]
            for link in links:
                if link.own and not link.broken:
                    yield f"{level:8}  {link.what}: {link.fact}" + (f", sha256 {link.sha256}" if link.sha256 else "")
            sound = sum(not link.broken and not link.own for link in links)
            if sound:
                things = {"bars": "days of bars its values reach back to", "raw": "bodies those were made of"}
                yield f"{level:8}  {sound} more {things.get(level, 'days')}: verified"
        for link in self.broken:
            yield f"BROKEN    {link.level}: {link.what} {link.fact}"

    def data(self) -> dict[str, object]:
        """How is it told to machines?"""
        links = [asdict(link) for link in self.links]
        return {"symbol": self.symbol, "tf": self.tf, "ts": self.ts, "broken": len(self.broken), "links": links}


def lineage(root: Path, symbol: str, tf: Timeframe, ts: int) -> Lineage:
    """What is the row at `ts` (bar close, UTC ms) made of, as far up as there is one?

    Raises NotReady where no dataset has that day.
    """
    day = day_of(ts - tf.ms)
    shelves = {name: layout.shelf(root, DATASETS[name], tf, symbol) for name in ("labels", "features", "bars")}
    found = {name: _look(place, day) for name, place in shelves.items()}
    if all(read is None and not why for read, why in found.values()):
        how = f"python -m lake why {symbol} {utc(ts)} --tf {tf}{advice.at(root)}"
        raise NotReady(f"{shelves['bars']} {day} is not committed; `{how}` says why")
    bars = _bars(shelves["bars"], _reach(shelves, found, day))
    links = [
        *_label(shelves, found, bars, day, ts),
        *_features(shelves["features"], found["features"], bars, day, ts),
        *_parts(shelves["bars"], bars, day, ts),
        *_raw(shelves["bars"], bars, day),
    ]
    return Lineage(symbol, tf.name, utc(ts), tuple(links))


Looked = tuple[Day | None, str]  # a day as read, and what is wrong with it


def _look(place: Shelf, day: date) -> Looked:
    try:
        return days.read(place, day), ""
    except (PerplakeError, OSError) as error:
        return None, str(error).removeprefix(f"{place} {day}").lstrip(": ")


def _reach(shelves: Mapping[str, Shelf], found: Mapping[str, Looked], day: date) -> list[date]:
    """Which P1 days do the row's features and label read?"""
    wanted, said = {day}, notes.read(shelves["features"], notes.FEATURES)
    if found["features"][0] and said:
        back = fresh.days_back(int(said["reach"]), shelves["bars"].tf)
        wanted |= set(days_between(day - timedelta(days=back), day))
    walked = fresh.walked(found["labels"][0].entry.source) if found["labels"][0] else None
    return sorted(wanted | set(days_between(*walked) if walked else ()))


def _bars(place: Shelf, wanted: list[date]) -> dict[date, Looked]:
    with ThreadPoolExecutor(READERS) as pool:
        return dict(zip(wanted, pool.map(lambda day: _look(place, day), wanted), strict=True))


def _label(
    shelves: Mapping[str, Shelf], found: Mapping[str, Looked], bars: Mapping[date, Looked], day: date, ts: int
) -> Iterator[Link]:
    place, (read, why), (features, _) = shelves["labels"], found["labels"], found["features"]
    yield _part_link("label", place, day, read, why, ts, ("label", "outcome", "t1", "ret"))
    if read is None:
        return
    walked = fresh.walked(read.entry.source)
    if walked is None or features is None:
        fact = "does not say which bars it walked" if walked is None else "has no sound P2 day under it"
        yield Link("label", f"{place} {day}", fact, broken=True)
        return
    entries, minutes = _entries(bars), _minutes(shelves["bars"], walked)
    made = [
        fresh.labels_inputs(walked, features.entry.keys, {"bars": entries, **more}, fresh.events(read.entry.source))
        for more in ({}, {"bars 1m": minutes})
    ]
    if read.entry.inputs not in made:
        yield _stale("label", place, day, f"bars of {walked[0]} … {walked[1]} or P2's rows")


def _minutes(bars: Shelf, walked: tuple[date, date]) -> dict[date, Entry | None]:
    place = layout.shelf(bars.root, bars.dataset, TIMEFRAMES["1m"], bars.symbol)
    return _entries(_bars(place, days_between(*walked)))


def _features(place: Shelf, looked: Looked, bars: Mapping[date, Looked], day: date, ts: int) -> Iterator[Link]:
    read, why = looked
    yield _part_link("features", place, day, read, why, ts, ())
    if read is None:
        return
    said = notes.read(place, notes.FEATURES)
    if said is None:
        yield Link("features", f"{place}", f"has no {notes.FEATURES}", broken=True)
        return
    back = fresh.days_back(int(said["reach"]), place.tf)
    inputs = fresh.features_inputs(day, back, _entries(bars), list(said["columns"]))
    if read.entry.code != said["code"]:
        yield _stale("features", place, day, f"the rules in {notes.FEATURES}")
    if read.entry.inputs != inputs:
        yield _stale("features", place, day, f"bars of {day - timedelta(days=back)} … {day}")


def _parts(place: Shelf, bars: Mapping[date, Looked], day: date, ts: int) -> Iterator[Link]:
    for each, (read, why) in bars.items():
        if each == day:
            yield _part_link("bars", place, each, read, why, ts, ("open", "high", "low", "close"))
        elif why:
            yield Link("bars", f"{place} {each}", why, broken=True)
        elif read:
            yield Link("bars", f"{place} {each}", "part verified", read.entry.sha256)


def _raw(place: Shelf, bars: Mapping[date, Looked], day: date) -> Iterator[Link]:
    """The bodies of all these days, each hashed once."""
    uses: dict[str, dict[str, set[date]]] = {}
    records: dict[Shelf, dict[tuple[str, str], raw.Day]] = {}
    for each, (read, _) in bars.items():
        if read is None:
            continue
        told, entry, why = _told(place, each, read.entry)
        if told not in records:
            records[told] = raw.days_of(told)
        line = records[told].get((str(each), entry.sha256)) if entry else None
        if line is None:
            fact = why or f"part {read.entry.sha256} has no line in raw/index: nothing tells what it was made of"
            yield Link("raw", f"{told} {each}", fact, broken=True, own=each == day)
            continue
        for series, shas in line.bodies.items():
            for sha in shas:
                uses.setdefault(sha, {}).setdefault(series, set()).add(each)
    yield from _bodies(place, uses, day)


def _told(place: Shelf, day: date, entry: Entry) -> tuple[Shelf, Entry | None, str]:
    """Which shelf and part does the record know this day by? Resampled bars by the shorter ones they were made of."""
    shorter = fresh.shorter_of(entry.source)
    if shorter is None:
        return place, entry, ""
    under = layout.shelf(place.root, place.dataset, TIMEFRAMES[shorter], place.symbol)
    read, why = _look(under, day)
    if read is None:
        return under, None, why or f"is not committed any more, and {place.tf} was resampled from it"
    if entry.inputs != fresh.resampled_inputs(shorter, day, read.entry):
        return under, None, f"is not the day that {place.tf} was resampled from; resample again"
    return under, read.entry, ""


def _bodies(place: Shelf, uses: Mapping[str, Mapping[str, set[date]]], day: date) -> Iterator[Link]:
    names = _requests(place, uses)
    with ThreadPoolExecutor(READERS) as pool:
        faults = dict(zip(uses, pool.map(lambda sha: raw.fault(place.root, sha), uses), strict=True))
    for sha, by_series in uses.items():
        used = sorted(set().union(*by_series.values()))
        what = f"{' and '.join(by_series)} from {names.get(sha, 'a request the index does not tell')}"
        if faults[sha]:
            fact = f"{faults[sha]} ({what}); {_spans(used)} made of it"
            yield Link("raw", f"body {sha}", fact, sha, broken=True, own=day in used)
        else:
            yield Link("raw", what, "re-hashed", sha, own=day in used)


def _requests(place: Shelf, wanted: Mapping[str, object]) -> dict[str, str]:
    """Which request brought each of these bodies? The newest, where several brought the same."""
    told = (line for line in raw.lines(place.root, "answer", place.symbol) if isinstance(line, raw.Answer))
    return {
        line.sha256: f"{line.name} ({line.size:,} bytes, {line.time[:19]}Z)" for line in told if line.sha256 in wanted
    }


def _entries(bars: Mapping[date, Looked]) -> dict[date, Entry | None]:
    return {day: read.entry if read else None for day, (read, _) in bars.items()}


def _part_link(
    level: str, place: Shelf, day: date, read: Day | None, why: str, ts: int, columns: tuple[str, ...]
) -> Link:
    if read is None:
        return Link(level, f"{place} {day}", why or "not committed", broken=bool(why), own=True)
    row = row_at(read.table(), ts)
    shown = " ".join(f"{name}={row[name]}" for name in columns if name in row) if row else "no row at this instant"
    source = f", {source_name(read.entry.source)}" if level == "bars" else ""
    fact = f"{shown or f'a row of {len(row) - 2} values'}; part verified{source}"  # type: ignore[arg-type]
    return Link(level, f"{place} {day}", fact, read.entry.sha256, own=True)


def row_at(table: pa.Table, ts: int) -> dict[str, object] | None:
    """Which row has this ts (UTC ms), if any?"""
    rows = table.filter(pc.equal(table.column("ts").cast(pa.int64()), ts))
    return rows.slice(0, 1).to_pylist()[0] if rows.num_rows else None


def _stale(level: str, place: Shelf, day: date, what: str) -> Link:
    how = days.how_to_make(place, day, day)
    return Link(level, f"{place} {day}", f"is stale: {what} are not those it was made of; {how}", broken=True, own=True)


def _spans(used: list[date]) -> str:
    return ", ".join(first if first == last else f"{first} … {last}" for first, last in raw.spans(used))
