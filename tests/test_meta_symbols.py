"""A market's folder says which exchange, which market and which kind, and nothing else has that folder."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meta.errors import Usage
from meta.symbols import market_folder, market_of, symbol

WORDS = st.text("ABCXYZ0189", min_size=1, max_size=24)
EXCHANGES = st.text("abcxyz0189", min_size=1, max_size=24)


@st.composite
def markets(draw: st.DrawFn) -> str:
    name = f"{draw(WORDS)}/{draw(WORDS)}"
    settle = draw(st.none() | WORDS)
    if settle is None:
        return name
    return f"{name}:{settle}" + draw(st.sampled_from(["", "-250328"]))


@given(EXCHANGES, markets())
def test_a_folder_tells_its_market_back(exchange: str, market: str) -> None:
    folder = market_folder(exchange, market)
    assert market_of(folder) == (exchange, market)
    assert symbol(folder) == folder


@given(EXCHANGES, markets(), EXCHANGES, markets())
def test_two_markets_never_share_a_folder(one: str, market: str, other: str, second: str) -> None:
    same = (one, market) == (other, second)
    assert (market_folder(one, market) == market_folder(other, second)) == same


@pytest.mark.parametrize(
    ("exchange", "market", "folder"),
    [
        ("binance", "BTC/USDT", "BTC-USDT_BINANCE"),
        ("binance", "BTC/USDT:USDT", "BTC-USDT_USDT_BINANCE"),
        ("binanceusdm", "BTC/USDT:USDT-250328", "BTC-USDT_USDT-250328_BINANCEUSDM"),
        ("coinbaseinternational", "BTC/USDC:USDC", "BTC-USDC_USDC_COINBASEINTERNATIONAL"),
    ],
)
def test_spot_perpetual_and_dated_contract_of_one_name_are_kept_apart(exchange: str, market: str, folder: str) -> None:
    assert market_folder(exchange, market) == folder


@pytest.mark.parametrize(
    "market",
    ["BTCUSDT", "btc/USDT", "BTC/USDT:USDT-250328-90000-C", "kPEPE/USDC:USDC", "../USDT", "BTC/", "USDC.E/USD"],
)
def test_what_could_not_be_told_back_is_refused(market: str) -> None:
    with pytest.raises(Usage, match="has no folder"):
        market_folder("binance", market)


@pytest.mark.parametrize("folder", ["BTCUSDT", "BTCUSD_PERP", "BTCUSDT_250328", "BTC-USDT", "BTC-USDT_A_B_C"])
def test_a_venue_symbol_is_no_markets_folder(folder: str) -> None:
    with pytest.raises(Usage):
        market_of(folder)
