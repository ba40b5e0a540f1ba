"""What does the lake hold, and which days are no longer what their inputs make them?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from pathlib import Path

from msgspec import to_builtins

from lake import advice, days, following, fresh, locks, log, notes, probe, roots
from lake.causes import Cause, causes
from lake.following import Told
from lake.layout import Shelf
from lake.manifest import Entry
from meta.datasets import DATASETS
from meta.errors import PerplakeError

HEAD = ("dataset", "tf", "symbol", "days", "from", "to", "holes", "rows", "stale", "damaged", "schemas", "source")


@dataclass(frozen=True)
class ShelfStatus:
    """One shelf: its committed days, those that are stale and why, those that are damaged, and who is writing it."""

    shelf: Shelf
    days: int
    first: date | None
    last: date | None
    holes: int
    rows: int
    schemas: int
    source: str
    stale: Mapping[date, str]
    damaged: Mapping[date, str]
    writer: str | None
    generation: str

    def cells(self) -> tuple[str, ...]:
        """How does it stand in a table, under HEAD?"""
        numbers = (self.holes, self.rows, len(self.stale), len(self.damaged), self.schemas)
        name = (self.shelf.dataset.name, self.shelf.tf.name, self.shelf.symbol, f"{self.days:,}")
        return (*name, str(self.first or "-"), str(self.last or "-"), *(f"{n:,}" for n in numbers), self.source)

    def data(self) -> dict[str, object]:
        """How is it told to machines?"""
        return {
            "dataset": self.shelf.dataset.name,
            "tf": self.shelf.tf.name,
            "symbol": self.shelf.symbol,
            "days": self.days,
            "first": str(self.first) if self.first else None,
            "last": str(self.last) if self.last else None,
            "holes": self.holes,
            "rows": self.rows,
            "schemas": self.schemas,
            "source": self.source,
            "stale": {str(day): why for day, why in self.stale.items()},
            "damaged": {str(day): why for day, why in self.damaged.items()},
            "writer": self.writer,
            "generation": self.generation,
        }


@dataclass(frozen=True)
class Status:
    """Every shelf of a lake, how days are published on its file system, what `follow` says of itself, and the causes of
    what is stale."""

    root: Path
    publish: str
    shelves: list[ShelfStatus] = field(default_factory=list)
    followed: Sequence[Told] = ()
    causes: Sequence[Cause] = ()

    def data(self) -> dict[str, object]:
        """How is it told to machines?"""
        told = {
            "shelves": [one.data() for one in self.shelves],
            "followed": [to_builtins(one) for one in self.followed],
            "causes": [one.data() for one in self.causes],
        }
        return {"root": str(self.root), "publish": self.publish, **told}

    def lines(self, stale: bool, now: int) -> list[str]:
        """How is it told to people, at this instant (UTC ms)?"""
        cells = [HEAD, *(one.cells() for one in self.shelves)]
        widths = [max(len(row[i]) for row in cells) for i in range(len(HEAD))]
        rows = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in cells)
        return [self.first(), *(row.rstrip() for row in rows if self.shelves), *self.notes(stale, now)]

    def first(self) -> str:
        """What is said before the shelves?"""
        none = "" if self.shelves else f"\nno day yet; {advice.first(self.root)} brings the first"
        return f"published by {self.publish}{none}"

    def notes(self, stale: bool, now: int) -> list[str]:
        """What is said after them: who writes, what is damaged (and stale, if wanted), and how following stands."""
        told = []
        for one in self.shelves:
            told += [f"{one.shelf} is being written by {one.writer}"] if one.writer else []
            told += [f"{one.shelf} {day}: damaged: {why}" for day, why in one.damaged.items()]
            told += [f"{one.shelf} {day}: stale: {why}" for day, why in one.stale.items()] if stale else []
        told += [str(one) for one in self.causes] if stale else []
        return told + [one.line(now) for one in self.followed]


def status(root: Path) -> Status:
    """What does this lake hold?"""
    entries: dict[tuple[str, str, str], dict[date, Entry]] = {}
    found = []
    for shelf in roots.shelves(root):
        known, damaged = _entries(shelf)
        entries[shelf.dataset.name, shelf.tf.name, shelf.symbol] = known
        if known or damaged:
            found.append(_of(shelf, known, damaged, _stale(shelf, known, entries)))
    return Status(root, probe.publish_mode(root), found, following.all_of(root))


def with_causes(found: Status) -> Status:
    """The same with which input days changed, and in what, since the stale days were made."""
    stale = {one.shelf: one.stale for one in found.shelves if one.stale}
    return replace(found, causes=causes(found.root, stale)) if stale else found


def _entries(shelf: Shelf) -> tuple[dict[date, Entry], dict[date, str]]:
    known: dict[date, Entry] = {}
    damaged: dict[date, str] = {}
    for day in shelf.days_on_disk():
        try:
            found = days.entry(shelf, day)
        except PerplakeError as error:
            damaged[day] = str(error)
            continue
        if found is not None:
            known[day] = found
    return known, damaged


def _of(shelf: Shelf, known: dict[date, Entry], damaged: dict[date, str], stale: dict[date, str]) -> ShelfStatus:
    first, last = (min(known), max(known)) if known else (None, None)
    holes = (last - first).days + 1 - len(known) if first and last else 0
    names = sorted({roots.source_name(entry.source) for entry in known.values()})
    generation = log.generation(shelf)
    return ShelfStatus(
        shelf,
        len(known),
        first,
        last,
        holes,
        sum(entry.rows for entry in known.values()),
        len({entry.schema for entry in known.values()}),
        " + ".join(names),
        stale,
        damaged,
        locks.holder(shelf),
        generation.time if generation else "",
    )


def _stale(
    shelf: Shelf, known: dict[date, Entry], entries: Mapping[tuple[str, str, str], dict[date, Entry]]
) -> dict[date, str]:
    """Which days were made of other inputs than stand there now? Known from the manifests alone."""
    bars = entries.get(("bars", shelf.tf.name, shelf.symbol), {})
    if shelf.dataset is DATASETS["features"]:
        said = notes.read(shelf, notes.FEATURES)
        if said is None:
            return {}
        back = fresh.days_back(int(said["reach"]), shelf.tf)
        return {
            day: _why_features(day, back, entry, bars, said)
            for day, entry in known.items()
            if entry.inputs != fresh.features_inputs(day, back, bars, list(said["columns"]))
            or entry.code != said["code"]
        }
    if shelf.dataset is DATASETS["labels"]:
        features = entries.get(("features", shelf.tf.name, shelf.symbol), {})
        minutes = entries.get(("bars", "1m", shelf.symbol), {})
        return {day: why for day, entry in known.items() if (why := _why_labels(day, entry, bars, minutes, features))}
    if shelf.dataset is DATASETS["weights"]:
        labels = entries.get(("labels", shelf.tf.name, shelf.symbol), {})
        return {day: why for day, entry in known.items() if (why := _why_weights(entry, bars, labels))}
    return {day: why for day, entry in known.items() if (why := _why_bars(shelf, day, entry, entries))}


def _why_bars(shelf: Shelf, day: date, entry: Entry, entries: Mapping[tuple[str, str, str], dict[date, Entry]]) -> str:
    shorter = fresh.shorter_of(entry.source)
    if shorter is None:
        return ""
    made_of = entries.get((shelf.dataset.name, shorter, shelf.symbol), {}).get(day)
    sound = entry.inputs == fresh.resampled_inputs(shorter, day, made_of)
    return "" if sound else f"the {shorter} bars of {day} " + ("changed" if made_of else "are gone")


def _why_features(day: date, back: int, entry: Entry, bars: Mapping[date, Entry], said: Mapping) -> str:
    if entry.code != said["code"]:
        return "the features' rules changed"
    absent = [
        each
        for i in range(back + 1)
        if (each := day - timedelta(days=i)) not in bars and each >= min(bars, default=day)
    ]
    return f"P1 days of {day - timedelta(days=back)} … {day} changed" + (
        f", {len(absent)} are absent" if absent else ""
    )


def _why_labels(
    day: date,
    entry: Entry,
    bars: Mapping[date, Entry],
    minutes: Mapping[date, Entry],
    features: Mapping[date, Entry],
) -> str:
    keys = features.get(day)
    if keys is None:
        return "its P2 day is gone"
    walked = fresh.walked(entry.source)
    if walked is None:
        return "its manifest does not say which P1 days it walked"
    events = fresh.events(entry.source)
    plain = fresh.labels_inputs(walked, keys.keys, {"bars": bars}, events)
    resolved = fresh.labels_inputs(walked, keys.keys, {"bars": bars, "bars 1m": minutes}, events)
    return "" if entry.inputs in (plain, resolved) else f"P1 days of {walked[0]} … {walked[1]}, or P2's rows, changed"


def _why_weights(entry: Entry, bars: Mapping[date, Entry], labels: Mapping[date, Entry]) -> str:
    met, walked = fresh.met(entry.source), fresh.walked(entry.source)
    if met is None or walked is None:
        return "its manifest does not say which label days its spans met"
    sound = entry.inputs == fresh.weights_inputs(met, walked, labels, bars)
    return "" if sound else f"label days of {met[0]} … {met[1]}, or P1 days of {walked[0]} … {walked[1]}, changed"
