"""Why is a day no longer what its inputs make it? Which input days changed since it was made, and in what."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path

from lake import days, fresh, layout, log, notes
from lake.layout import Shelf
from meta.datasets import DATASETS
from meta.timeframes import TIMEFRAMES

Key = tuple[str, str, str, str]  # dataset, tf, symbol, day, as the log names them
LISTED = 4  # columns told by name


@dataclass(frozen=True)
class Cause:
    """An input day that changed since others were made of it.

    time : when it last did. fact : came, is gone, was rewritten. columns : how many values changed, by column; `bar`
    counts bars that came or went. stale : dataset -> the days that are stale by it.
    """

    shelf: Shelf
    day: date
    time: str
    fact: str
    columns: Mapping[str, int]
    stale: Mapping[str, Sequence[date]] = field(default_factory=dict)

    def __str__(self) -> str:
        most = [f"{name} {n:,}" for name, n in list(self.columns.items())[:LISTED]]
        more = [f"{len(self.columns) - LISTED} columns more"] if len(self.columns) > LISTED else []
        what = f" ({', '.join([*most, *more])})" if most else ""
        then = ", ".join(f"{name} {_between(some)}" for name, some in self.stale.items())
        return f"cause: {self.shelf} {self.day} {self.fact}{what}, {self.time} → {then}"

    def data(self) -> dict[str, object]:
        """How is it told to machines?"""
        named = {"dataset": self.shelf.dataset.name, "tf": self.shelf.tf.name, "symbol": self.shelf.symbol}
        stale = {name: [str(day) for day in some] for name, some in self.stale.items()}
        told = {"day": str(self.day), "time": self.time, "fact": self.fact, "columns": dict(self.columns)}
        return {**named, **told, "stale": stale}


def causes(root: Path, stale: Mapping[Shelf, Iterable[date]]) -> list[Cause]:
    """Which days of which inputs changed since these stale days were made? By the log, and what revisions kept.

    A day that is stale for another reason (its rules changed) has none.
    """
    told: dict[Key, list[log.Line]] = defaultdict(list)
    for line in log.lines(root):
        told[line[1:5]].append(line)
    found: dict[Key, dict[str, list[date]]] = defaultdict(lambda: defaultdict(list))
    since: dict[Key, str] = {}
    for shelf, some in stale.items():
        for day in some:
            made = told.get(_key(shelf, day))
            for key in _read(shelf, day) if made else ():
                if told.get(key) and told[key][-1].time > made[-1].time:  # type: ignore[index]
                    found[key][shelf.dataset.name].append(day)
                    since[key] = min(since.get(key, made[-1].time), made[-1].time)  # type: ignore[index]
    return [_cause(root, key, told[key], since[key], found[key]) for key in sorted(found)]


def _key(shelf: Shelf, day: date) -> Key:
    return shelf.dataset.name, shelf.tf.name, shelf.symbol, str(day)


def _read(shelf: Shelf, day: date) -> Iterator[Key]:
    """Which days of which datasets was this day made of?"""
    entry = days.entry(shelf, day)
    cell = entry.source if entry else ""
    name = shelf.dataset.name
    if name == "bars" and (shorter := fresh.shorter_of(cell)):
        yield "bars", shorter, shelf.symbol, str(day)
    if name == "features" and (said := notes.read(shelf, notes.FEATURES)):
        back = fresh.days_back(int(said["reach"]), shelf.tf)
        yield from _keys("bars", shelf, (day - timedelta(days=back), day))
    if name in ("labels", "weights") and (walked := fresh.walked(cell)):
        yield from _keys("bars", shelf, walked)
    if name == "labels":
        yield "features", shelf.tf.name, shelf.symbol, str(day)
    if name == "weights" and (met := fresh.met(cell)):
        yield from _keys("labels", shelf, met)


def _keys(dataset: str, shelf: Shelf, span: tuple[date, date]) -> Iterator[Key]:
    for i in range((span[1] - span[0]).days + 1):
        yield dataset, shelf.tf.name, shelf.symbol, str(span[0] + timedelta(days=i))


def _cause(root: Path, key: Key, told: Sequence[log.Line], since: str, stale: Mapping[str, list[date]]) -> Cause:
    shelf, day = layout.shelf(root, DATASETS[key[0]], TIMEFRAMES[key[1]], key[2]), date.fromisoformat(key[3])
    news = [line for line in told if line.time > since]
    if news[-1].new == log.ABSENT:
        fact = "is gone"
    else:
        fact = "came" if news[0].old == log.ABSENT else "was rewritten"
    return Cause(shelf, day, news[-1].time, fact, _columns(shelf, day, news), stale)


def _columns(shelf: Shelf, day: date, news: Sequence[log.Line]) -> dict[str, int]:
    """How many values of which column did these publishes change, the most first? What was not kept is not counted."""
    from lake import revisions  # what only looks at manifests starts without Arrow

    counts: Counter[str] = Counter()
    for path in sorted(revisions.folder(shelf).glob(f"{day:%Y%m%d}-*.parquet")) if revisions.are_kept(shelf) else ():
        one = revisions.read(path)
        times = sum(one.tells(line) for line in news)
        counts.update(one.cells.column("column").to_pylist() * times)
    return dict(counts.most_common())


def _between(some: Sequence[date]) -> str:
    return str(some[0]) if len(some) == 1 else f"{min(some)} … {max(some)} ({len(some)} days)"
