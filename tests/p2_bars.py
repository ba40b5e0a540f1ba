"""A slice of bars with all that goes wrong in real ones, for every test of features."""

from __future__ import annotations

import numpy as np

from p2_features import catalogue
from tests import zoo

INPUTS = (
    "quote_volume", "perp_taker_buy", "perp_taker_sell", "spot_taker_buy", "spot_taker_sell", "oi_now", "oi_base",
    "funding_now", "funding_interval_hours", "liq_long", "liq_short", "volume", "premium", "mark_price", "index_price",
    "ls_top_account", "ls_top_position", "ls_global", "ls_taker", "trades",
)  # fmt: skip


def bars(n: int, seed: int = 3, holes: bool = True) -> dict[str, np.ndarray]:
    """Bars on the grid: walks, heavy tails, ties, flat stretches; with `holes`, absent bars and missing inputs."""
    rng = np.random.default_rng(seed)
    close = 30_000 * np.exp(np.cumsum(rng.standard_t(3, n) * 1e-3))
    open_ = close * np.exp(rng.normal(0, 1e-3, n))
    found = {name: rng.lognormal(12, 1.5, n) for name in INPUTS}
    found |= {"open": open_, "close": close}
    found |= {"high": np.maximum(open_, close) * 1.001, "low": np.minimum(open_, close) * 0.999}
    found["funding_now"] = np.round(np.repeat(rng.normal(1e-4, 5e-5, n // 8 + 1), 8)[:n], 5)
    found["funding_interval_hours"] = np.where(np.arange(n) < n // 2, 8.0, 4.0)
    for name in ("liq_long", "liq_short"):
        found[name] = np.where(rng.random(n) < 0.5, 0.0, found[name])
    for name in ("premium", "mark_price", "index_price"):
        found[name] = close * np.exp(rng.normal(0, 1e-4, n)) if name != "premium" else rng.normal(0, 1e-4, n)
    if holes:
        absent = np.isnan(zoo.gapped(close, 0.04, seed))
        for k, name in enumerate(found):
            if name in INPUTS:
                found[name] = zoo.gapped(found[name], 0.03, seed + k)
            found[name][absent] = np.nan
    return found


def core(window_days: int = 1) -> catalogue.Catalogue:
    """The features of conf/features.yaml, with a window short enough for a test."""
    return catalogue.load().changed(window_days=window_days)
