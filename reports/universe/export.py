"""A universe's days are written as arrays of symbols by bars, one file a day and feature, beside a report."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from lake import disk, folders, fresh, layout, parts, roots, settings, tables, universes
from lake.progress import Pace
from meta.datasets import DATASETS
from meta.errors import NotReady, Usage
from meta.timeframes import Timeframe, day_start, timeframe
from meta.universe import Snapshot, Universe
from reports.universe import bars
from reports.universe.bars import Bars
from reports.universe.features import STRICT, Choice
from reports.universe.reliability import judged
from reports.universe.report import Report

FORMS = ("npy", "parquet", "both")
REPORT, ROWS = "report.json", "univ_dct2.json"
CELLS = 1 << 25  # numbers held at a time, 256 MB


def export_universe_data(
    universe_file: str | Path,
    db_path: str | Path | None = None,
    export_base_path: str | Path = "exports",
    source_freq: str | Timeframe = "5m",
    export_freq: str | Timeframe | None = None,
    include_klines: bool = True,
    include_metrics: bool = True,
    metrics_reliability: str = STRICT,
    start_date: universes.When = None,
    end_date: universes.When = None,
    *,
    lake: str | Path | None = None,
    as_of: str | None = None,
    form: str = "both",
    progress: Callable[[str], None] = lambda line: None,
) -> dict[str, Any]:
    """Write a universe's active symbol-days as arrays and tables; returns the report, with `report_path`.

    source_freq : of the bars in the lake. export_freq : of the arrays, else the same. form : npy, parquet or both.
    as_of : an instant (UTC), or first-seen: the bars as they were known then.
    db_path : there is none, bars are read from a lake. progress : called with a line now and then.
    Raises Usage, NotReady where the lake holds none of the bars, Refused where the folder is somebody else's.
    """
    if db_path is not None:
        raise Usage("db_path: there is no database, bars are read from a lake; give lake=ROOT, or nothing")
    if form not in FORMS:
        raise Usage(f"{form!r} is no form of an export; give one of {' '.join(FORMS)}")
    source, longer = timeframe(str(source_freq)), timeframe(str(export_freq or source_freq))
    choice = Choice(source, longer, include_klines, include_metrics, metrics_reliability)
    path = Path(universe_file)
    universe, given = universes.read(path), universes.bounds(start_date, end_date)
    days = universes.within(universe, *given)
    report = Report(universe, days, given, choice)
    name = f"univ_{days[0].date}_{days[-1].date}_{len(universe.requested_symbols)}"
    with tables.still(roots.root(lake, "binance"), as_of, universe.requested_symbols) as root:
        target = Path(export_base_path).absolute() / choice.folder / (f"{name}_as-of-{root.name}" if as_of else name)
        _holds_any(root, universe, source, path)
        with folders.whole(target, REPORT) as place:
            made_of = {"universe": universes.sha256(path), "parts": _Export(root, place, report, form, progress).run()}
            made_of |= {"as_of": as_of} if as_of else {}
            told = report.data(settings.made_at(), made_of)
            disk.create(place / REPORT, json.dumps(told, indent=1, ensure_ascii=False).encode() + b"\n")
    return {**told, "report_path": str(target / REPORT)}


def _holds_any(root: Path, universe: Universe, tf: Timeframe, path: Path) -> None:
    shelves = [layout.shelf(root, DATASETS["bars"], tf, name) for name in universe.requested_symbols]
    if not any(shelf.days_on_disk() for shelf in shelves):
        how = f"python -m p1_ingest universe download --universe-file {settings.shown(path)} --interval {tf}"
        raise NotReady(f"lake {settings.shown(root)} holds no {tf} bars of these symbols; run `{how}`")


class _Export:
    """The work on one folder: a few days of all symbols at a time."""

    def __init__(self, root: Path, place: Path, report: Report, form: str, progress: Callable[[str], None]) -> None:
        self.root, self.place, self.report, self.choice = root, place, report, report.choice
        self._form, self._progress = form, progress
        self._rows: dict[str, list[str]] = {}
        self._parts: dict[tuple[str, date], str] = {}

    def run(self) -> str:
        """Write all but the report; returns the digest of every part that was read."""
        done, pace = 0, Pace(len(self.report.days), "days")
        for chunk in self._chunks():
            found = self._read(chunk)
            for snapshot in chunk:
                self._day(snapshot, found)
            done += len(chunk)
            self._progress(f"{chunk[0].date} … {chunk[-1].date}: {pace.at(done)}")
        disk.create(self.place / ROWS, json.dumps(self._rows, indent=1).encode() + b"\n")
        read = sorted(self._parts.items())
        return fresh.inputs_digest((f"bars {self.choice.source} {name}", day, sha) for (name, day), sha in read)

    def _chunks(self) -> Iterator[Sequence[Snapshot]]:
        """As many days as fit into memory at a time, a month at most."""
        cells = self.choice.export.per_day * (len(self.choice.features) + len(self.choice.kinds))
        size = min(31, max(1, CELLS // (cells * len(self.report.universe.requested_symbols))))
        for i in range(0, len(self.report.days), size):
            yield self.report.days[i : i + size]

    def _read(self, chunk: Sequence[Snapshot]) -> dict[str, bars.Read]:
        """Each symbol's active days."""
        found = {}
        for name in self.report.universe.requested_symbols:
            active = [date.fromisoformat(day.date) for day in chunk if name in day.active_symbols]
            if active:
                shelf = layout.shelf(self.root, DATASETS["bars"], self.choice.source, name)
                found[name] = bars.read(shelf, active, self.choice)
                self._parts |= {(name, day): sha for day, sha in found[name].parts.items()}
        return found

    def _day(self, snapshot: Snapshot, found: Mapping[str, bars.Read]) -> None:
        day = date.fromisoformat(snapshot.date)
        held = {name: found[name].days[day] for name in snapshot.active_symbols if day in found[name].days}
        broken = {n: found[n].damaged[day] for n in snapshot.active_symbols if day in found[n].damaged}
        verdict = judged(snapshot.date, held, self.choice)
        self.report.take(snapshot, verdict, broken)
        if verdict.kept:
            self._rows[f"{day:%Y%m%d}"] = list(verdict.kept)
            if self._form != "parquet":
                self._arrays(day, verdict.kept)
            if self._form != "npy":
                self._put("parquet", day, "parquet", parts.encoded(self._table(day, verdict.kept)))

    def _arrays(self, day: date, kept: Mapping[str, Bars]) -> None:
        for feature in self.choice.features:
            self._put(feature, day, "npy", _npy(np.stack([one.values[feature] for one in kept.values()])))
        planes = [np.stack([one.planes[kind] for one in kept.values()]) for kind in self.choice.kinds]
        self._put("timestamp", day, "npy", _npy(np.stack(planes)))

    def _table(self, day: date, kept: Mapping[str, Bars]) -> pa.Table:
        """A row for each bar there is."""
        present = np.concatenate([one.present for one in kept.values()])
        names = np.repeat(list(kept), [int(one.present.sum()) for one in kept.values()])
        tf, utc = self.choice.export, pa.timestamp("ms", "UTC")
        close = np.tile(day_start(day) + tf.ms * np.arange(1, tf.per_day + 1), len(kept))[present]
        columns = {"symbol": pa.array(names, pa.string()), "ts": pa.array(close).cast(utc)}
        columns["bar_open"] = pa.array(close - tf.ms).cast(utc)
        for feature in self.choice.features:
            values = np.concatenate([one.values[feature] for one in kept.values()])[present]
            columns[feature] = pa.array(values, pa.float64(), mask=np.isnan(values))
        for kind in self.choice.kinds[2:]:
            stamps = np.concatenate([one.planes[kind] for one in kept.values()])[present]
            columns[f"{kind}_ts"] = pa.array(stamps, pa.int64(), mask=stamps == 0).cast(utc)
        return pa.table(columns)

    def _put(self, folder: str, day: date, ending: str, data: bytes) -> None:
        place = self.place / folder
        if not place.is_dir():
            disk.make_folder(place)
        disk.create(place / f"{day:%Y%m%d}.{ending}", data)


def _npy(array: np.ndarray) -> bytes:
    out = io.BytesIO()
    np.save(out, array, allow_pickle=False)
    return out.getvalue()
