"""Why is a bar there, or missing? By its day, by what its answers held, and by what the record tells of runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, timedelta

from lake import days, raw
from lake.days import Day
from lake.layout import Shelf
from lake.reasons import Asked, Reason, found, part_line, row_line
from meta import dropped
from meta.timeframes import day_start, utc

# What a day may wait for, by P1's words, and how that is called here.
WAITS = {
    "no bar, and none on one side of it": "not listed",
    "is not published yet": "not yet published",
    "looks cut short": "doubted",
    "it was answered empty": "doubted",
}


def why_bar(asked: Asked) -> Reason:
    """Why is the bar there, or not?"""
    return found(asked, "bars", _bar_there, _bar_absent, _bar_uncommitted)


def _bar_there(asked: Asked, shelf: Shelf, read: Day, row: dict[str, object]) -> Reason:
    still = row["open"] == row["high"] == row["low"] == row["close"]
    if still and any(row.get(name) == 0 for name in ("trades", "volume", "quote_volume")):
        return Reason(
            "bars", True, "zero trades", f"nobody traded, a flat bar: {row_line(row)}", (part_line(shelf, read),)
        )
    empty = [name for name, value in row.items() if value is None]
    told = f"{row_line(row)}{'; not said: ' + ' '.join(empty) if empty else ''}"
    return Reason("bars", True, "committed", told, (part_line(shelf, read), *_nulled(shelf, read, empty)))


def _nulled(shelf: Shelf, read: Day, empty: Sequence[str]) -> Iterator[str]:
    """Of columns without a value: how many of the day's values were not believed, and by which rule?"""
    line = raw.days_of(shelf).get((str(read.day), read.entry.sha256)) if empty else None
    for rule, n in line.nulled.items() if line else ():
        if rule.split(" ", 1)[0] in empty:
            yield f"{n} values of the day were said and are null, for what they said cannot be: {rule}"


def _bar_absent(asked: Asked, shelf: Shelf, read: Day) -> Reason:
    """The day was fully answered: the bar was kept out, or the venue has none."""
    line = raw.days_of(shelf).get((str(asked.day), read.entry.sha256))
    part = part_line(shelf, read)
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
