"""A market such as a venue would tell of it: every column fits every other, so that a check has nothing to say."""

from __future__ import annotations

from datetime import date

import numpy as np
import pyarrow as pa

from lake.parts import schema_of
from meta.columns import BARS
from meta.timeframes import HOUR, day_start, timeframe
from tests.lakes import DAY

SCHEMA = schema_of(BARS)


def columns(n: int, tf_ms: int, start_ms: int, seed: int = 11) -> dict[str, np.ndarray]:
    """So many bars from the one that opens at `start_ms` on: name -> (n,), float64, or int64 for trades and stamps."""
    rng = np.random.default_rng(seed)
    busy = np.exp(0.3 * np.sin(2 * np.pi * np.arange(n) * tf_ms / (24 * HOUR)) + rng.normal(0, 0.4, n))
    moved = rng.standard_t(4, n) * 1e-3 * np.sqrt(busy)
    close = np.round(60_000 * np.exp(np.cumsum(moved)), 2)
    opened = np.concatenate(([60_000.0], close[:-1]))
    wick = np.abs(rng.normal(0, 5e-4, (2, n)))
    high, low = np.maximum(opened, close) * (1 + wick[0]), np.minimum(opened, close) * (1 - wick[1])
    volume = np.round(400 * busy * (1 + 300 * np.log(high / low)) * rng.lognormal(0, 0.1, n), 3)
    turnover = volume * (low + (high - low) * rng.uniform(0.3, 0.7, n))
    bought = np.clip(0.5 + 60 * moved + rng.normal(0, 0.05, n), 0.05, 0.95)
    spot = turnover * rng.lognormal(-1.5, 0.3, n)
    spot_bought = np.clip(0.5 + 50 * moved + rng.normal(0, 0.06, n), 0.05, 0.95)
    coins = np.round(90_000 * np.exp(np.cumsum(rng.normal(0, 4e-4, n))), 3)
    index = close * (1 + 4e-4 + rng.normal(0, 1e-4, n))
    found = {"open": opened, "high": high, "low": low, "close": close, "volume": volume, "quote_volume": turnover}
    found |= {"trades": np.rint(volume * 25 + rng.integers(1, 50, n)).astype(np.int64)}
    found |= {"perp_taker_buy": turnover * bought, "perp_taker_sell": turnover * (1 - bought)}
    found |= {"spot_taker_buy": spot * spot_bought, "spot_taker_sell": spot * (1 - spot_bought)}
    found |= {"perp_taker_buy_base": volume * bought, "oi_now": coins * close, "oi_base": coins}
    found |= {"mark_price": close * (1 + rng.normal(0, 5e-5, n)), "index_price": index, "premium": close / index - 1}
    for name in ("liq_long", "liq_short"):
        found[name] = np.where(rng.random(n) < 0.4, 0.0, np.round(rng.lognormal(10, 1.5, n), 2))
    for name, spread in {"ls_top_account": 0.01, "ls_top_position": 0.005, "ls_global": 0.01, "ls_taker": 0.2}.items():
        found[name] = np.round(np.exp(0.3 * np.sin(np.arange(n) / 97) + rng.normal(0, spread, n)), 4)
    return found | _funding(n, tf_ms, start_ms, rng)


def _funding(n: int, tf_ms: int, start_ms: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Settled every 8 hours, known a minute later; every other time at the base rate."""
    ts = start_ms + tf_ms * np.arange(1, n + 1, dtype=np.int64)
    settled = (ts - 60_000) // (8 * HOUR)
    nth = settled - settled[0]
    drawn = np.round(rng.normal(5e-5, 4e-5, int(nth[-1]) + 1), 8)
    rates = np.where(rng.random(len(drawn)) < 0.5, 1e-4, drawn)
    stamps = {"oi_ts": ts, "ls_ts": ts, "funding_ts": settled * 8 * HOUR}
    return {"funding_now": rates[nth], "funding_interval_hours": np.full(n, 8.0), **stamps}


def table(days: int, tf: str = "15m", first: date = DAY, symbol: str = "BTCUSDT", seed: int = 11) -> pa.Table:
    """Whole days of it, in P1's columns."""
    step = timeframe(tf)
    n, start = days * step.per_day, day_start(first)
    found = columns(n, step.ms, start, seed)
    found |= {"ts": start + step.ms * np.arange(1, n + 1, dtype=np.int64), "symbol": np.full(n, symbol)}
    return pa.table([pa.array(found[field.name]).cast(field.type) for field in SCHEMA], schema=SCHEMA)
