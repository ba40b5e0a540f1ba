"""The page beside an export says what its files are, column by column, and which days they were made of."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from lake import manifest, notes, roots
from lake.layout import Shelf
from lake.manifest import Entry
from meta.columns import BAR_COLUMNS, FOLD_ROWS, LABELS, WEIGHTS, Column
from meta.datasets import DATASETS
from meta.markets import Market
from meta.timeframes import day_of, days_between, utc
from reports.exports.between import Between
from reports.exports.columns import TIME, UNASKED, Taken
from reports.exports.held import newest_first
from reports.exports.rows import Piece

KNOWN = {one.name: one for one in (*FOLD_ROWS, *WEIGHTS, *LABELS, *BAR_COLUMNS.values(), TIME.column)}


@dataclass(frozen=True)
class Export:
    """What to write: rows of one symbol. `interval` is in the names where the data has one; `taken` of bars alone."""

    kind: str
    market: Market
    shelf: Shelf
    between: Between
    pieces: Iterator[Piece]
    interval: str | None
    taken: Sequence[Taken] = ()

    def __str__(self) -> str:
        return " ".join(word for word in (self.kind, self.market.symbol, self.interval) if word)


@dataclass
class Tally:
    """What went by: rows, their first and last open, nulls by column, and every day that was read."""

    rows: int = 0
    first: datetime | None = None
    last: datetime | None = None
    schema: pa.Schema | None = None
    nulls: Counter[str] = field(default_factory=Counter)
    read: dict[tuple[Shelf, date], Entry] = field(default_factory=dict)
    days: defaultdict[str, set[date]] = field(default_factory=lambda: defaultdict(set))  # dataset -> those read

    def add(self, piece: Piece) -> None:
        """Count one piece."""
        rows = piece.rows
        for shelf, day, entry in piece.read:
            self.read[shelf, day] = entry
            self.days[shelf.dataset.name].add(day)
        self.rows += rows.num_rows
        self.nulls.update({name: rows.column(name).null_count for name in rows.column_names})
        if rows.num_rows:
            ends = pc.min_max(rows.column("time")).as_py()
            self.first, self.last = self.first or ends["min"], ends["max"]


def page(export: Export, tally: Tally, paths: dict[str, Path], command: str, moment: datetime) -> dict[str, Any]:
    """What is an export, from its files to the manifests of the days that were read?"""
    market, cells = export.market, sorted({entry.source for entry in tally.read.values()})
    made_up = _synthetic(export.shelf)
    assert tally.first is not None and tally.last is not None
    return {
        "data_type": export.kind,
        "symbol": market.symbol,
        "exchange": market.exchange,
        "coin": market.coin,
        "quote": market.quote,
        "trading_pair": f"{market.coin}/{market.quote}",
        "market_type": market.type,
        **({"interval": export.interval} if export.interval else {}),
        **({"synthetic": "SYNTHETIC data: made up, good for trying things out only"} if made_up else {}),
        "time_range": {"start": _iso(tally.first), "end": _iso(tally.last)},
        "row_count": tally.rows,
        "null_strategy": "preserve",
        "columns": _columns(export, tally),
        "files": {path.name: _file(path, form) for form, path in paths.items()},
        "export_timestamp": _iso(moment),
        "command": command,
        "source": cells,
        "missing_days": _missing(export, tally),
        "made_of": str(export.shelf),
        "manifests": _manifests(tally),
    }


def _iso(moment: datetime) -> str:
    return utc(round(moment.astimezone(UTC).timestamp() * 1000))


def _synthetic(shelf: Shelf) -> bool:
    return any(
        roots.source_name(entry.source) == roots.SIM for _, entry in newest_first(shelf.sibling(DATASETS["bars"]))
    )


def _file(path: Path, form: str) -> dict[str, object]:
    with path.open("rb") as file:
        return {
            "format": form,
            "bytes": path.stat().st_size,
            "sha256": hashlib.file_digest(file, "sha256").hexdigest(),
        }


def _columns(export: Export, tally: Tally) -> list[dict[str, object]]:
    """Each column's name, type, unit and meaning, how often it is null, and why where it is null throughout."""
    described = {one.name: one.column for one in export.taken} or _of_days(export.shelf)
    why = _empty(export, tally)
    assert tally.schema is not None
    found = []
    for at in tally.schema:
        one = described.get(at.name, Column(at.name, str(at.type), "", ""))
        unit = {"quote": export.market.quote, "base": export.market.coin}.get(one.unit, one.unit)
        told = {"name": at.name, "type": str(at.type), "unit": unit, "meaning": one.meaning}
        found.append({**told, "nulls": tally.nulls[at.name]} | ({"why_null": why[at.name]} if at.name in why else {}))
    return found


def _of_days(shelf: Shelf) -> dict[str, Column]:
    """What features, labels, weights and folds say of their columns."""
    said = (notes.read(shelf.sibling(DATASETS["features"]), notes.FEATURES) or {}).get("features", {})
    features = {name: Column(name, "", about.get("unit", ""), about.get("formula", "")) for name, about in said.items()}
    matured = Column("mature_at", "", "UTC", "when the label became knowable: t1")
    return {**KNOWN, **features, matured.name: matured}


def _empty(export: Export, tally: Tally) -> dict[str, str]:
    """Which columns are null throughout, and why, by what the source says it offers?"""
    offered = (notes.read(export.shelf.sibling(DATASETS["bars"]), notes.OFFERED) or {}).get("columns", {})
    found = {}
    for one in export.taken:
        if tally.nulls[one.name] == tally.rows:
            reasons = [said for name in one.of if isinstance(said := offered.get(name), str)]
            found[one.name] = (reasons or ["missing there" if one.of else UNASKED])[0]
    return found


def _missing(export: Export, tally: Tally) -> list[list[str]]:
    """First and last day of each stretch within the rows that is not committed."""
    dataset = export.shelf.dataset.name
    known = tally.days[dataset]
    assert tally.first is not None and tally.last is not None
    days = [day_of(round(at.timestamp() * 1000)) for at in (tally.first, tally.last)]
    spans: list[list[str]] = []
    for day in (day for day in days_between(*days) if day not in known):
        if spans and spans[-1][1] == str(day - timedelta(days=1)):
            spans[-1][1] = str(day)
        else:
            spans.append([str(day), str(day)])
    return spans


def _manifests(tally: Tally) -> dict[str, dict[str, str]]:
    """The sha256 of every MANIFEST.tsv read, by shelf and day: `sha256sum` of the file says the same."""
    found: dict[str, dict[str, str]] = {}
    for (shelf, day), entry in sorted(tally.read.items(), key=lambda item: (str(item[0][0].folder), item[0][1])):
        name = f"{shelf.dataset.folder}/{shelf.tf}/{shelf.symbol}"
        found.setdefault(name, {})[str(day)] = manifest.digest(manifest.written([entry]))
    return found
