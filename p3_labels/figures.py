"""The numbers behind the pictures of labels: balance by time, time to touch, weights, folds. As data, drawn nowhere."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from lake import days, frames, parts, snapshots
from lake.layout import Shelf
from meta.datasets import DATASETS
from meta.errors import NotReady
from meta.timeframes import HOUR
from p3_labels.barriers import OUTCOMES
from p3_labels.concurrency import effective_size

Row = dict[str, Any]
BINS = 20  # of uniqueness, between 0 and 1
CENTILES = (0, 1, 5, 25, 50, 75, 95, 99, 100)


def label_figures(table: pa.Table, step_ms: int) -> Row:
    """What is to be drawn of these labels? table: label days side by side, at least one row; step_ms: a bar."""
    opened = table.column("ts").cast(pa.int64()).to_numpy() - step_ms
    months = np.array(opened, "datetime64[ms]").astype("datetime64[M]").astype(str)
    hours = opened // HOUR % 24
    outcome = table.column("outcome").to_numpy(zero_copy_only=False)
    return {
        "by_month": [{"month": str(m), **_balance(table, outcome, months == m)} for m in np.unique(months)],
        "by_hour": [{"hour": h, **_balance(table, outcome, hours == h)} for h in range(24) if (hours == h).any()],
        "time_to_touch": _time_to_touch(table.column("bars_held").to_numpy(), outcome),
        "returns_bp": {name: _centiles(table.column(name).to_numpy() * 1e4) for name in ("ret", "mfe", "mae")},
    }


def _balance(table: pa.Table, outcome: NDArray[np.object_], rows: NDArray[np.bool_]) -> Row:
    """How many labels, of which outcome, of which class; the share of ties; how long they held."""
    n, here = int(rows.sum()), outcome[rows]
    many = {name: int((here == name).sum()) for name in OUTCOMES}
    label, held = table.column("label").to_numpy()[rows], table.column("bars_held").to_numpy()[rows]
    classes = {str(value): int((label == value).sum()) for value in np.unique(label).tolist()}
    return {
        "labels": n, **many, "classes": classes, "tie_share": many["tie"] / n,
        "mean_label": float(label.mean()), "median_bars_held": float(np.median(held)),
    }  # fmt: skip


def _time_to_touch(held: NDArray[np.int32], outcome: NDArray[np.object_]) -> list[Row]:
    """How many paths of each outcome ended after how many bars, and which share of all had ended by then?"""
    counts = {name: np.bincount(held[outcome == name], minlength=int(held.max()) + 1) for name in OUTCOMES}
    ended = np.cumsum(sum(counts.values())) / held.size
    return [
        {"bars": bars, **{name: int(many[bars]) for name, many in counts.items()}, "ended": float(ended[bars])}
        for bars in range(1, ended.size)
    ]


def weight_figures(table: pa.Table) -> Row:
    """What is to be drawn of these weights? table: days of weights side by side; effective sizes are Kish's."""
    crowd, unique = table.column("concurrency").to_numpy(), table.column("uniqueness").to_numpy()
    earned = table.column("w_return").to_numpy()
    many, edges = np.histogram(unique, BINS, (0.0, 1.0))
    bins = zip(edges[:-1].tolist(), edges[1:].tolist(), many.tolist(), strict=True)
    return {
        "labels": int(unique.size),
        "mean_uniqueness": float(unique.mean()) if unique.size else None,
        "labels_on_their_own": float(unique.sum()),
        "effective_size": {"uniqueness": effective_size(unique), "return": effective_size(earned)},
        "uniqueness": [{"from": low, "to": high, "labels": n} for low, high, n in bins],
        "concurrency": [{"labels_open": int(c), "labels": int(n)} for c, n in enumerate(np.bincount(crowd)) if n],
        "w_return_bp": _centiles(earned * 1e4),
    }


def _centiles(values: NDArray[np.float64]) -> dict[str, float]:
    return dict(zip(map(str, CENTILES), np.percentile(values, CENTILES).tolist(), strict=True)) if values.size else {}


def fold_figures(said: Mapping[str, Any], roles: pa.Table, symbol: str) -> Row:
    """What is to be drawn of a snapshot of folds? said: its meta.json; roles: its folds.parquet.

    `bars` holds one line a stretch of equal role of this symbol's rows in each split, rows side by side joined.
    """
    mine = roles.filter(pc.equal(roles.column("symbol"), symbol)).sort_by([("split", "ascending"), ("ts", "ascending")])
    split, ts = mine.column("split").to_numpy(), mine.column("ts").cast(pa.int64()).to_numpy()
    role = mine.column("role").to_numpy(zero_copy_only=False)
    kept = ("name", "symbols", "rows", "first", "last", "effective_size", "settings", "splits")
    return {**{name: said[name] for name in kept if name in said}, "bars": _stretches(split, ts, role)}


def _stretches(split: NDArray[np.int32], ts: NDArray[np.int64], role: NDArray[np.object_]) -> list[Row]:
    if not ts.size:
        return []
    new = np.flatnonzero((split[1:] != split[:-1]) | (role[1:] != role[:-1])) + 1
    bounds = [0, *new.tolist(), ts.size]
    return [
        {"split": int(split[a]), "role": role[a], "from_ms": int(ts[a]), "to_ms": int(ts[b - 1]), "rows": b - a}
        for a, b in itertools.pairwise(bounds)
    ]


def beside(labels: Shelf, wanted: Sequence[Any]) -> Row:
    """The figures of the weights of these days, and of the folds conf names; none of either where it is not made."""
    weights = labels.sibling(DATASETS["weights"])
    found = [day for day in frames.read_all(weights, [d for d in wanted if days.is_committed(weights, d)]) if day]
    told: Row = {"weights": weight_figures(whole) if (whole := frames.table(found)) is not None else None}
    try:
        place = snapshots.folds(labels.root, labels.tf, snapshots.joined())
        said = snapshots.meta(place)
    except NotReady:
        return {**told, "folds": None}
    roles = parts.decoded(snapshots.read(place, snapshots.ROLES, said), f"{place} {snapshots.ROLES}")
    return {**told, "folds": fold_figures(said, roles, labels.symbol)}
