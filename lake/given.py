"""A frame from anywhere, read as bars and judged: what is wrong with its form is a finding, not an exception."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lake import judge
from lake.checks import Check, Finding, Report
from lake.parts import TYPES
from meta.columns import BAR_COLUMNS, PRICES, TS
from meta.errors import Usage
from meta.timeframes import DAY, Timeframe, day_of, timeframe

CLOSES = ("ts", "close_ts")
OPENS = ("time", "timestamp", "open_time", "bar_open", "datetime", "date")
OTHER_NAMES = {"quote_asset_volume": "quote_volume", "number_of_trades": "trades", "num_trades": "trades"}
OTHER_NAMES |= {"taker_buy_base": "perp_taker_buy_base", "taker_buy_quote": "perp_taker_buy"}
OTHER_NAMES |= {"taker_base_volume": "perp_taker_buy_base", "taker_quote_volume": "perp_taker_buy"}
DIGITS = {10: 1_000_000, 13: 1_000, 16: 1, 19: 0.001}  # of an epoch stamp -> microseconds in its unit
ZONE = re.compile(r"(?:[+-]\d\d:?\d\d|Z)$")

MISSING = Check("missing_columns", "columns of prices and of time that are not there, or are no numbers", "== 0")
STAMPS = Check("unreadable_stamps", "rows whose stamp is no instant", "== 0")
UNITS = Check("stamp_units", "units the stamps come in: seconds, milliseconds, microseconds", "<= 1")
ZONED = Check("time_zone", "rows whose stamp is not said to be UTC", should="== 0")


@dataclass(frozen=True)
class Stamps:
    """The close of each row (UTC ms, null where unreadable), and what is wrong with how they were told."""

    ts: pa.Array
    findings: list[Finding]


def check(frame: Any, tf: str, symbol: str | None = None, *, stamps: str | None = None) -> Report:
    """What is wrong with these bars? Every check that P1's own days are held to, on any frame of one symbol.

    frame : polars, pandas, Arrow, a DuckDB relation, or name -> array; columns as in the data dictionary, in any case,
    and a few names other systems use. The time is `ts`, a bar's close; else time, timestamp, open_time, …, its open.
    stamps : "close" or "open", where that is not so. symbol : which one, where a column tells several.
    Returns a Report: `verdict`, `red`, `findings`, `lines()`, `data()`. Raises Usage for what is no frame.
    """
    if stamps not in (None, "open", "close"):
        raise Usage(f"check: stamps={stamps!r} is neither 'open' nor 'close'; give one of them, or leave it out")
    named, table = timeframe(tf), _renamed(_arrow(frame))
    if symbol is not None and "symbol" in table.column_names:
        table = table.filter(pc.equal(table.column("symbol"), symbol))
    name = symbol or _only_symbol(table)
    time = next((one for one in (*CLOSES, *OPENS) if one in table.column_names), None)
    facts: dict[str, object] = {"tf": named.name, "bars": table.num_rows, "time": time}
    report = Report(name, f"{name} {named}: {table.num_rows:,} rows", facts)
    missing = [one for one in PRICES if one not in table.column_names or not _numeric(table.column(one))]
    missing += [] if time else ["time"]
    report.findings = [judge.EMPTY.found(table.num_rows), MISSING.found(len(missing), ", ".join(missing))]
    if time and not missing and table.num_rows:
        opens = (stamps or ("close" if time in CLOSES else "open")) == "open"
        _judge(report, table, _stamps(table.column(time), named, opens), named)
    return report


def _judge(report: Report, table: pa.Table, stamps: Stamps, tf: Timeframe) -> None:
    """Add what all checks find in a table that has rows, prices and stamps."""
    bars = judge.of_schema(_bars(table, stamps.ts, report.symbol))
    report.facts["ignored"] = [one for one in table.column_names if one not in (*bars.column_names, *OPENS, *CLOSES)]
    report.findings += [*stamps.findings, *_keys(bars, tf, report.symbol), judge.nan(bars)]
    sound = bars.filter(bars.column("ts").is_valid())
    if sound.num_rows:
        report.facts |= _span(sound, tf)
        report.findings += [_gaps(sound, tf), *judge.bars(sound, tf)]


def _arrow(frame: Any) -> pa.Table:
    """The frame as Arrow. Raises Usage."""
    if hasattr(frame, "collect") and hasattr(frame, "lazy"):  # polars' LazyFrame
        frame = frame.collect()
    if isinstance(frame, pa.Table):
        return frame
    if isinstance(frame, pa.RecordBatch):
        return pa.Table.from_batches([frame])
    if isinstance(frame, dict):
        return _from_columns(frame)
    for turn in ("to_arrow_table", "to_arrow"):
        if hasattr(frame, turn):
            found = getattr(frame, turn)()
            return found if isinstance(found, pa.Table) else found.read_all()
    if type(frame).__module__.startswith("pandas") and hasattr(frame, "columns"):
        return _from_pandas(frame)
    raise Usage(f"check: {type(frame).__name__} is no frame; give polars, pandas, Arrow, or name -> array")


def _from_pandas(frame: Any) -> pa.Table:
    """pandas, with a time that is its index made a column. Raises Usage where two columns have one name."""
    name = frame.index.name or "time"
    if type(frame.index).__name__ == "DatetimeIndex" and name not in frame.columns:
        frame = frame.rename_axis(name).reset_index()
    names = [str(one) for one in frame.columns]
    if twice := next((one for one in names if names.count(one) > 1), None):
        raise Usage(f"check: two columns are called {twice}; leave one out")
    return _from_columns({name: frame.iloc[:, at] for at, name in enumerate(names)})


def _from_columns(columns: dict[Any, Any]) -> pa.Table:
    """Columns by name; one that mixes numbers with what is none is text. Raises Usage where they are no table."""
    try:
        return pa.table({str(name): _column(values) for name, values in columns.items()})
    except (pa.ArrowException, ValueError, TypeError) as error:
        raise Usage(f"check: these columns are no table: {error}; give them one length and one dimension") from None


def _column(values: Any) -> pa.Array | pa.ChunkedArray:
    if isinstance(values, pa.Array | pa.ChunkedArray):
        return values
    try:
        return pa.array(values, from_pandas=type(values).__module__.startswith("pandas"))
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        return pa.array([None if one is None else str(one) for one in values], pa.string())


def _renamed(table: pa.Table) -> pa.Table:
    """The same columns under the names of the data dictionary. Raises Usage where two would be one."""
    plain = [re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_") for name in table.column_names]
    names = [OTHER_NAMES.get(name, name) for name in plain]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise Usage(f"check: two columns mean {twice}; leave one out")
    return table.rename_columns(names)


def _only_symbol(table: pa.Table) -> str:
    if "symbol" not in table.column_names:
        return "frame"
    found = [str(one) for one in pc.unique(table.column("symbol")).to_pylist()]
    if len(found) > 1:
        raise Usage(f"check: the frame holds {len(found)} symbols, {found[0]} among them; give one as symbol=")
    return found[0] if found else "frame"


def _numeric(column: pa.ChunkedArray) -> bool:
    kind = column.type
    return (
        pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_decimal(kind) or pa.types.is_null(kind)
    )


def _bars(table: pa.Table, ts: pa.Array, symbol: str) -> pa.Table:
    """The rows as P1 has them; columns that are not what they are called are left out."""
    arrays = {"symbol": pa.array([symbol] * table.num_rows, pa.string()), "ts": ts}
    for name in table.column_names:
        wanted, column = BAR_COLUMNS.get(name), table.column(name)
        if wanted is None or name in arrays:
            continue
        if wanted.type == TS and pa.types.is_timestamp(column.type):
            arrays[name] = column.cast(pa.timestamp("us", column.type.tz)).cast(TYPES[TS], safe=False)
        elif wanted.type != TS and _numeric(column):
            number = column.cast(pa.float64(), safe=False)
            known = pc.if_else(pc.is_finite(number), number, None)
            arrays[name] = pc.round(known).cast(pa.int64()) if wanted.type == "int64" else number
    return pa.table(arrays)


def _stamps(column: pa.ChunkedArray, tf: Timeframe, opens: bool) -> Stamps:
    """When does each row's bar close? Numbers are epochs, of as many digits as their unit has; no zone means UTC."""
    kind, units = column.type, 1
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        micros, zoned = _texts(column)
    elif _numeric(column):
        micros, zoned, units = _epochs(column.cast(pa.float64(), safe=False).to_numpy())
    elif pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        tz = getattr(kind, "tz", None)
        instants = column.cast(pa.timestamp("us", tz), safe=False).cast(pa.int64())
        micros = instants.to_numpy(zero_copy_only=False).astype(np.float64)
        zoned = np.full(len(micros), tz in ("UTC", "Etc/UTC", "+00:00") or pa.types.is_date(kind))
    else:
        raise Usage(f"check: a column of {kind} tells no time; give timestamps, ISO 8601 or epochs")
    known = np.isfinite(micros)
    ms = np.where(known, micros, 0) // 1000 + (tf.ms if opens else 0)
    ts = pa.array(ms.astype(np.int64), mask=~known).cast(TYPES[TS])
    foreign = int((known & ~zoned).sum())
    note = "a stamp without a zone is taken for UTC, one of another zone is turned" if foreign else ""
    return Stamps(ts, [STAMPS.found(int((~known).sum())), UNITS.found(units), ZONED.found(foreign, note)])


def _epochs(x: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
    """Epochs of any unit in microseconds, all of them UTC, and how many units there are."""
    digits = np.floor(np.log10(np.where(x > 0, x, 1))) + 1
    scale = np.full(len(x), np.nan)
    for many, factor in DIGITS.items():
        scale[digits == many] = factor
    return x * scale, np.ones(len(x), bool), len(np.unique(scale[np.isfinite(scale)]))


def _texts(column: pa.ChunkedArray) -> tuple[np.ndarray, np.ndarray]:
    """ISO 8601 in microseconds (NaN: unreadable), and which of them say UTC."""
    said = [str(one or "") for one in column.to_pylist()]
    return np.array([_micros(one) for one in said], float), np.array([_says_utc(one) for one in said], bool)


def _micros(text: str) -> float:
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        return np.nan
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1e6


def _says_utc(text: str) -> bool:
    zone = ZONE.search(text.strip())
    return zone is not None and zone[0] in ("Z", "+00:00", "+0000", "-00:00")


def _keys(bars: pa.Table, tf: Timeframe, symbol: str) -> list[Finding]:
    opened = pc.subtract(bars.column("ts").cast(pa.int64()), tf.ms)
    days = pc.floor(pc.divide(opened.cast(pa.float64(), safe=False), float(DAY))).cast(pa.int32()).cast(pa.date32())
    return judge.keys_of(bars.select(["symbol", "ts"]).append_column("day", days), tf, symbol)


def _at(bars: pa.Table, tf: Timeframe) -> np.ndarray:
    """On which bar, counted from the earliest, does each row lie? Ascending; a stamp a little off its bar is its."""
    ts = np.sort(bars.column("ts").cast(pa.int64()).to_numpy())
    return np.rint((ts - ts[0]) / tf.ms).astype(np.int64)


def _span(bars: pa.Table, tf: Timeframe) -> dict[str, object]:
    ts = bars.column("ts").cast(pa.int64()).to_numpy()
    first, last = day_of(int(ts.min()) - tf.ms), day_of(int(ts.max()) - tf.ms)
    return {"start": str(first), "end": str(last), "expected_bars": int(_at(bars, tf)[-1]) + 1}


def _gaps(bars: pa.Table, tf: Timeframe) -> Finding:
    at = _at(bars, tf)
    first = int(bars.column("ts").cast(pa.int64()).to_numpy().min()) // tf.ms
    return judge.gaps(at + first, first, int(at[-1]) + 1, tf)
