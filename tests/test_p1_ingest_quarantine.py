"""What cannot be does not reach the lake, and what is kept out is counted by its reason."""

from __future__ import annotations

from collections import Counter
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from lake import days, raw
from lake.reasons import Asked
from lake.why import why
from meta.columns import BAR_COLUMNS, BARS
from meta.errors import BadPayload
from meta.timeframes import HOUR, MINUTE, day_start, timeframe
from p1_ingest import quarantine
from p1_ingest.grid import laid
from p1_ingest.http import Sender
from p1_ingest.ingest import ingest
from p1_ingest.quarantine import FAILS_ABOVE
from p1_ingest.record import Record
from p1_ingest.sources.base import Answer, Series
from p1_ingest.sources.binance import Binance, BinanceConf, Hosts
from p1_ingest.wanted import Choice
from tests import lakes
from tests.archive import FUNDING, METRICS, Archive, csv, metrics, served, settlements

N = 200
FIVE = timeframe("5m")


def columns(**changes: object) -> dict[str, np.ndarray]:
    """Sound bars, but for the row at 7, where `changes` stand."""
    price, flow = np.full(N, 100.0), np.full(N, 5.0)
    found = {"open": price, "high": price + 1, "low": price - 1, "close": price, "volume": 2 * flow}
    found |= {"quote_volume": 200 * flow, "trades": flow, "perp_taker_buy": flow, "perp_taker_sell": flow}
    found |= {"perp_taker_buy_base": flow, "spot_taker_buy": flow, "spot_taker_sell": flow, "liq_long": flow}
    found |= {"liq_short": flow, "oi_now": 1000 * price, "oi_base": 10 * price, "funding_now": flow * 1e-5}
    found |= {"funding_interval_hours": np.full(N, 8.0), "mark_price": price, "index_price": price}
    found |= {"premium": flow * 1e-4, "oi_ts": np.arange(N) * 1e5, "funding_ts": np.arange(N) * 1e5}
    found |= dict.fromkeys(("ls_top_account", "ls_top_position", "ls_global", "ls_taker"), flow / 4)
    found = {name: values.copy() for name, values in (found | {"ls_ts": np.arange(N) * 1e5}).items()}
    for name, value in changes.items():
        found[name][7] = value
    return found


BARS_THAT_CANNOT_BE = {
    "price not above 0": {"low": 0.0},
    "price not finite": {"high": np.inf},
    "high below low": {"high": 98.0, "low": 99.0, "open": 98.5, "close": 98.5},
    "open or close outside high and low": {"close": 102.0},
    "incomplete OHLC": {"open": np.nan},
    "negative volume": {"volume": -1.0},
    "taker flow above volume": {"perp_taker_buy": 1001.0, "perp_taker_sell": 5.0},
}
VALUES_THAT_CANNOT_BE = [
    ("oi_now", 0.0), ("oi_now", -1.0), ("oi_base", 0.0), ("oi_base", np.inf), ("funding_now", 0.1),
    ("funding_now", -0.1), ("funding_now", -np.inf), ("funding_interval_hours", 0.0), ("funding_interval_hours", 25.0),
    ("mark_price", 0.0), ("index_price", -3.0), ("premium", -1.0), ("premium", 1.0), ("liq_long", -0.01),
    ("liq_short", np.inf), ("ls_global", -1.0), ("ls_taker", np.inf), ("spot_taker_buy", -5.0),
]  # fmt: skip


def test_sound_bars_are_kept_as_they_are() -> None:
    found = columns()
    keep, out = quarantine.kept(found, "here")
    same, counts = quarantine.without_impossible(found, keep)
    assert keep.all() and not out and not counts
    assert all(np.array_equal(same[name], values) for name, values in found.items())


@pytest.mark.parametrize("reason", BARS_THAT_CANNOT_BE)
def test_a_bar_that_cannot_be_is_kept_out_with_its_reason(reason: str) -> None:
    keep, out = quarantine.kept(columns(**BARS_THAT_CANNOT_BE[reason]), "here")
    assert out == {7: reason} and not keep[7] and keep.sum() == N - 1


def test_a_negative_flow_of_any_sort_keeps_the_bar_out() -> None:
    for name in quarantine.FLOWS:
        assert quarantine.kept(columns(**{name: -1.0}), "here")[1] == {7: "negative volume"}, name


def test_too_many_of_them_and_nothing_of_the_day_is_believed() -> None:
    found = columns()
    found["low"][: int(FAILS_ABOVE * N)] = 0.0
    assert len(quarantine.kept(found, "here")[1]) == FAILS_ABOVE * N
    found["low"][: int(FAILS_ABOVE * N) + 1] = 0.0
    with pytest.raises(BadPayload, match=r"here: 11 of 200 bars are impossible \(11 price not above 0\)"):
        quarantine.kept(found, "here")


@pytest.mark.parametrize(("name", "value"), VALUES_THAT_CANNOT_BE)
def test_a_value_that_cannot_be_is_null_and_counted_and_its_bar_stays(name: str, value: float) -> None:
    found = columns(**{name: value})
    keep, out = quarantine.kept(found, "here")
    assert keep.all() and not out
    sound, counts = quarantine.without_impossible(found, keep)
    rule = next(column.must for column in BARS if column.name == name)
    assert counts == {f"{name} not {rule}": 1}
    gone = {other for other in sound if np.isnan(sound[other][7])}
    together = {"oi_now", "oi_base", "oi_ts"} if name in ("oi_now", "oi_base") else {name}
    assert gone == together | ({"funding_ts"} if name == "funding_now" else set())
    assert all(np.isfinite(np.delete(values, 7)).all() for values in sound.values())
    assert found[name][7] == value, "what was handed in stays as it was"


@pytest.mark.parametrize(
    ("name", "value"),
    [("funding_now", 0.0999), ("funding_now", 0.0), ("funding_interval_hours", 24.0), ("oi_base", 1e-9),
     ("liq_long", 0.0), ("ls_taker", 0.0), ("premium", -0.5), ("spot_taker_buy", 0.0)],
)  # fmt: skip
def test_what_is_only_unusual_stays(name: str, value: float) -> None:
    keep = np.ones(N, bool)
    sound, counts = quarantine.without_impossible(columns(**{name: value}), keep)
    assert sound[name][7] == value and not counts


def test_a_stamp_stays_as_long_as_one_of_its_values_does() -> None:
    found = columns(ls_global=-1.0)
    sound, _ = quarantine.without_impossible(found, np.ones(N, bool))
    assert sound["ls_ts"][7] == found["ls_ts"][7] and np.isnan(sound["ls_global"][7])


def test_what_a_bar_that_is_kept_out_says_is_not_counted_twice() -> None:
    found = columns(low=0.0, oi_now=0.0)
    keep, _ = quarantine.kept(found, "here")
    assert not quarantine.without_impossible(found, keep)[1]


def test_what_was_not_said_is_no_fault() -> None:
    found = {name: np.full(N, np.nan) for name in BAR_COLUMNS}
    assert quarantine.without_impossible(found, np.ones(N, bool))[1] == Counter()


@pytest.mark.parametrize("hours", [0.0, -8.0, 1e6, np.nan])
def test_an_interval_that_cannot_be_keeps_no_rate_alive(hours: float) -> None:
    """A rate is known until its next due settlement; by such an interval it would be known for ever, or never."""
    at, close = np.array([0], np.int64), 5 * MINUTE * np.arange(1, 288, dtype=np.int64)
    said = Answer("funding", at, {"funding_now": np.array([1e-4]), "funding_interval_hours": np.array([hours])})
    series = Series("funding", ("funding_now", "funding_interval_hours"), "settlement")
    known = close[~np.isnan(laid(series, said, close, FIVE)["funding_now"])]
    assert known[0] == 5 * MINUTE and known[-1] == 8 * HOUR + 10 * MINUTE


def test_zero_interest_and_an_absurd_rate_of_the_archive_are_null_and_told(tmp_path: Path) -> None:
    day, now = date(2025, 3, 14), day_start(date(2025, 5, 1))
    archive = Archive(tmp_path / "archive")
    archive.days("BTCUSDT", FIVE, [day])
    rows = metrics("BTCUSDT", day, 5 * MINUTE)
    for row in rows[10:14]:
        row[2] = row[3] = "0.0000000000000000"
    archive.put(f"data/futures/um/daily/metrics/BTCUSDT/BTCUSDT-metrics-{day}.zip", csv(rows, METRICS))
    rates = settlements("BTCUSDT", day.replace(day=1))
    rates[40][2] = "0.7500"  # the one at 08:00 of the day
    archive.put("data/futures/um/monthly/fundingRate/BTCUSDT/BTCUSDT-fundingRate-2025-03.zip", csv(rates, FUNDING))
    shelf = lakes.a_shelf(tmp_path / "lake", "5m")
    with served(tmp_path / "archive") as url:
        source = Binance(BinanceConf(hosts=Hosts(url, url, url)), route="daily", clock=lambda: now)
        record = Record(shelf.root, "binance", lambda: now)
        with Sender(source.hosts, pools=source.pools, record=record.heard, failed=record.failed) as sender:
            summary = ingest(source, sender, shelf, [day], Choice(), lambda: now, record=record)
    table = days.need(shelf, day).table()
    assert [i for i, one in enumerate(table["oi_now"].to_pylist()) if one is None] == [10, 11, 12, 13]
    assert table["oi_ts"].null_count == 4 and table["ls_global"].null_count == 0
    assert table["funding_now"].null_count == 96 and table["funding_interval_hours"].null_count == 0
    told = {"oi_now not > 0": 4, "oi_base not > 0": 4, "funding_now not > -0.1, < 0.1": 96}
    assert {rule: summary.counts[f"set to null: {rule}"] for rule in told} == told
    (line,) = raw.days_of(shelf).values()
    assert line.nulled == told
    bar = why(Asked(shelf.root, "BTCUSDT", FIVE, day_start(day) + 55 * MINUTE, now))[0]
    assert any("oi_now not > 0" in one for one in bar.evidence) and not any(
        "funding_now" in one for one in bar.evidence
    )
