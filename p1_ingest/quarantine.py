"""Bars that cannot be are kept out of the lake, with the reason."""

from __future__ import annotations

from collections import Counter

import numpy as np

from meta.columns import PRICES
from meta.errors import BadPayload

SLACK = 0.005  # taker flow may exceed volume by this share: venues round and restate
FAILS_ABOVE = 0.05  # share of a day's bars in quarantine above which the day is not believed at all


def kept(columns: dict[str, np.ndarray], where: str) -> tuple[np.ndarray, dict[int, str]]:
    """Which rows are bars: full OHLC, and nothing impossible about them?

    columns : name -> (n,) float64 on the day's grid, NaN = not said
    Returns (n,) bool and why each row in quarantine is kept out. Raises BadPayload, naming `where`, for too many.
    """
    prices = [columns[name] for name in PRICES]
    said = np.any([~np.isnan(price) for price in prices], axis=0)
    full = np.all([~np.isnan(price) for price in prices], axis=0)
    keep, out = full.copy(), dict.fromkeys(np.flatnonzero(said & ~full).tolist(), "incomplete OHLC")
    for reason, wrong in _impossible(columns).items():
        out |= dict.fromkeys(np.flatnonzero(keep & wrong).tolist(), reason)
        keep &= ~wrong
    if len(out) > FAILS_ABOVE * len(keep):
        told = ", ".join(f"{n} {reason}" for reason, n in Counter(out.values()).items())
        raise BadPayload(f"{where}: {len(out)} of {len(keep)} bars are impossible ({told}); nothing was written")
    return keep, out


def _impossible(columns: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    nothing = np.full(len(columns["close"]), np.nan)
    o, h, l, c = (columns[name] for name in PRICES)  # noqa: E741
    volume, quote, base = (columns.get(name, nothing) for name in ("volume", "quote_volume", "perp_taker_buy_base"))
    buy, sell = (columns.get(name, nothing) for name in ("perp_taker_buy", "perp_taker_sell"))
    flows = [volume, quote, buy, sell, base, *(columns.get(n, nothing) for n in ("spot_taker_buy", "spot_taker_sell"))]
    both = np.nan_to_num(buy) + np.nan_to_num(sell)
    return {
        "price not above 0": np.any([price <= 0 for price in (o, h, l, c)], axis=0),
        "price not finite": np.any([np.isinf(price) for price in (o, h, l, c)], axis=0),
        "high below low": h < l,
        "open or close outside high and low": (np.maximum(o, c) > h) | (np.minimum(o, c) < l),
        "negative volume": np.any([flow < 0 for flow in flows], axis=0),
        "taker flow above volume": (both > quote * (1 + SLACK)) | (base > volume * (1 + SLACK)),
    }
