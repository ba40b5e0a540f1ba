"""Which coins the stand-in venue lists, and what each is like."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from meta.timeframes import DAY, day_start

FIRST_DAY = day_start(date(2019, 9, 1)) // DAY  # days since 1970; the venue's tape begins here
LIQUIDATIONS_SINCE = day_start(date(2020, 12, 23)) // DAY  # before it every liquidation is zero, as on the real venue


@dataclass(frozen=True)
class Coin:
    """One coin and its USDT pairs.

    price : typical price of the perpetual · decimals : its tick is 10^-decimals · volatility : of a day, fraction
    turnover : USD a day of the Binance perpetual · spot_share : spot turnover / perpetual turnover, 0: no spot pair
    idle : share of quarter hours with hardly a trade · units : coins in one unit of the perpetual
    listed : first day, days since 1970
    """

    name: str
    price: float
    decimals: int
    volatility: float
    turnover: float
    spot_share: float = 0.18
    idle: float = 0.0
    funding_hours: int = 8
    units: int = 1
    listed: int = FIRST_DAY

    @property
    def perp(self) -> str:
        """What is its perpetual called?"""
        return f"{self.units if self.units > 1 else ''}{self.name}USDT"

    @property
    def spot(self) -> str:
        """What is its spot pair called?"""
        return f"{self.name}USDT"

    @property
    def spot_decimals(self) -> int:
        """Which power of ten is the spot pair's tick?"""
        return self.decimals + (1 if self.units > 1 else 0)

    @property
    def open_interest(self) -> float:
        """How much open interest, in base units of the perpetual, do all venues hold in an ordinary month?"""
        return 4.5 * self.turnover / self.price


def _listed(year: int, month: int, day: int) -> int:
    return day_start(date(year, month, day)) // DAY


COINS = {
    coin.name: coin
    for coin in (
        Coin("BTC", 96_000, 1, 0.024, 13e9, 0.16),
        Coin("ETH", 3_300, 2, 0.033, 11e9, 0.14),
        Coin("SOL", 170, 2, 0.042, 4e9, 0.15),
        Coin("XRP", 2.2, 4, 0.042, 1.9e9, 0.22),
        Coin("BNB", 780, 2, 0.027, 9e8, 0.3),
        Coin("DOGE", 0.19, 5, 0.046, 1.3e9),
        Coin("ADA", 0.62, 4, 0.044, 4e8),
        Coin("AVAX", 21, 3, 0.046, 3e8),
        Coin("LINK", 15.5, 3, 0.043, 3.5e8),
        Coin("DOT", 3.4, 3, 0.042, 1.2e8),
        Coin("LTC", 96, 2, 0.038, 3e8),
        Coin("BCH", 510, 2, 0.038, 2e8),
        Coin("TRX", 0.29, 5, 0.022, 1.1e8, 0.3),
        Coin("ATOM", 3.2, 3, 0.043, 6e7),
        Coin("UNI", 7.1, 3, 0.05, 1.8e8),
        Coin("AAVE", 210, 2, 0.048, 1.6e8),
        Coin("FIL", 1.7, 3, 0.05, 1.1e8),
        Coin("ETC", 16.5, 3, 0.041, 9e7),
        Coin("NEAR", 2.4, 3, 0.05, 1.4e8),
        Coin("APT", 3.3, 3, 0.047, 9e7, funding_hours=4),
        Coin("ARB", 0.28, 4, 0.05, 1.1e8),
        Coin("OP", 0.42, 4, 0.05, 8e7),
        Coin("SUI", 2.1, 4, 0.052, 7e8),
        Coin("INJ", 7.4, 3, 0.052, 5e7),
        Coin("TIA", 1.0, 4, 0.058, 7e7, funding_hours=4),
        Coin("SEI", 0.18, 4, 0.055, 5e7, funding_hours=4),
        Coin("PEPE", 0.0059, 7, 0.062, 4e8, units=1000),
        Coin("WIF", 0.48, 4, 0.065, 1.2e8, funding_hours=4),
        Coin("HYPE", 39, 3, 0.056, 8e8, 0.0, funding_hours=4, listed=_listed(2025, 5, 30)),
        Coin("KNC", 0.32, 4, 0.042, 6e6, 0.3, 0.02),
        Coin("DUSK", 0.06, 5, 0.055, 3e6, 0.25, 0.05, 4),
    )
}
PERPS = {coin.perp: coin for coin in COINS.values()}
SPOTS = {coin.spot: coin for coin in COINS.values() if coin.spot_share}

# A venue's size against Binance's pair. Binance's own sum also holds its USDC, coin-margined and dated contracts.
VENUES = {
    "Binance": 1.25, "OKX": 0.55, "Bybit": 0.65, "Bitget": 0.35, "Gate": 0.3, "HTX": 0.1, "Bitmex": 0.03,
    "Bitfinex": 0.02, "Deribit": 0.06, "Kraken": 0.04, "KuCoin": 0.06, "CME": 0.2, "dYdX": 0.02, "CoinEx": 0.01,
    "BingX": 0.15, "Coinbase": 0.05, "Gemini": 0.01, "Crypto.com": 0.05, "Hyperliquid": 0.3, "Bitunix": 0.05,
    "MEXC": 0.25, "WhiteBIT": 0.08, "Aster": 0.1, "Lighter": 0.1, "EdgeX": 0.03, "Drift": 0.01, "Paradex": 0.01,
    "Extended": 0.01, "ApeX Omni": 0.01,
}  # fmt: skip
SPOT_VENUES = {
    "Binance": 1.0, "OKX": 0.25, "Bybit": 0.3, "Bitget": 0.15, "Gate": 0.15, "HTX": 0.1, "Kraken": 0.1,
    "KuCoin": 0.1, "Coinbase": 0.4, "Gemini": 0.02, "Crypto.com": 0.1, "MEXC": 0.2, "Bitfinex": 0.05,
}  # fmt: skip
PAIR_VENUES = {"Binance": 1.0, "Bybit": 0.5}  # those that call the pair BTCUSDT
