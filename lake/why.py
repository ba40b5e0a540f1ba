"""Why is a bar, a row of features or a label there, or missing? Said with its evidence; nothing is changed."""

from __future__ import annotations

from datetime import timedelta

import numpy as np

from lake import days, frames, fresh, notes
from lake.days import Day
from lake.layout import Shelf
from lake.missing import lacking
from lake.reasons import Asked, Reason, found, part_line, there
from lake.why_bar import why_bar
from meta.datasets import DATASETS
from meta.errors import Usage
from meta.timeframes import day_of, utc

BRIDGED = 3  # missing bars in a row that a path of P3 may cross


def why(asked: Asked) -> list[Reason]:
    """Why does each dataset have the row, or not? In the order of the phases.

    Raises Usage where no bar of this timeframe closes at that instant.
    """
    if asked.ts % asked.tf.ms:
        before = asked.ts // asked.tf.ms * asked.tf.ms
        near = f"{utc(before)} and {utc(before + asked.tf.ms)}"
        raise Usage(f"no {asked.tf} bar closes at {utc(asked.ts)}; the nearest are {near}")
    bar = why_bar(asked)
    features = found(asked, "features", there, _features_absent, _features_uncommitted)
    if not bar.present and not features.present:
        features = Reason("features", False, "no bar", "features are of bars, and there is none")
    label = found(asked, "labels", there, _label_absent, _label_uncommitted)
    if not features.present and not label.present:
        label = Reason("labels", False, "no features", "bars without a row of features get no label")
    return [bar, features, label]


def _features_uncommitted(asked: Asked, shelf: Shelf) -> Reason:
    cause = _warming(asked, shelf)
    if cause:
        return Reason("features", False, "warm-up", cause)
    how = days.how_to_make(shelf, asked.day, asked.day)
    return Reason("features", False, "not built", f"{shelf} {asked.day} is not committed; {how}")


def _features_absent(asked: Asked, shelf: Shelf, read: Day) -> Reason:
    cause, part = _warming(asked, shelf), (part_line(shelf, read),)
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
    part, walked = (part_line(shelf, read),), fresh.walked(read.entry.source)
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
