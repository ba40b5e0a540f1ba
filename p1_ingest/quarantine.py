"""What cannot be is kept out of the lake, with the reason: a whole bar, or one value beside a bar that is sound."""

from __future__ import annotations

from collections import Counter

import numpy as np

from meta.columns import BARS, PRICES
from meta.errors import BadPayload
from p1_ingest.grid import STAMPS

SLACK = 0.005  # taker flow may exceed volume by this share: venues round and restate
FAILS_ABOVE = 0.05  # share of a day's bars in quarantine above which the day is not believed at all
FLOWS = ("volume", "quote_volume", "trades", "perp_taker_buy", "perp_taker_sell", "perp_taker_buy_base")
INTEREST = ("oi_now", "oi_base")
SPANS = {column.name: column.span for column in BARS if column.must}


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
    flows = {name: columns.get(name, nothing) for name in FLOWS}
    buy, base = flows["perp_taker_buy"], flows["perp_taker_buy_base"]
    both = np.nan_to_num(buy) + np.nan_to_num(flows["perp_taker_sell"])
    more = (both > flows["quote_volume"] * (1 + SLACK)) | (base > flows["volume"] * (1 + SLACK))
    return {
        "price not above 0": np.any([price <= 0 for price in (o, h, l, c)], axis=0),
        "price not finite": np.any([np.isinf(price) for price in (o, h, l, c)], axis=0),
        "high below low": h < l,
        "open or close outside high and low": (np.maximum(o, c) > h) | (np.minimum(o, c) < l),
        "negative volume": np.any([flow < 0 for flow in flows.values()], axis=0),
        "taker flow above volume": more,
    }


def without_impossible(columns: dict[str, np.ndarray], keep: np.ndarray) -> tuple[dict[str, np.ndarray], Counter[str]]:
    """The same columns, each value that its column cannot hold (meta.columns, `must`) made NaN; how many bars of `keep`
    that concerns, by column and rule. Money and coins of one open interest go together, and a stamp with its values.
    """
    ruled = [column for column in BARS if column.must and column.name in columns]
    said, spans = np.stack([columns[column.name] for column in ruled]), np.array([SPANS[one.name] for one in ruled])
    beyond = (said < spans[:, :1]) | (said > spans[:, 1:])  # NaN, not said, is neither
    if not beyond.any():
        return columns, Counter()
    wrong = {column.name: beyond[i] for i, column in enumerate(ruled)}
    counts = Counter({f"{one.name} not {one.must}": int((wrong[one.name] & keep).sum()) for one in ruled})
    interest = np.any([wrong[name] for name in INTEREST if name in wrong], axis=0)
    wrong |= {name: interest for name in INTEREST if name in wrong}
    sound = columns | {name: np.where(bad, np.nan, columns[name]) for name, bad in wrong.items()}
    for stamp in set(STAMPS.values()) & sound.keys():
        of = [np.isnan(sound[name]) for name, its in STAMPS.items() if its == stamp and name in sound]
        sound[stamp] = np.where(np.all(of, axis=0), np.nan, sound[stamp])
    return sound, +counts
