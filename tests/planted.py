"""Faults as they get into data, each beside the check that has to see it: the checks' own proof."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache

import numpy as np
import pyarrow as pa

from lake import given, judge, log, offenders
from lake.checks import Finding
from lake.parts import schema_of
from meta.columns import LABELS
from meta.timeframes import HOUR, timeframe
from tests import plausible
from tests.faults import Change, cells, rows, without
from tests.lakes import DAY

DAYS, TF = 30, "1h"
PER_DAY = timeframe(TF).per_day
MIDDLE = slice(10 * PER_DAY, 20 * PER_DAY)  # ten days
HALF = slice(15 * PER_DAY, None)
A_DAY = slice(10 * PER_DAY, 11 * PER_DAY)
FOURTH = slice(3, 4)


@dataclass(frozen=True)
class Fault:
    """What went wrong, in which dataset, how it is planted, and the check (its file's name) that catches it."""

    what: str
    check: str
    plant: Change
    dataset: str = "bars"
    tf: str = TF


def altered(name: str, by: Callable[[np.ndarray], np.ndarray], at: slice = slice(None)) -> Change:
    """Change a column's values over some of its rows."""

    def change(table: pa.Table) -> pa.Table:
        kind = table.schema.field(name).type
        column = table.column(name)
        column = column.cast(pa.int64()) if pa.types.is_timestamp(kind) else column
        values = column.to_numpy().copy()
        values[at] = by(values[at])
        return table.set_column(table.column_names.index(name), name, pa.array(values).cast(kind))

    return change


def several(*changes: Change) -> Change:
    """One change after the other."""

    def change(table: pa.Table) -> pa.Table:
        for one in changes:
            table = one(table)
        return table

    return change


def scaled(name: str, factor: float, at: slice = slice(None)) -> Change:
    """Say a column in another unit."""
    return altered(name, lambda x: (x * factor).astype(x.dtype), at)


def late(name: str, bars: int = 1, at: slice = slice(None)) -> Change:
    """Tell a column so many bars late; early where negative."""
    return altered(name, lambda x: np.roll(x, bars), at)


def constant(name: str, value: float, at: slice = slice(None)) -> Change:
    """Say one and the same."""
    return altered(name, lambda x: np.full_like(x, value), at)


def base_for_quote(table: pa.Table) -> pa.Table:
    """Put the base volume where the turnover belongs."""
    place = table.column_names.index("quote_volume")
    return table.set_column(place, "quote_volume", table.column("volume"))


def filled(table: pa.Table) -> pa.Table:
    """Fill a morning with the last price, and no volume."""
    last = table.column("close")[99].as_py()
    hole = slice(100, 108)
    prices = [constant(name, last, hole) for name in ("open", "high", "low", "close")]
    flows = ("volume", "quote_volume", "trades", "perp_taker_buy", "perp_taker_sell", "perp_taker_buy_base")
    return several(*prices, *(constant(name, 0, hole) for name in flows))(table)


def copied_day(*names: str) -> Change:
    """Say the tenth day what the third one said."""

    def change(table: pa.Table) -> pa.Table:
        for name in names:
            values = table.column(name).to_numpy().copy()
            values[10 * PER_DAY : 11 * PER_DAY] = values[3 * PER_DAY : 4 * PER_DAY]
            table = altered(name, lambda _, new=values: new)(table)
        return table

    return change


def held(name: str, at: slice) -> Change:
    """Repeat the first of these values."""
    return altered(name, lambda x: np.full_like(x, x[0]), at)


def rewritten(table: pa.Table) -> pa.Table:
    """Rewrite a day four times, weeks after it was over."""
    old = {"time": "2025-06-20T00:00:00.000000Z", "day": str(DAY)}
    new = [{**old, "old": str(i) * 64, "new": str(i + 1) * 64} for i in range(4)]
    return pa.concat_tables([table, pa.Table.from_pylist(new, table.schema)])


def _at(day: date, hour: int, minute: int) -> datetime:
    return datetime(day.year, day.month, day.day, hour, minute, tzinfo=UTC)


FAULTS = [
    Fault("the rows of a page told twice", "keys_duplicates", rows(*range(100), *range(90, 720))),
    Fault("two pages in the wrong order", "keys_not_ascending", rows(*range(50, 100), *range(50), *range(100, 720))),
    Fault("a stamp between two bars", "keys_off_grid", cells("ts", _at(DAY, 3, 7), 2)),
    Fault("high and low swapped", "bars_high_below_low", cells("high", 1.0, 5)),
    Fault("a price of zero", "bars_non_positive_price", cells("low", 0.0, 7)),
    Fault("a negative price", "bars_non_positive_price", cells("close", -60_000.0, 7)),
    Fault("taker sales told as negative amounts", "bars_negative_flows", scaled("perp_taker_sell", -1)),
    Fault("an hour dropped", "bars_long_gaps", without(*range(500, 504)), tf="15m"),
    Fault("a day dropped", "bars_long_gaps", without(*range(480, 504))),
    Fault("a morning filled with the last price", "bars_filled_bars", filled),
    Fault("open interest zeroed for ten days", "bars_zeros_for_missing", constant("oi_now", 0, MIDDLE)),
    Fault("takers zeroed where they were missing", "bars_zeros_for_missing",
          several(constant("perp_taker_buy", 0, slice(40, 44)), constant("perp_taker_sell", 0, slice(40, 44)))),
    Fault("trade counts zeroed for a day", "bars_zeros_for_missing", constant("trades", 0, slice(24, 48))),
    Fault("liquidations zeroed for ten days", "bars_zero_runs", constant("liq_long", 0, MIDDLE)),
    Fault("spot takers zeroed for ten days", "bars_zero_runs", constant("spot_taker_buy", 0, MIDDLE)),
    Fault("a constant column", "bars_dead_columns", constant("ls_global", 1.0)),
    Fault("liquidations zero throughout", "bars_dead_columns", constant("liq_short", 0)),
    Fault("open interest that stands still for a day", "bars_stale_values", held("oi_now", A_DAY)),
    Fault("turnover filled forward for half a day", "bars_stale_values", held("quote_volume", slice(240, 252))),
    Fault("a rate that stands still for ten days", "bars_stale_values", constant("funding_now", 8.7e-5, MIDDLE)),
    Fault("funding in percent", "bars_funding_off_scale", scaled("funding_now", 100)),
    Fault("funding in percent from one day on", "bars_funding_off_scale", scaled("funding_now", 100, HALF)),
    Fault("funding per year", "bars_funding_outside_caps", scaled("funding_now", 3 * 365)),
    Fault("a funding period of 480, minutes", "bars_funding_interval_unknown", scaled("funding_interval_hours", 60)),
    Fault("the premium in percent", "bars_premium_off_scale", scaled("premium", 100)),
    Fault("a long/short ratio times ten thousand", "bars_ratios_off_scale", scaled("ls_global", 1e4)),
    Fault("open interest in thousands from one day on", "bars_level_shifts", scaled("oi_base", 1e-3, HALF)),
    Fault("turnover in coins from one day on", "bars_level_shifts", scaled("quote_volume", 1 / 6e4, HALF)),
    Fault("base volume told as quote volume", "bars_turnover_off_price", base_for_quote),
    Fault("taker volume in coins", "bars_taker_below_volume",
          several(scaled("perp_taker_buy", 1 / 6e4), scaled("perp_taker_sell", 1 / 6e4))),
    Fault("takers of all venues beside one venue's volume", "bars_taker_above_volume",
          several(scaled("perp_taker_buy", 1.3), scaled("perp_taker_sell", 1.3))),
    Fault("base for quote volume, and no other volume to compare", "bars_turnover_off_oi",
          several(scaled("quote_volume", 1e-6), cells("volume", None))),
    Fault("open interest in contracts of a hundredth", "bars_oi_off_price", scaled("oi_base", 100)),
    Fault("open interest that quadruples for a bar", "bars_oi_jumps", scaled("oi_now", 4, slice(500, 501))),
    Fault("a close with a digit too many", "bars_price_jumps", scaled("close", 10, slice(500, 501))),
    Fault("the index of another coin", "bars_perp_spot_basis", scaled("index_price", 1 / 20)),
    Fault("the spot basis broken for ten days", "bars_perp_spot_basis", scaled("index_price", 1.05, MIDDLE)),
    Fault("marks of another contract", "bars_mark_off_price", scaled("mark_price", 0.9)),
    Fault("open interest a bar late", "bars_shifted_stamps", late("oi_now")),
    Fault("open interest a bar early for ten days", "bars_shifted_stamps",
          late("oi_now", -1, slice(960, 1920)), tf="15m"),
    Fault("takers stamped by their open", "bars_shifted_stamps",
          several(late("perp_taker_buy", -1), late("perp_taker_sell", -1), late("quote_volume", -1))),
    Fault("the index a bar late", "bars_shifted_stamps", late("index_price")),
    Fault("open interest as of the next bar", "bars_stamps_after_close", altered("oi_ts", lambda x: x + HOUR)),
    Fault("a settlement known before it was", "bars_stamps_after_close", altered("funding_ts", lambda x: x + 8 * HOUR)),
    Fault("ratios of yesterday", "bars_stamps_too_old", altered("ls_ts", lambda x: x - 24 * HOUR)),
    Fault("a day told twice, under two dates", "bars_duplicated_days",
          copied_day("open", "high", "low", "close", "volume", "quote_volume")),
    Fault("open interest of another day", "bars_duplicated_days", copied_day("oi_base")),
    Fault("a day of which a hundredth was kept", "bars_collapsed_days", scaled("volume", 0.01, A_DAY)),
    Fault("a day that counts everything thousands of times", "bars_outlier_days",
          scaled("trades", 5000, A_DAY)),
    Fault("a past that is rewritten again and again", "log_days_rewritten", rewritten, "log"),
    Fault("a feature that was never computed", "features_dead_columns", constant("oi_z", 0), "features"),
    Fault("a share in percent", "features_out_of_range", scaled("perp_share_60m", 100), "features"),
    Fault("the upper barrier below entry", "labels_barriers_out_of_order", scaled("upper", 0.5), "labels"),
    Fault("a path longer than the horizon", "labels_beyond_horizon",
          several(constant("bars_held", 40, FOURTH), altered("t1", lambda x: x + 39 * HOUR, FOURTH)), "labels"),
    Fault("an end before the beginning", "labels_end_off_path", altered("t1", lambda x: x - 9 * HOUR), "labels"),
    Fault("a rise below 0", "labels_excursion_sign", constant("mfe", -1e-3), "labels"),
    Fault("labels of bars without features", "labels_not_among_features",
          altered("ts", lambda x: x + 1, FOURTH), "labels"),
    Fault("labels with their signs turned", "labels_outcome_off_label", scaled("label", -1), "labels"),
    Fault("returns in percent", "labels_ret_off_exit", scaled("ret", 100), "labels"),
]  # fmt: skip

# What is wrong with a frame's form: the checks of lake.check alone.
FORM = [
    Fault("an answer without rows", "frame_bars", rows()),
    Fault("no column of closes", "frame_missing_columns", lambda table: table.drop_columns(["close"])),
    Fault("prices told as words", "frame_missing_columns",
          lambda table: table.set_column(2, "open", pa.array(["much"] * table.num_rows))),
    Fault("a price that is NaN", "frame_nan", cells("close", float("nan"), 7)),
    Fault("a price that is null", "frame_nan", cells("open", None, 7)),
    Fault("every hundredth bar dropped", "frame_gap_ratio", without(*range(50, 720, 100))),
    Fault("stamps told as words", "frame_unreadable_stamps",
          lambda table: table.set_column(1, "ts", pa.array(["yesterday"] * table.num_rows))),
    Fault("stamps that go from milliseconds to microseconds", "frame_stamp_units",
          lambda table: table.set_column(1, "ts", pa.array(_epochs(table)))),
]  # fmt: skip


def _epochs(table: pa.Table) -> np.ndarray:
    """The stamps as numbers, in microseconds from the middle on, as an archive once did."""
    ms = table.column("ts").cast(pa.int64()).to_numpy()
    return np.where(np.arange(len(ms)) < len(ms) // 2, ms, ms * 1000)


@cache
def clean(dataset: str, tf: str = TF) -> pa.Table:
    """A table with nothing wrong in it; of bars, at this timeframe."""
    if dataset == "bars":
        return plausible.table(DAYS, tf)
    return {"features": _features, "labels": _labels, "log": _log}[dataset]()


def _features() -> pa.Table:
    n, rng = 240, np.random.default_rng(5)
    ts = pa.array(1_746_000_000_000 + HOUR * np.arange(n)).cast(pa.timestamp("ms", "UTC"))
    found = {"symbol": np.full(n, "BTCUSDT"), "ts": ts, "ret_1h": rng.normal(0, 1e-3, n), "oi_z": rng.normal(0, 1, n)}
    found |= {"perp_share_60m": rng.uniform(0.6, 0.9, n), "funding_pctile_30d": rng.uniform(0, 1, n)}
    return pa.table(found | {"hour_of_week_sin": np.sin(np.arange(n)), "_imputed_oi_now": np.zeros(n, bool)})


def _labels() -> pa.Table:
    """Paths of one hour to either barrier, and one that timed out."""
    n, ts = 48, 1_746_000_000_000 + HOUR * np.arange(48)
    up, last = np.arange(n) % 2 == 0, np.arange(n) == n - 1
    label = np.where(last, 0, np.where(up, 1, -1))
    entry, ret = np.full(n, 100.0), np.where(last, 0.001, np.log(np.where(up, 101.0, 99.0) / 100.0))
    held = np.where(last, 36, 1)
    found = {"symbol": np.full(n, "BTCUSDT"), "ts": ts, "label": label, "t1": ts + HOUR * held, "bars_held": held}
    found |= {"outcome": np.where(last, "timeout", np.where(up, "up", "down")), "entry": entry, "atr": np.full(n, 1.0)}
    found |= {"upper": entry + 1, "lower": entry - 1, "exit": entry * np.exp(ret), "ret": ret}
    found |= {"mfe": np.maximum(ret, 0), "mae": np.minimum(ret, 0), "path_gap": np.zeros(n, bool)}
    return pa.table([pa.array(found[column.name]) for column in LABELS], [column.name for column in LABELS]).cast(
        schema_of(LABELS)
    )


def _log() -> pa.Table:
    """Days published once, and the newest a second time, when it was two days old."""
    told = [("2025-05-20T00:00:00.000000Z", str(DAY + timedelta(days=i)), log.ABSENT, "f" * 64) for i in range(18)]
    told.append(("2025-05-20T00:10:00.000000Z", str(DAY + timedelta(days=17)), "f" * 64, "e" * 64))
    names = ("time", "day", "old", "new")
    return pa.table({name: list(column) for name, column in zip(names, zip(*told, strict=True), strict=True)})


def findings(dataset: str, table: pa.Table, tf: str = TF) -> list[Finding]:
    """What do all checks find in this table?"""
    if dataset == "bars":
        return given.check(table, tf).findings
    if dataset == "features":
        return judge.features(table, timeframe("1h"))
    if dataset == "log":
        return offenders.asked("log", {"log": table})
    tables = {"labels": table, "features": clean("labels").select(["symbol", "ts"])}
    return offenders.asked("labels", tables, tf_ms=HOUR, horizon=36, sided=0)


def red(fault: Fault) -> list[str]:
    """Which checks are red once this fault is planted? Of those of bars, only its own is asked."""
    table, (kind, name) = fault.plant(clean(fault.dataset, fault.tf)), fault.check.split("_", 1)
    if kind == "bars":
        told = judge.bars(judge.of_schema(table), timeframe(fault.tf), name)
    else:
        told = findings(fault.dataset, table, fault.tf)
    return [finding.check.name for finding in told if finding.verdict == "FAIL"]
