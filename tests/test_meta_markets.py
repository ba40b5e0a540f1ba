"""A symbol's name is taken apart as venues and ccxt put it together."""

from __future__ import annotations

import pytest

from meta.markets import FUTURES, PERPS, SPOT, Market, market


@pytest.mark.parametrize(
    ("symbol", "coin", "quote", "kind", "exchange"),
    [
        ("BTCUSDT", "BTC", "USDT", PERPS, ""),
        ("ETHUSDC", "ETH", "USDC", PERPS, ""),
        ("ETHFDUSD", "ETH", "FDUSD", PERPS, ""),
        ("ETHBTC", "ETH", "BTC", PERPS, ""),
        ("BTCUSD", "BTC", "USD", PERPS, ""),
        ("BTCUSD_PERP", "BTC", "USD", PERPS, ""),
        ("BTCUSDT_250328", "BTC", "USDT", FUTURES, ""),
        ("1000PEPEUSDT", "1000PEPE", "USDT", PERPS, ""),
        ("USDCUSDT", "USDC", "USDT", PERPS, ""),
        ("BTCDOMUSDT", "BTCDOM", "USDT", PERPS, ""),
        ("DEFI", "DEFI", "", PERPS, ""),
        ("USDT", "USDT", "", PERPS, ""),
        ("BTC-USDT_BINANCE", "BTC", "USDT", SPOT, "binance"),
        ("BTC-USDT_USDT_BINANCEUSDM", "BTC", "USDT", PERPS, "binanceusdm"),
        ("BTC-USD_BTC-250328_DERIBIT", "BTC", "USD", FUTURES, "deribit"),
    ],
)
def test_a_symbol_says_coin_quote_and_kind(symbol: str, coin: str, quote: str, kind: str, exchange: str) -> None:
    assert market(symbol) == Market(symbol, coin, quote, kind, exchange)
