"""Which days are no longer what their inputs and today's rules make them? Known from manifests and notes alone."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta

from lake import fresh, notes
from lake.layout import Shelf
from lake.manifest import Entry
from meta.datasets import DATASETS

Entries = Mapping[tuple[str, str, str], dict[date, Entry]]  # dataset, tf, symbol -> what is committed there


def of(shelf: Shelf, known: dict[date, Entry], entries: Entries) -> dict[date, str]:
    """Which of these days are stale, and why? Ascending.

    entries : of the shelves whose days they are made of, at least.
    """
    said = notes.read(shelf, notes.RULES)
    by_rules = {day: why for day, entry in known.items() if said and (why := _why_rules(shelf, entry, said))}
    return dict(sorted({**_by_inputs(shelf, known, entries), **by_rules}.items()))


def _why_rules(shelf: Shelf, entry: Entry, said: Mapping) -> str:
    """Is a day of other rules than those of the last run, or were they changed since it?"""
    name, now = shelf.dataset.name, notes.rules(shelf, ())
    if entry.code not in said.get("codes", ()):
        return f"the {name}' rules changed: the last run had others"
    if now["version"] != said.get("version"):
        return f"the {name}' rules changed: it is of version {said.get('version')}, and they are of {now['version']}"
    came, went = ([c for c in one if c not in other] for one, other in _pairs(now["columns"], said.get("columns", [])))
    differ = [*(f"+{column.split()[0]}" for column in came), *(f"-{column.split()[0]}" for column in went)]
    return f"the {name}' columns changed: {' '.join(differ)}" if differ else ""


def _pairs(one: list[str], other: list[str]) -> tuple[tuple[list[str], list[str]], ...]:
    return (one, other), (other, one)


def _by_inputs(shelf: Shelf, known: dict[date, Entry], entries: Entries) -> dict[date, str]:
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


def _why_bars(shelf: Shelf, day: date, entry: Entry, entries: Entries) -> str:
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
