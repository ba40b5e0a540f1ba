"""Folds are one named snapshot: who may learn from which rows, what each row weighs, and what all of it was made of."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from lake import days, frames, fresh, layout, notes, parts, snapshots
from lake.days import Day
from lake.layout import Shelf
from lake.progress import counted
from lake.span import Span
from meta.columns import FOLD_INPUTS, FOLD_ROLES, FOLD_ROWS
from meta.datasets import DATASETS, FOLDS
from meta.errors import NotReady, PerplakeError, Usage
from meta.timeframes import DAY, HOUR, MINUTE, Timeframe, utc
from p3_labels.concurrency import class_balance, effective_size, scaled, time_decay
from p3_labels.splits import OUT, ROLES, TEST, TRAIN, Roles, Scheme, blocks_of, default_embargo, runs_of

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Input = tuple[str, str, date, str]  # dataset, symbol, day, sha256 of the part

WEIGHTS = ("return", "uniqueness", "equal")
LENGTH = re.compile(r"(\d+)(m|h|d)")
UNITS = {"m": MINUTE, "h": HOUR, "d": DAY}


@dataclass(frozen=True)
class Plan:
    """What the snapshot is called, how time is cut, and what a row weighs.

    weight: return (w_return), uniqueness or equal. decay: factor of the oldest label (`time_decay`). balance: every
    class weighs the same in all.
    """

    name: str
    scheme: Scheme
    weight: str = "return"
    decay: float = 1.0
    balance: bool = False

    def code(self) -> str:
        """Which digest stands for the rules?"""
        return fresh.code_digest(FOLDS, parts.schema_digest(parts.schema_of((*FOLD_ROLES, *FOLD_ROWS))), asdict(self))


@dataclass(frozen=True)
class Rows:
    """The labels of all symbols with their weights, by symbol and ts.

    symbol: (n,) int64 index into `symbols`. ts, t1: (n,) int64 UTC ms. label: (n,) int8. uniqueness, w_return: (n,)
    float64.
    """

    symbols: tuple[str, ...]
    symbol: Ints
    ts: Ints
    t1: Ints
    label: NDArray[np.int8]
    uniqueness: Floats
    w_return: Floats


@dataclass(frozen=True)
class Folded:
    """What a run did: the snapshot's meta.json, and whether it had to be written."""

    place: Shelf
    said: Mapping[str, Any]
    written: bool

    def lines(self) -> Iterator[str]:
        """How is it told to people?"""
        rows, size = self.said["rows"], self.said["effective_size"]
        state = "written" if self.written else "unchanged"
        yield f"{self.place} {state}: {rows:,} rows of {' '.join(self.said['symbols'])}, effective size {size:,.0f}"
        for split in self.said["splits"]:
            roles = ", ".join(f"{name} {split['roles'][name]:,}" for name in ROLES)
            tested = " and ".join(f"{start[:16]} … {end[:16]}" for start, end in split["test_spans"])
            yield f"  split {split['split']}: {roles}; effective size {split['effective_size']:,.0f}; tests {tested}"


def embargo_of(text: str) -> int:
    """How long is `4h` or `60d`, in ms? Raises Usage."""
    told = LENGTH.fullmatch(text.strip()) if text.strip() != "0" else None
    if told is None and text.strip() != "0":
        raise Usage(f"folds: an embargo of {text!r} is no length; write it like 30m, 4h or 60d")
    return int(told[1]) * UNITS[told[2]] if told else 0


def usual_embargo(root: Path, tf: Timeframe, symbols: Sequence[str], horizon: int) -> int:
    """How long does the embargo last where nobody says, in ms? By what FEATURES.json tells of the features' reach.

    Raises NotReady where it does not tell.
    """
    reach = 0
    for name in symbols:
        shelf = layout.shelf(root, DATASETS["features"], tf, name)
        said = notes.read(shelf, notes.FEATURES) or {}
        if "unnormalised_reach" not in said:
            how = f"run `{days.command(shelf)}`, or give --embargo"
            raise NotReady(f"{shelf}: {notes.FEATURES} does not tell how far features reach back; {how}")
        reach = max(reach, int(said["unnormalised_reach"]))
    return default_embargo(horizon, reach, tf.ms)


def build(root: Path, tf: Timeframe, symbols: Sequence[str], span: Span, plan: Plan, wait: float = 0.0) -> Folded:
    """Bring the snapshot up to the labels and weights of these symbols, within the span.

    Raises NotReady where weights are missing or not of today's labels, Usage, Busy, Tampered.
    """
    place, names = snapshots.folds(root, tf, plan.name), sorted(set(symbols))
    _chosen(plan)
    inputs = [line for name in names for line in _inputs(root, tf, name, span)]
    digest = fresh.inputs_digest((f"{kind} {name}", day, sha) for kind, name, day, sha in inputs)
    known = _known(place, digest, plan.code())
    if known is not None:
        return Folded(place, known, False)
    files, said = _folded(_rows(root, tf, names, inputs), inputs, plan)
    told = {"name": plan.name, "tf": tf.name, "symbols": names, "settings": asdict(plan)}
    told |= {"inputs": digest, "code": plan.code(), **said}
    snapshots.publish(place, files, told, wait)
    return Folded(place, told, True)


def _chosen(plan: Plan) -> None:
    plan.scheme.check()
    if plan.weight not in WEIGHTS:
        raise Usage(f"folds: weight = {plan.weight!r} weighs nothing; give one of {' '.join(WEIGHTS)}")
    if not -1 < plan.decay <= 1:
        raise Usage(f"folds: a decay to {plan.decay!r} is no factor; give one above -1 and at most 1")


def _inputs(root: Path, tf: Timeframe, name: str, span: Span) -> Iterator[Input]:
    """Which parts are read for this symbol? Those of every day that has weights, each made of today's labels."""
    weights, labels, bars = (layout.shelf(root, DATASETS[kind], tf, name) for kind in ("weights", "labels", "bars"))
    known, found, tape = days.committed(weights), days.committed(labels), days.committed(bars)
    wanted = span.of(list(known))
    if not wanted:
        raise NotReady(f"{weights} has no committed day there; run `{days.command(weights)}`")
    for day in wanted:
        met, walked = fresh.met(known[day].source), fresh.walked(known[day].source)
        sound = met and walked and known[day].inputs == fresh.weights_inputs(met, walked, found, tape)
        if day not in found or not sound:
            raise NotReady(f"{weights} {day} is not of today's labels; {days.how_to_make(weights, day, wanted[-1])}")
        yield "labels", name, day, found[day].sha256
        yield "weights", name, day, known[day].sha256


def _part(shelf: Shelf, day: date, sha256: str) -> Day:
    found = days.need(shelf, day)
    if found.entry.sha256 != sha256:
        raise NotReady(f"{shelf} {day} was rewritten meanwhile; run the same command again")
    return found


def _rows(root: Path, tf: Timeframe, names: Sequence[str], inputs: Sequence[Input]) -> Rows:
    """The labels of these parts, and their weights side by side."""
    tables: dict[str, pa.Table] = {}
    for kind, columns in (("labels", ["symbol", "ts", "t1", "label"]), ("weights", ["uniqueness", "w_return"])):
        wanted = [(layout.shelf(root, DATASETS[kind], tf, name), day, sha) for k, name, day, sha in inputs if k == kind]
        with ThreadPoolExecutor(frames.READERS) as pool:
            read = pool.map(lambda one: _part(*one), wanted)
            found = list(counted(read, len(wanted), f"days of {kind} read"))
        whole = frames.table(found, columns)
        assert whole is not None
        tables[kind] = whole
    labels, weights = tables["labels"], tables["weights"]
    if not labels.num_rows:
        raise NotReady("folds: there is no label in that range; choose a longer one")
    symbol = pc.index_in(labels.column("symbol"), pa.array(names)).to_numpy().astype(np.int64)
    ts, t1 = (labels.column(name).cast(pa.int64()).to_numpy() for name in ("ts", "t1"))
    unique, earned = (weights.column(name).to_numpy() for name in ("uniqueness", "w_return"))
    return Rows(tuple(names), symbol, ts, t1, labels.column("label").to_numpy(), unique, earned)


def _known(place: Shelf, inputs: str, code: str) -> dict[str, Any] | None:
    """What does the snapshot say, where it is whole, of these inputs and these rules?"""
    try:
        said = snapshots.meta(place)
        for name in said["files"]:
            snapshots.read(place, name, said)
    except PerplakeError:
        return None
    return said if (said.get("inputs"), said.get("code")) == (inputs, code) else None


def weight_of(rows: Rows, plan: Plan) -> Floats:
    """What does each row weigh, with mean 1? (n,) float64. Raises Refused where all of them weigh nothing."""
    base = {"return": rows.w_return, "uniqueness": rows.uniqueness, "equal": np.ones(rows.ts.size)}[plan.weight]
    weight = base * time_decay(rows.ts, rows.uniqueness, plan.decay)
    return scaled(weight * class_balance(rows.label, weight) if plan.balance else weight)


def _folded(rows: Rows, inputs: Sequence[Input], plan: Plan) -> tuple[dict[str, bytes], dict[str, Any]]:
    weight, block = weight_of(rows, plan), blocks_of(rows.ts, plan.scheme.blocks)
    names = pa.array(rows.symbols).take(pa.array(rows.symbol))
    told, splits = [], []
    cut = counted(plan.scheme.splits(rows.ts, rows.t1), len(plan.scheme.tests), "splits")
    for number, roles in enumerate(cut):
        told.append(_roles(number, roles, names, rows.ts))
        splits.append(_split(number, plan.scheme.tests[number], roles, rows, block, weight))
    by_row = _table(FOLD_ROWS, [names, pa.array(rows.ts), pa.array(block), pa.array(weight)])
    read = [pa.array([str(one[i]) for one in inputs]) for i in range(4)]
    files = {
        snapshots.ROLES: parts.encoded(pa.concat_tables(told)),
        snapshots.ROWS: parts.encoded(by_row),
        snapshots.INPUTS: parts.encoded(_table(FOLD_INPUTS, read)),
    }
    said = {"rows": int(rows.ts.size), "first": utc(int(rows.ts.min())), "last": utc(int(rows.ts.max()))}
    return files, {**said, "effective_size": effective_size(weight), "splits": splits}


def _roles(number: int, roles: Roles, names: pa.Array, ts: Ints) -> pa.Table:
    kept = np.flatnonzero(roles != OUT)
    role = pa.array(ROLES).take(pa.array(roles[kept]))
    return _table(FOLD_ROLES, [pa.array(np.full(kept.size, number)), names.take(kept), pa.array(ts[kept]), role])


def _split(
    number: int, tested: tuple[int, ...], roles: Roles, rows: Rows, block: Ints, weight: Floats
) -> dict[str, Any]:
    """What is to be said of one split? scale: what its training rows' weights are multiplied by for a mean of 1."""
    train = roles == TRAIN
    spans = []
    for first, last in runs_of(tested):
        inside = (block >= first) & (block <= last) & (roles == TEST)
        spans.append([utc(int(rows.ts[inside].min())), utc(int(rows.t1[inside].max()))])
    total = float(weight[train].sum())
    return {
        "split": number,
        "test_blocks": list(tested),
        "test_spans": spans,
        "train_span": [utc(int(rows.ts[train].min())), utc(int(rows.t1[train].max()))] if train.any() else None,
        "roles": {name: int((roles == code).sum()) for code, name in enumerate(ROLES)},
        "left_out": int((roles == OUT).sum()),
        "effective_size": effective_size(weight[train]),
        "scale": int(train.sum()) / total if total else None,
    }


def _table(columns: Sequence[Any], arrays: Sequence[pa.Array]) -> pa.Table:
    schema = parts.schema_of(columns)
    return pa.Table.from_arrays([a.cast(f.type) for a, f in zip(arrays, schema, strict=True)], schema=schema)
