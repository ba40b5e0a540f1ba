"""Is a day still what its inputs make it? Told by content, never by clock."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta

from lake.log import ABSENT
from lake.manifest import Entry, digest
from meta.datasets import Dataset
from meta.timeframes import Timeframe

NO_INPUTS = digest(b"")
WALKS = re.compile(r"P1 bars (\d{4}-\d\d-\d\d) … (\d{4}-\d\d-\d\d)")
MEETS = re.compile(r"labels (\d{4}-\d\d-\d\d) … (\d{4}-\d\d-\d\d)")
EVENTS = re.compile(r"events of a file ([0-9a-f]{64})")
RESAMPLED = re.compile(r": resampled from (\w+): ")


def inputs_digest(read: Iterable[tuple[str, date, str | None]], also: str = "") -> str:
    """Which digest stands for everything read: (dataset, day, sha256 or None where absent), and a choice beside it?"""
    lines = [f"{name}\t{day}\t{sha or ABSENT}\n" for name, day, sha in read]
    return digest(("".join(lines) + also).encode())


def code_digest(dataset: Dataset, schema: str, settings: Mapping[str, object]) -> str:
    """Which digest stands for the rules: the dataset's VERSION, its schema, and the settings that reach values?"""
    rules = {"dataset": dataset.name, "version": dataset.version, "schema": schema, "settings": settings}
    return digest(json.dumps(rules, sort_keys=True, default=str).encode())


def is_fresh(known: Entry | None, inputs: str, code: str) -> bool:
    """Was this day made from these inputs by these rules?"""
    return known is not None and known.inputs == inputs and known.code == code


def days_back(reach: int, tf: Timeframe) -> int:
    """How many days before its own does a day's first row reach, over `reach` bars?"""
    return -(-reach // tf.per_day)


def resampled_inputs(shorter: str, day: date, made_of: Entry | None) -> str:
    """Which digest stands for all that a day of resampled bars is made of: the day of the shorter ones?"""
    return inputs_digest([(f"bars {shorter}", day, made_of.sha256 if made_of else None)])


def features_inputs(day: date, back: int, bars: Mapping[date, Entry | None], names: Sequence[str]) -> str:
    """Which digest stands for all that a day of features is made of: the P1 days of its reach, and the choice?"""
    choice = json.dumps(list(names))
    return inputs_digest(_read("bars", day - timedelta(days=back), day, bars), choice)


def labels_inputs(
    walked: tuple[date, date],
    keys: str,
    read: Mapping[str, Mapping[date, Entry] | Mapping[date, Entry | None]],
    events: str = "",
) -> str:
    """Which digest stands for all that a day of labels is made of: the P1 days its paths walk, P2's keys, and the
    digest of the day's events where a file gives them?"""
    lines = [line for name, entries in read.items() for line in _read(name, *walked, entries)]
    return inputs_digest(lines, keys + events)


def weights_inputs(
    met: tuple[date, date],
    walked: tuple[date, date],
    labels: Mapping[date, Entry] | Mapping[date, Entry | None],
    bars: Mapping[date, Entry] | Mapping[date, Entry | None],
) -> str:
    """Which digest stands for all that a day of weights is made of: the label days whose spans meet its own, and the
    P1 days of their bars?"""
    return inputs_digest([*_read("labels", *met, labels), *_read("bars", *walked, bars)])


def shorter_of(cell: str) -> str | None:
    """Which timeframe does a P1 day's source cell say its bars were resampled from? None where they were ingested."""
    told = RESAMPLED.search(cell)
    return told[1] if told else None


def resampled(cell: str, shorter: str) -> str:
    """How does a source cell say it, of bars whose own cell this is: `sim SYNTHETIC: resampled from 5m: price (…)`?"""
    head, _, series = cell.partition(": ")
    return f"{head}: resampled from {shorter}: {series}"


def walked(cell: str) -> tuple[date, date] | None:
    """Which P1 days does a label day's source cell say its paths walked?"""
    return _days_said(WALKS, cell)


def walks(first: date, last: date) -> str:
    """How does a label day's source cell say it?"""
    return f"P1 bars {first} … {last}"


def met(cell: str) -> tuple[date, date] | None:
    """Which label days does a weights day's source cell say its spans met?"""
    return _days_said(MEETS, cell)


def meets(first: date, last: date) -> str:
    """How does a weights day's source cell say it?"""
    return f"labels {first} … {last}"


def events(cell: str) -> str:
    """Which digest has the day's part of the events file, by a label day's source cell? Empty where there is none."""
    told = EVENTS.search(cell)
    return told[1] if told else ""


def _days_said(words: re.Pattern[str], cell: str) -> tuple[date, date] | None:
    told = words.search(cell)
    return (date.fromisoformat(told[1]), date.fromisoformat(told[2])) if told else None


def _read(
    name: str, first: date, last: date, entries: Mapping[date, Entry] | Mapping[date, Entry | None]
) -> list[tuple[str, date, str | None]]:
    wanted = [first + timedelta(days=i) for i in range((last - first).days + 1)]
    return [(name, day, found.sha256 if (found := entries.get(day)) else None) for day in wanted]
