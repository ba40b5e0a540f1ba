"""An archive file is a CSV of bars, settlements or metrics, with its own header habit and clock."""

from __future__ import annotations

import re
from collections import Counter

import numpy as np
import pyarrow as pa
from pyarrow import csv

from meta.errors import BadPayload
from p1_ingest.sources.base import Answer, Request
from p1_ingest.sources.binance_archive import file_of
from p1_ingest.sources.binance_rows import AS_PUBLISHED, answer_of, bar_answer, milliseconds, needed

HEADS = ("open_time", "calc_time", "create_time", "timestamp", "agg_trade_id")
NUMBER = re.compile(rb'"?-?\d+(\.\d+)?"?')
KLINES = (
    "open_time", "open", "high", "low", "close", "volume", "close_time", "quote_volume", "count",
    "taker_buy_volume", "taker_buy_quote_volume", "ignore",
)  # fmt: skip
FUNDING = ("calc_time", "funding_interval_hours", "last_funding_rate")
METRICS = {
    "create_time": "", "symbol": "",
    "sum_open_interest": "oi_base",
    "sum_open_interest_value": "oi_now",
    "count_toptrader_long_short_ratio": "ls_top_account",
    "sum_toptrader_long_short_ratio": "ls_top_position",
    "count_long_short_ratio": "ls_global",
    "sum_taker_long_short_vol_ratio": "ls_taker",
}  # fmt: skip


def bars(text: bytes, request: Request) -> Answer:
    """What do these klines (perp, spot, mark, index or premium) say? `at` is the bar's close.

    Raises BadPayload: text stamps, another bar length, no row of the asked span, anything that is no number.
    """
    where, wanted = file_of(request.path), ("open_time", "close_time", *needed(request.series))
    raw, counts = _columns(text, KLINES, {"open_time": pa.int64()}, wanted, where)
    return bar_answer(request, where, raw, counts)


def settlements(text: bytes, request: Request) -> Answer:
    """What do these funding settlements say? `at` is calc_time as published, jitter and all."""
    where = file_of(request.path)
    raw, counts = _columns(text, FUNDING, {"calc_time": pa.int64()}, FUNDING, where)
    at = milliseconds(raw["calc_time"].astype(np.int64))
    values = {"funding_now": raw["last_funding_rate"], "funding_interval_hours": raw["funding_interval_hours"]}
    return answer_of(request, where, at, values, counts, (request.start, request.end), solid=("funding_now",))


def metrics(text: bytes, request: Request) -> Answer:
    """What do these metrics say? `at` is the label as published; `binance_labels` settles the instant it means.

    Raises BadPayload: labels with an offset, another symbol, no label of the asked day.
    """
    where = file_of(request.path)
    types = {"create_time": pa.timestamp("ms"), "symbol": pa.dictionary(pa.int32(), pa.string())}
    raw, counts = _columns(text, tuple(METRICS), types, tuple(METRICS), where)
    strangers = {str(name) for name in raw["symbol"]} - {request.symbol}
    if strangers:
        raise BadPayload(f"{where} speaks of {min(strangers)[:40]!r}, not {request.symbol}; fetch it again")
    at = raw["create_time"].astype("datetime64[ms]").astype(np.int64)
    values = {ours: raw[theirs] for theirs, ours in METRICS.items() if ours}
    # Files up to 2026-06-24 label their last row 24:00, so the span is closed on the right here.
    return answer_of(request, where, at, values, counts, (request.start, request.end + 1), AS_PUBLISHED)


def _columns(
    text: bytes, names: tuple[str, ...], types: dict[str, pa.DataType], wanted: tuple[str, ...], where: str
) -> tuple[dict[str, np.ndarray], Counter[str]]:
    """The wanted columns of the rows that have a stamp; blanks, quoted or not, become NaN."""
    rows = text[text.find(b"\n") + 1 or len(text) :] if _has_header(text, names, where) else text
    if not rows.strip():
        return {name: np.zeros(0) for name in wanted}, Counter()
    try:
        table = csv.read_csv(
            pa.BufferReader(rows),
            csv.ReadOptions(use_threads=False, column_names=names),
            None,
            csv.ConvertOptions(
                column_types={name: pa.float64() for name in names} | types,
                include_columns=wanted,
                null_values=[""],
                strings_can_be_null=True,
                quoted_strings_can_be_null=True,
            ),
        )
    except (pa.ArrowException, ValueError) as error:
        raise BadPayload(f"{where}: {_reason(str(error), names)}; the file is not read") from None
    stamped = table.column(0).is_valid()
    counts: Counter[str] = Counter(no_stamp=table.column(0).null_count)
    if counts["no_stamp"]:
        table = table.filter(stamped)
    return {name: _finite(table.column(name).to_numpy()) for name in wanted}, counts


def _finite(column: np.ndarray) -> np.ndarray:
    """The same column, where what overflows or calls itself infinite says nothing, as in JSON."""
    if column.dtype != np.float64 or np.isfinite(column).all():
        return column
    return np.where(np.isfinite(column), column, np.nan)


def _has_header(text: bytes, names: tuple[str, ...], where: str) -> bool:
    """Whether the first row names the columns; a row that neither does nor starts with a number is refused."""
    line = text[:4096].split(b"\n", 1)[0].rstrip(b"\r")
    fields = line.split(b",")
    if not line:
        raise BadPayload(f"{where} is empty; fetch it again")
    if len(fields) != len(names):
        raise BadPayload(f"{where} has {len(fields)} columns, not {len(names)}; the file is not read")
    if NUMBER.fullmatch(fields[0]):
        return False
    found = [field.decode("utf-8", "replace").strip('"') for field in fields]
    if found[0] not in HEADS:
        raise BadPayload(
            f"{where} starts with {found[0][:40]!r}, neither {names[0]} nor a number; the file is not read"
        )
    moved = [name for i, name in enumerate(found) if name in names and names[i] != name]
    if moved:
        raise BadPayload(f"{where} has {moved[0]} in another place than documented; the file is not read")
    return True


def _reason(error: str, names: tuple[str, ...]) -> str:
    """What Arrow complains of, with the column's name and the value; text stamps by what they are."""
    column, value = re.search(r"column #(\d+)", error), re.search(r"'(.*)'$", error, re.S)
    if not column or not value:
        return " ".join(error.split())[:160]
    name, shown = names[int(column[1])], ascii(value[1][:40])
    if re.search(r"[+-]\d\d:?\d\d$|Z$", value[1]):
        return f"{name} {shown} is text with a UTC offset, where the archive has none; its bars would be moved"
    return f"{name} {shown} is not a {'stamp of the archive' if column[1] == '0' else 'number'}"
