"""Which history series does the stand-in venue have, and how is each typed?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

OHLC = ("open", "high", "low", "close")
_TAKER = ("taker_buy_volume_usd", "taker_sell_volume_usd")
_TAKERS = ("aggregated_buy_volume_usd", "aggregated_sell_volume_usd")
_SHUT = ("long_liquidation_usd", "short_liquidation_usd")
_ALL_SHUT = ("aggregated_long_liquidation_usd", "aggregated_short_liquidation_usd")


@dataclass(frozen=True)
class Series:
    """One history endpoint.

    scope : pair (exchange + pair), venues (exchange_list + coin) or coin · habit : whose restatements and gaps it has
    columns : the market's, filling `fields` in order (prices and states fill four) · in_coins : the same for unit=coin
    quoted : strings, else numbers · mixed : the forming bar mixes both · cut : the plan's depth applies
    """

    scope: Literal["pair", "venues", "coin"]
    habit: str
    columns: tuple[str, ...]
    fields: tuple[str, ...]
    in_coins: tuple[str, ...] = ()
    quoted: bool = True
    mixed: bool = False
    spot: bool = False
    cut: bool = True


HISTORY = {
    "/api/futures/price/history": Series("pair", "price", ("perp", "volume"), (*OHLC, "volume_usd"), cut=False),
    "/api/spot/price/history": Series(
        "pair", "price", ("spot", "spot_volume"), (*OHLC, "volume_usd"), quoted=False, mixed=True, spot=True, cut=False
    ),
    "/api/futures/open-interest/aggregated-history": Series(
        "coin", "interest", ("oi_usd",), OHLC, in_coins=("oi",), mixed=True
    ),
    "/api/futures/open-interest/history": Series("pair", "interest", ("oi_pair_usd",), OHLC, in_coins=("oi_pair",)),
    "/api/futures/funding-rate/oi-weight-history": Series("coin", "funding_oi", ("funding_oi",), OHLC, mixed=True),
    "/api/futures/funding-rate/vol-weight-history": Series("coin", "funding_vol", ("funding_vol",), OHLC),
    "/api/futures/funding-rate/history": Series("pair", "funding", ("funding",), OHLC, cut=False),
    # The trap of the old path: fields named _usd hold base units.
    "/api/futures/taker-buy-sell-volume/history": Series("pair", "taker", ("buy_base", "sell_base"), _TAKER),
    "/api/futures/v2/taker-buy-sell-volume/history": Series("pair", "taker", ("buy", "sell"), _TAKER),
    "/api/futures/aggregated-taker-buy-sell-volume/history": Series(
        "venues", "taker", ("buy", "sell"), _TAKERS, in_coins=("buy_base", "sell_base"), quoted=False
    ),
    "/api/spot/taker-buy-sell-volume/history": Series(
        "pair", "spot", ("spot_buy", "spot_sell"), _TAKER, mixed=True, spot=True
    ),
    "/api/spot/aggregated-taker-buy-sell-volume/history": Series(
        "venues", "spot", ("spot_buy", "spot_sell"), _TAKERS, quoted=False, spot=True
    ),
    "/api/futures/liquidation/history": Series("pair", "liquidation", ("liq_long", "liq_short"), _SHUT),
    "/api/futures/liquidation/aggregated-history": Series(
        "venues", "liquidation", ("liq_long", "liq_short"), _ALL_SHUT, quoted=False
    ),
}
