"""Why is a bar, a row of features or a label there, or missing? Said with its evidence; nothing is changed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path

import numpy as np

from lake import days, frames, fresh, layout, notes, raw
from lake.days import Day
from lake.layout import Shelf
from lake.lineage import row_at
from lake.missing import lacking
from meta import dropped
from meta.datasets import DATASETS
from meta.errors import PerplakeError, Usage
from meta.timeframes import Timeframe, day_of, day_start, utc

# What a day may wait for, by P1's words, and how that is called here.
WAITS = {
    "no bar, and none on one side of it": "not listed",
    "is not published yet": "not yet published",
    "looks cut short": "doubted",
    "it was answered empty": "doubted",
}
BRIDGED = 3  # missing bars in a row that a path of P3 may cross


@dataclass(frozen=True)
class Reason:
    """Why one dataset has, or has not, the row: a word or two machines may compare, a sentence, and its evidence."""

    dataset: str
    present: bool
    why: str
    text: str
    evidence: tuple[str, ...] = field(default=())

    def lines(self) -> Iterator[str]:
        """How is it told to people?"""
        yield f"{self.dataset}: {'there' if self.present else 'missing'}, {self.why}: {self.text}"
        yield from (f"    {line}" for line in self.evidence)


@dataclass(frozen=True)
class Asked:
    """Which row is asked about: its shelves, its ts (bar close, UTC ms), its day, and what time it is now."""

    root: Path
    symbol: str
    tf: Timeframe
    ts: int
    now: int

    @property
    def day(self) -> date:
        """In which day's part would the row stand?"""
        return day_of(self.ts - self.tf.ms)

    def shelf(self, name: str) -> Shelf:
        """Where does this dataset lie?"""
        return layout.shelf(self.root, DATASETS[name], self.tf, self.symbol)


def why(asked: Asked) -> list[Reason]:
    """Why does each dataset have the row, or not? In the order of the phases.

    Raises Usage where no bar of this timeframe closes at that instant.
    """
    if asked.ts % asked.tf.ms:
        before = asked.ts // asked.tf.ms * asked.tf.ms
        near = f"{utc(before)} and {utc(before + asked.tf.ms)}"
        raise Usage(f"no {asked.tf} bar closes at {utc(asked.ts)}; the nearest are {near}")
    bar = why_bar(asked)
    features = _told(asked, "features", _there, _features_absent, _features_uncommitted)
    if not bar.present and not features.present:
        features = Reason("features", False, "no bar", "features are of bars, and there is none")
    label = _told(asked, "labels", _there, _label_absent, _label_uncommitted)
    if not features.present and not label.present:
        label = Reason("labels", False, "no features", "bars without a row of features get no label")
    return [bar, features, label]


def why_bar(asked: Asked) -> Reason:
    """Why is the bar there, or not?"""
    return _told(asked, "bars", _bar_there, _bar_absent, _bar_uncommitted)


def _told(asked: Asked, name: str, there, absent, uncommitted) -> Reason:  # type: ignore[no-untyped-def]
    """Is the row there, is it absent from a committed day, or is its day not committed?"""
    shelf = asked.shelf(name)
    try:
        read = days.read(shelf, asked.day)
    except PerplakeError as error:
        return Reason(name, False, "damaged", str(error))
    if read is None:
        return uncommitted(asked, shelf)
    row = row_at(read.table(), asked.ts)
    return absent(asked, shelf, read) if row is None else there(asked, shelf, read, row)


def _there(asked: Asked, shelf: Shelf, read: Day, row: dict[str, object]) -> Reason:
    return Reason(shelf.dataset.name, True, "committed", _row(row), (_part(shelf, read),))


def _bar_there(asked: Asked, shelf: Shelf, read: Day, row: dict[str, object]) -> Reason:
    still = row["open"] == row["high"] == row["low"] == row["close"]
    if still and any(row.get(name) == 0 for name in ("trades", "volume", "quote_volume")):
        return Reason("bars", True, "zero trades", f"nobody traded, a flat bar: {_row(row)}", (_part(shelf, read),))
    empty = [name for name, value in row.items() if value is None]
    told = f"{_row(row)}{'; not said: ' + ' '.join(empty) if empty else ''}"
    return Reason("bars", True, "committed", told, (_part(shelf, read), *_nulled(shelf, read, empty)))


def _nulled(shelf: Shelf, read: Day, empty: Sequence[str]) -> Iterator[str]:
    """Of columns without a value: how many of the day's values were not believed, and by which rule?"""
    line = raw.days_of(shelf).get((str(read.day), read.entry.sha256)) if empty else None
    for rule, n in line.nulled.items() if line else ():
        if rule.split(" ", 1)[0] in empty:
            yield f"{n} values of the day were said and are null, for what they said cannot be: {rule}"


def _bar_absent(asked: Asked, shelf: Shelf, read: Day) -> Reason:
    """The day was fully answered: the bar was kept out, or the venue has none."""
    line = raw.days_of(shelf).get((str(asked.day), read.entry.sha256))
    part = _part(shelf, read)
    if line is None:
        text = "the day was answered without it, or it was kept out: no record of that day tells which"
        return Reason("bars", False, "outage", text, (part,))
    reason = line.quarantined.get(utc(asked.ts))
    if reason:
        text = f"the venue's bar was kept out: {reason}"
        return Reason("bars", False, "quarantined", text, (part, *_bodies(asked, line)))
    lost = [f"of its answers, {n} x {dropped.told(what)}" for what, n in line.counts.items()]
    if not read.entry.rows:
        text = "the venue answered the whole day without a bar, asked twice"
    else:
        text = f"the venue answered the day and has no such bar; {_hole(asked, read)}"
    return Reason("bars", False, "outage", text, (part, *_bodies(asked, line), *lost))


def _hole(asked: Asked, read: Day) -> str:
    """From where to where are bars missing, within the day?"""
    at = read.table(["ts"]).column("ts").cast("int64").to_numpy()
    before, after = at[at < asked.ts], at[at > asked.ts]
    first = int(before[-1]) + asked.tf.ms if len(before) else day_start(asked.day) + asked.tf.ms
    last = int(after[0]) - asked.tf.ms if len(after) else day_start(asked.day + timedelta(days=1))
    n = (last - first) // asked.tf.ms + 1
    span = f"{utc(first)[:16]} … {utc(last)[:16]}"
    return "it alone is missing" if n == 1 else f"{n} bars are missing in a row, closing {span}"


def _bodies(asked: Asked, line: raw.Day) -> Iterator[str]:
    """Which bodies cover the bar: those of the series that make the bars, each looked at again."""
    lines = list(raw.lines(asked.root, line.run))
    required = {name for one in lines if isinstance(one, raw.Run) for name in one.required}
    shas = {sha for name, said in line.bodies.items() if name in (required or line.bodies) for sha in said}
    for one in lines:
        if isinstance(one, raw.Answer) and one.sha256 in shas and one.start < asked.ts <= one.end:
            shas.discard(one.sha256)
            state = raw.fault(asked.root, one.sha256) or "verified"
            yield f"{one.series}: {one.name}, answered {one.time[:19]}Z: body {one.sha256} {state}"


def _bar_uncommitted(asked: Asked, shelf: Shelf) -> Reason:
    """Not yet due, or the last run that wanted the day says what was the matter."""
    runs, ends, answers = _history(shelf)
    lag = runs[-1].lag if runs else 0
    settles = day_start(asked.day + timedelta(days=1)) + lag
    if asked.now < settles:
        text = f"a day is committed once it is settled, this one from {utc(settles)} on"
        return Reason("bars", False, "not yet due", text)
    covering = [run for run in runs if run.first <= str(asked.day) <= run.last]
    if not covering:
        return Reason("bars", False, "never asked for", _never(runs, shelf, asked.day))
    run = next((r for r in reversed(covering) if raw.within(asked.day, r.asked)), covering[-1])
    seen = tuple(
        f"{one.series}: {one.name}: {one.why or f'HTTP {one.status}'}, {one.time[:19]}Z"
        for one in answers
        if one.run == run.run and raw.within(asked.day, one.days) and not one.sha256
    )
    end = ends.get(run.run)
    if end is None:
        text = f"the run of {run.time[:19]}Z was cut short before the day was committed; run it again"
        return Reason("bars", False, "interrupted", text, seen)
    for first, last, told in (*end.failed, *end.waiting):
        if first <= str(asked.day) <= last:
            kind = "fetch failed" if (first, last, told) in end.failed else _waits(told)
            return Reason("bars", False, kind, f"the run of {run.time[:19]}Z: {told}", seen)
    how = days.how_to_make(shelf, asked.day, asked.day)
    return Reason("bars", False, "gone", f"the run of {run.time[:19]}Z left it in order, and it is gone; {how}", seen)


def _history(shelf: Shelf) -> tuple[list[raw.Run], dict[str, raw.End], list[raw.Answer]]:
    runs, ends, answers = list[raw.Run](), dict[str, raw.End](), list[raw.Answer]()
    for line in raw.about(shelf):
        if isinstance(line, raw.Run):
            runs.append(line)
        elif isinstance(line, raw.End):
            ends[line.run] = line
        elif isinstance(line, raw.Answer):
            answers.append(line)
    return runs, ends, answers


def _waits(told: str) -> str:
    return next((kind for words, kind in WAITS.items() if words in told), "waits")


def _never(runs: Sequence[raw.Run], shelf: Shelf, day: date) -> str:
    how = days.how_to_make(shelf, day, day)
    if not runs:
        return f"no recorded run was about {shelf.symbol} {shelf.tf}; {how}"
    return f"runs asked for days of {min(r.first for r in runs)} … {max(r.last for r in runs)}, never this one; {how}"


def _features_uncommitted(asked: Asked, shelf: Shelf) -> Reason:
    cause = _warming(asked, shelf)
    if cause:
        return Reason("features", False, "warm-up", cause)
    how = days.how_to_make(shelf, asked.day, asked.day)
    return Reason("features", False, "not built", f"{shelf} {asked.day} is not committed; {how}")


def _features_absent(asked: Asked, shelf: Shelf, read: Day) -> Reason:
    cause, part = _warming(asked, shelf), (_part(shelf, read),)
    if cause:
        return Reason("features", False, "warm-up", cause, part)
    said = notes.read(shelf, notes.FEATURES) or {}
    missing = lacking(shelf.sibling(DATASETS["bars"]), said, asked.ts)
    if not missing:
        text = "no input is missing at it: its past lacks something, or the row is of other rules"
        return Reason("features", False, "missing input", text, part)
    name, text = next(iter(missing.items()))
    more = (f"{other}: {told}" for other, told in missing.items() if other != name)
    return Reason("features", False, f"missing {name}", text, (*more, *part))


def _warming(asked: Asked, shelf: Shelf) -> str:
    """Is there too little history before the row? In FORMULAS' words: no bar in t-2W … t-N."""
    said = notes.read(shelf, notes.FEATURES)
    if said is None:
        return ""
    window, warmup, bars = int(said["window"]), int(said["warmup"]), shelf.sibling(DATASETS["bars"])
    start = day_of(asked.ts - (2 * window + 1) * asked.tf.ms)
    grid = frames.grid(bars, start, asked.day, ())
    at = asked.ts // asked.tf.ms - grid.first
    if grid.present[max(at - 2 * window, 0) : max(at - warmup + 1, 0)].any():
        return ""
    first = np.flatnonzero(grid.present)
    oldest = f"; the oldest bar before it is of {utc(int(grid.ts()[first[0]]))}" if len(first) else ""
    return f"a row needs a bar {warmup} bars or more before it{oldest}"


def _label_uncommitted(asked: Asked, shelf: Shelf) -> Reason:
    bars, after = shelf.sibling(DATASETS["bars"]), asked.day + timedelta(days=1)
    if not days.is_committed(bars, after):
        text = (
            f"paths that start in {asked.day} reach {after}, and {bars} {after} is not committed: the tape ends there"
        )
        return Reason("labels", False, "unresolved", text)
    how = days.how_to_make(shelf, asked.day, asked.day)
    return Reason("labels", False, "not built", f"{shelf} {asked.day} is not committed; {how}")


def _label_absent(asked: Asked, shelf: Shelf, read: Day) -> Reason:
    part, walked = (_part(shelf, read),), fresh.walked(read.entry.source)
    if ", events " in read.entry.source:
        return Reason("labels", False, "no event", "only sampled events of that day are labelled: it is none", part)
    last = walked[1] if walked else asked.day
    grid = frames.grid(shelf.sibling(DATASETS["bars"]), asked.day, last, ())
    at = asked.ts // asked.tf.ms - grid.first
    absent = np.flatnonzero(np.convolve(~grid.present[at + 1 :], np.ones(BRIDGED + 1), "valid") == BRIDGED + 1)
    if len(absent):
        where = utc(int(grid.ts()[at + 1 + absent[0]]))
        text = f"more than {BRIDGED} bars in a row are missing on its path, from {where} on, before any touch"
        return Reason("labels", False, "gap", text, part)
    text = "it has no barriers: no average true range yet, none above 0, or narrower than --min-barrier-bp"
    return Reason("labels", False, "no barriers", text, part)


def _part(shelf: Shelf, read: Day) -> str:
    return f"{shelf} {read.day}: part {read.entry.sha256} verified, {read.entry.rows} rows, from {read.entry.source}"


def _row(row: dict[str, object]) -> str:
    return " ".join(
        f"{name}={value}" for name, value in row.items() if name not in ("symbol", "ts") and value is not None
    )
