"""What a source offers is told without asking it; whether it answers is told by asking, one line each."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from lake.ending import status
from meta.columns import BARS
from meta.timeframes import HOUR, day_start, timeframe
from p1_ingest import cli, offers, venues
from p1_ingest.sim.quirks import Quirks
from p1_ingest.sim.server import SimVenue
from tests.archive import Archive, served
from tests.binance_venue import Venue, open_venue
from tests.canned import Canned, reply
from tests.ccxt_venue import CcxtVenue

NOW = day_start(date(2025, 3, 20)) + 3 * HOUR
KEY = "canary-0a1b2c3d4e5f6071"
FIVE = timeframe("5m")


@pytest.fixture(autouse=True)
def _no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("COINGLASS_API_KEY", "SOURCE", "SYMBOLS", "EXCHANGE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(venues, "now_ms", lambda: NOW)


def told(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, list[str]]:
    code = status(cli.commands, "p1_ingest", ["sources", *words])
    out = capsys.readouterr()
    assert KEY not in out.out + out.err
    return code, out.out.splitlines()


@pytest.mark.parametrize("name", ["coinglass", "binance", "sim"])
def test_every_column_is_offered_or_left_out(name: str) -> None:
    found = offers.offered(name, "BTCUSDT", FIVE, 80)
    assert {*found.columns, *found.left_out} == {c.name for c in BARS if c.kind != "key"}
    assert not set(found.columns) & set(found.left_out)


def test_the_cost_of_80_days_is_what_an_ingest_would_ask() -> None:
    monthly = offers.offered("binance", "BTCUSDT", FIVE, 80).requests
    assert monthly and monthly < 2 * 7 * 82, "a file a day and series, a digest each, and months where they are whole"
    coinglass = offers.offered("coinglass", "BTCUSDT", FIVE, 80)
    assert coinglass.requests and coinglass.minutes == pytest.approx(coinglass.requests / 30)


def test_the_list_names_every_source_and_asks_nobody(capsys: pytest.CaptureFixture[str]) -> None:
    code, lines = told(capsys)
    assert code == 0 and {line.split(":")[0] for line in lines[1:] if line[0] != " "} == set(venues.NAMES)
    assert any("days of 5m by plan: Standard 30, Professional 60" in line for line in lines)


def test_the_list_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    code, lines = told(capsys, "--json", "--days", "10", "--tf", "1h")
    found = {one["name"]: one for one in json.loads("\n".join(lines))}
    assert code == 0 and found["coinglass"]["key"] == "COINGLASS_API_KEY" and not found["coinglass"]["key_is_set"]
    assert found["sim"]["synthetic"] and found["ccxt"]["requests"] is None


def test_a_source_that_answers_is_told_line_by_line(capsys: pytest.CaptureFixture[str]) -> None:
    code, lines = told(capsys, "--check", "--source", "sim")
    assert code == 0 and lines[0].startswith("sim reach sim: answers in ") and lines[1].startswith("sim plan: ")


def test_the_plan_and_the_key_of_coinglass_are_checked(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COINGLASS_API_KEY", KEY)
    with SimVenue(Quirks(plan="STANDARD"), clock=lambda: NOW) as venue:
        monkeypatch.setenv("COINGLASS_BASE_URL", venue.url)
        code, lines = told(capsys, "--check", "--source", "coinglass")
    assert (code, lines[0]) == (0, "coinglass key: COINGLASS_API_KEY is set")
    assert "the Standard plan keeps 30 days of 5m" in lines[2]


def test_a_key_that_is_not_set_is_trouble(capsys: pytest.CaptureFixture[str]) -> None:
    code, lines = told(capsys, "--check", "--source", "coinglass")
    assert code == 1 and lines[0] == "coinglass key: TROUBLE: COINGLASS_API_KEY is not set"


def test_a_key_that_is_refused_is_trouble_and_is_not_shown(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COINGLASS_API_KEY", KEY)
    with Canned(reply({"code": "401", "msg": f"{KEY} is no key"}, 401)) as venue:
        monkeypatch.setenv("COINGLASS_BASE_URL", venue.url)
        code, lines = told(capsys, "--check", "--source", "coinglass", "--json")
    found = json.loads("\n".join(lines))
    assert code == 1 and [one["well"] for one in found] == [True, False, False]


@pytest.fixture
def binance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Venue]:
    venue = Venue(NOW)
    with served(tmp_path) as vision, open_venue(venue) as url:
        Archive(tmp_path).bars("klines", "BTCUSDT", FIVE, [date(2025, 3, 16)])
        monkeypatch.setenv("BINANCE_VISION_URL", vision)
        monkeypatch.setenv("BINANCE_FAPI_URL", url)
        monkeypatch.setenv("BINANCE_SPOT_URL", url)
        yield venue


def test_every_host_of_binance_is_asked(capsys: pytest.CaptureFixture[str], binance: Venue) -> None:
    code, lines = told(capsys, "--check", "--source", "binance")
    hosts = [line.split()[2] for line in lines if line.startswith("binance reach")]
    assert code == 0 and sorted(hosts) == ["binance_fapi:", "binance_spot:", "binance_vision:"]


def test_a_region_that_is_not_served_is_seen(capsys: pytest.CaptureFixture[str], binance: Venue) -> None:
    binance.refuses = 451
    _, lines = told(capsys, "--check", "--source", "binance")
    assert any("region" in line for line in lines)


def test_an_exchange_is_checked(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ccxt", reason="the ccxt extra is not installed")
    with open_venue(CcxtVenue(NOW)) as url:
        monkeypatch.setenv("CCXT_BASE_URL", url)
        words = ("--check", "--source", "ccxt", "--exchange", "binanceusdm", "--symbol", "BTC/USDT:USDT")
        code, lines = told(capsys, *words)
    assert code == 0 and lines[0].startswith("ccxt reach fapi.binance.com: answers")
