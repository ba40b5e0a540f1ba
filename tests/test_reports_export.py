"""What is taken away is what the lake holds: nothing filled, nothing shifted, nothing lost on the way."""

from __future__ import annotations

import csv
import fcntl
import hashlib
import io
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import partial
from itertools import chain
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

import lake
from lake import days
from lake.groups import grouped
from meta.datasets import DATASETS
from meta.timeframes import HOUR, TIMEFRAMES, day_start, utc
from reports.exports import cli, columns, plan, rows
from reports.exports import write as writing
from reports.exports.about import Export
from reports.exports.between import Asked
from reports.exports.held import Named, held
from tests import lakes, p3_lake
from tests.export_lake import a_lake, bars_of, kept, opens_of, page_of, run, table_of

DAY, NEXT, THIRD = lakes.the_days(3)
PRICES = ["open", "high", "low", "close", "volume", "num_trades"]
FUNDING = ["funding_rate", "premium", "mark_price", "index_price", "oracle_price", "mid_price", "next_funding_time"]
OI = ["open_interest", "notional_value", "day_base_volume", "day_notional_volume"]
COLUMNS = {
    "candles": ["time", *PRICES, "ts"],
    "funding": ["time", *FUNDING, "ts"],
    "oi": ["time", *OI, "ts"],
    "all": ["time", *PRICES, *FUNDING, *OI, "ts"],
}
WORDS = {"candles": "candles", "funding": "funding", "oi": "open_interest", "all": "merged"}
HOURS = TIMEFRAMES["1h"]


@pytest.fixture
def root() -> Iterator[Path]:
    with lakes.scratch() as where:
        yield where / "lake"


@pytest.fixture
def out(root: Path) -> Path:
    return root.parent / "out"


@pytest.fixture(scope="module")
def learnt() -> Iterator[Path]:
    with lakes.scratch() as root:
        yield p3_lake.whole(root)


def bars(kind: str) -> list[str]:
    return [kind, "--coin", "BTC", *(["--intervals", "1h"] if kind in ("candles", "all") else [])]


def failure(capsys: pytest.CaptureFixture[str]) -> str:
    """The one line that tells what is wrong."""
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    return line


@pytest.mark.parametrize("kind", COLUMNS)
def test_columns_stand_in_the_order_their_users_know_and_the_close_after_them(
    root: Path, out: Path, kind: str
) -> None:  # fmt: skip
    a_lake(root)
    assert run(root, out, *bars(kind)) == 0
    assert table_of(out).column_names == COLUMNS[kind]
    (path,) = out.glob("*.csv")
    assert path.read_text().splitlines()[0] == ",".join(COLUMNS[kind])
    interval = "_1h" if kind in ("candles", "all") else ""
    assert re.fullmatch(rf"{WORDS[kind]}_binance_BTC_USDT_perps{interval}_\d{{8}}_\d{{6}}\.csv", path.name)


def test_time_is_the_open_and_ts_the_close(root: Path, out: Path) -> None:
    a_lake(root, 1)
    run(root, out, *bars("candles"))
    table = table_of(out)
    assert opens_of(table) == list(range(24))
    assert set(pc.subtract(table.column("ts"), table.column("time")).to_pylist()) == {timedelta(hours=1)}
    assert table.schema.field("time").type == pa.timestamp("ms", "UTC")


def test_every_value_is_the_lakes_own(root: Path, out: Path) -> None:
    shelf = a_lake(root)
    run(root, out, *bars("all"))
    found, held = table_of(out), pa.concat_tables([days.need(shelf, day).table() for day in lakes.the_days(3)])
    names = {
        "num_trades": "trades",
        "funding_rate": "funding_now",
        "open_interest": "oi_base",
        "notional_value": "oi_now",
    }
    for name in [*PRICES, *FUNDING[:4], *OI[:2], "ts"]:
        assert found.column(name).equals(held.column(names.get(name, name))), name
    for name in ("oracle_price", "mid_price"):
        assert found.column(name).null_count == found.num_rows and found.schema.field(name).type == pa.float64()


def test_a_true_zero_stays_zero_and_what_is_missing_stays_missing(root: Path, out: Path) -> None:
    cells = {name: [0.0, None, *[1.0] * 22] for name in ("funding_now", "oi_now", "volume", "premium")}
    kept(lakes.a_shelf(root), {DAY: bars_of(DAY, HOURS, cells=cells)})
    run(root, out, *bars("all"))
    (path,) = out.glob("*.csv")
    lines = list(csv.DictReader(io.StringIO(path.read_text())))
    for name in ("funding_rate", "notional_value", "volume", "premium"):
        assert table_of(out).column(name).to_pylist()[:3] == [0.0, None, 1.0]
        assert [line[name] for line in lines[:3]] == ["0.0", "", "1.0"]


def test_an_absent_bar_has_no_row(root: Path, out: Path) -> None:
    kept(lakes.a_shelf(root), {DAY: bars_of(DAY, HOURS).filter(pa.array([i not in (3, 4) for i in range(24)]))})
    run(root, out, *bars("all"))
    assert opens_of(table_of(out)) == [i for i in range(24) if i not in (3, 4)]


def test_csv_and_parquet_hold_the_same_rows_and_one_page_tells_of_both(root: Path, out: Path) -> None:
    shelf = a_lake(root)
    run(root, out, *bars("all"), "--format", "both")
    page, table = page_of(out), table_of(out)
    (path,) = out.glob("*.csv")
    lines = list(csv.DictReader(io.StringIO(path.read_text())))
    assert [float(line["close"]) for line in lines] == table.column("close").to_pylist()
    assert page["row_count"] == table.num_rows == len(lines) == 72
    assert page["time_range"] == {"start": utc(day_start(DAY)), "end": utc(day_start(DAY) + 71 * HOUR)}
    assert sorted(page["files"]) == sorted(one.name for one in out.iterdir() if one.suffix != ".json")
    for name, about in page["files"].items():
        data = (out / name).read_bytes()
        assert about == {
            "format": name.rpartition(".")[2],
            "bytes": len(data),
            "sha256": hashlib.sha256(data).hexdigest(),
        }
    read = page["manifests"]["parquet/1h/BTCUSDT"]
    assert read == {
        str(day): hashlib.sha256((shelf.day_folder(day) / "MANIFEST.tsv").read_bytes()).hexdigest()
        for day in lakes.the_days(3)
    }
    assert (page["exchange"], page["coin"], page["quote"], page["market_type"]) == ("binance", "BTC", "USDT", "perps")
    assert page["command"].startswith("python -m reports export all --coin BTC --intervals 1h --format both")
    assert page["source"] == ["binance: klines, funding (last settled, venue)"] and "synthetic" not in page
    units = {one["name"]: one["unit"] for one in page["columns"]}
    assert (units["close"], units["volume"], units["funding_rate"]) == ("USDT", "BTC", "fraction")


def test_a_synthetic_lake_says_so_on_the_page(root: Path, out: Path) -> None:
    lakes.committed(lakes.a_shelf(root))
    run(root, out, *bars("candles"))
    assert "SYNTHETIC" in page_of(out)["synthetic"] and page_of(out)["exchange"] == "sim"


def test_days_that_are_not_committed_are_named(root: Path, out: Path) -> None:
    five = lakes.the_days(5)
    kept(lakes.a_shelf(root), {day: bars_of(day, HOURS) for day in (five[0], five[1], five[4])})
    run(root, out, *bars("candles"))
    assert page_of(out)["missing_days"] == [[str(five[2]), str(five[3])]]


@pytest.mark.parametrize(
    ("words", "opens"),
    [
        (["--start-time", "2025-05-01", "--end-time", "2025-05-02"], range(24)),
        (["--start-time", "2025-05-01T05:00:00", "--end-time", "2025-05-01T07:00:00"], range(5, 7)),
        (["--start-time", "2025-05-01T05:00:01", "--end-time", "2025-05-01T07:00:01"], range(6, 8)),
        (["--start-time", "2025-05-01T07:00:00+02:00", "--end-time", "2025-05-01T07:00:00Z"], range(5, 7)),
        (["--start-time", "1746075600", "--end-time", "1746082800"], range(5, 7)),
        (["--start-time", "2025-05-03T20:00"], range(68, 72)),
        (["--end-time", "2025-05-01T02"], range(2)),
        (["--days", "1"], range(48, 72)),
        (["--days", "400"], range(72)),
        ([], range(72)),
    ],
)
def test_a_range_acts_on_the_open_and_leaves_its_end_out_wherever_the_machine_stands(
    root: Path, out: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], opens: range
) -> None:
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    try:
        a_lake(root)
        assert run(root, out, *bars("candles"), *words) == 0
    finally:
        monkeypatch.undo()
        time.tzset()
    assert opens_of(table_of(out)) == list(opens)


def test_days_end_with_the_last_committed_bar(root: Path, out: Path) -> None:
    last = bars_of(THIRD, HOURS).slice(0, 10)
    kept(lakes.a_shelf(root), {DAY: bars_of(DAY, HOURS), NEXT: bars_of(NEXT, HOURS), THIRD: last})
    run(root, out, *bars("candles"), "--days", "1")
    assert opens_of(table_of(out)) == list(range(34, 58))


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ("candles --coin btc --intervals 1h", 1, "did you mean BTC?"),
        ("candles --coin DOGE --intervals 1h", 1, "those of BTC;.*p1_ingest ingest"),
        ("candles --coin BTC --intervals 1m", 1, "held at 1h, and 1m.*--tf 1m.*brings it"),
        ("candles --coin BTC --intervals 7h", 2, "'7h' is not one of"),
        ("candles --coin BTC --intervals 1h --days 3 --start-time 2025-05-01", 2, "not both"),
        ("candles --coin BTC --intervals 1h --days 3 --end-time 2025-05-01", 2, "not both"),
        ("candles --coin BTC --intervals 1h --start-time 2025-05-02 --end-time 2025-05-02", 2, "before --end-time"),
        ("candles --coin BTC --intervals 1h --start-time yesterday", 2, "no instant"),
        ("candles --coin BTC --intervals 1h --start-time 1746075600000", 2, "no instant"),
        ("candles --coin BTC --intervals 1h --start-time 20250501", 2, "no instant"),
        ("candles --coin BTC --intervals 1h --end-time 2024-02-01", 1, "no data before 2024.*holds.*2025"),
        ("oi --coin BTC --start-time 2026-01-01", 1, "no data from 2026-01-01T00:00:00.000Z on"),
        ("oi --coin BTC --start-time 2026-01-01 --end-time 2026-01-02", 1, "no data in 2026-01-01T.* … 2026-01-02T"),
        ("candles --coin BTC --intervals 1h --exchange hyperliquid", 1, "BTCUSDT .binance BTC/USDT perps., not as"),
        ("candles --coin BTC --intervals 1h --quote USDC", 1, "not as USDC"),
        ("candles --coin BTC --intervals 1h --market-type spot", 1, "not as spot"),
        ("candles --coin BTC", 2, "--intervals"),
        ("candles --coin BTC --intervals ,", 2, "--intervals ',' names nothing"),
        ("funding", 2, "--coin"),
        ("funding --coin ,", 2, "--coin ',' names nothing"),
        ("features --coin BTC", 1, "holds no features"),
        ("candles --coin BTC --intervals 1h --days 0", 2, "--days"),
    ],
)  # fmt: skip
def test_what_cannot_be_exported_is_one_line_and_no_file(
    root: Path, out: Path, capsys: pytest.CaptureFixture[str], words: str, code: int, said: str
) -> None:
    a_lake(root)
    assert run(root, out, *words.split()) == code
    assert re.search(said, failure(capsys))
    assert not out.exists() or not list(out.iterdir())


def test_a_damaged_day_leaves_no_file(
    root: Path, out: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows, "CHUNK", 1)  # two days are written before the third is found damaged
    shelf = a_lake(root)
    part = shelf.day_folder(THIRD) / shelf.part_name(THIRD)
    part.write_bytes(part.read_bytes()[:-9] + b"damaged!!")
    assert run(root, out, *bars("all")) == 1
    assert "sha256 differs" in failure(capsys) and not list(out.iterdir())


def test_names_that_are_taken_are_left_alone(root: Path, out: Path) -> None:
    a_lake(root, 1)
    for form in ("csv", "parquet", "both"):
        assert run(root, out, *bars("candles"), "--format", form) == 0
    assert sorted(path.suffix for path in out.iterdir()) == sorted([".csv", ".parquet", ".json"] * 2 + [".json"])
    assert len({path.stem for path in out.iterdir()}) == 3


def test_two_exports_of_one_second_have_a_name_each(root: Path, out: Path) -> None:
    a_lake(root, 2)
    known, now, found = held(root, DATASETS["bars"], Named("BTC")), datetime(2026, 1, 1, tzinfo=UTC), []

    def export(days: int) -> Export:
        return next(plan.exports("candles", known, "1h", Asked(days)))

    def another() -> Iterator[rows.Piece]:
        found.append(writing.write(export(1), ["csv"], out, "", now))
        yield from ()

    longer = export(2)
    pieces = chain(longer.pieces, another())
    found.append(writing.write(replace(longer, pieces=pieces), ["csv"], out, "", now))
    assert [one.page["row_count"] for one in found] == [24, 48]
    assert [len(one.paths[0].read_text().splitlines()) for one in found] == [25, 49]
    assert len(list(out.iterdir())) == 4


def test_the_lakes_own_folders_are_no_place_for_exports(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    a_lake(root, 1)
    assert run(root, root / "parquet", *bars("candles")) == 1
    assert "outside" in failure(capsys)


def test_exchange_quote_and_market_type_name_the_symbol(root: Path, out: Path) -> None:
    for symbol in ("BTCUSDT", "BTCUSDC", "BTC-USDT_BINANCE", "BTC-USDT_USDT_BYBIT"):
        a_lake(root, 1, symbol=symbol)
    for words, symbol in (
        (["--quote", "usdc"], "BTCUSDC"),
        (["--market-type", "spot"], "BTC-USDT_BINANCE"),
        (["--exchange", "bybit"], "BTC-USDT_USDT_BYBIT"),
        (["--exchange", "binance", "--quote", "USDT", "--market-type", "perps"], "BTCUSDT"),
    ):
        assert run(root, out / symbol, *bars("candles"), *words) == 0
        assert page_of(out / symbol)["symbol"] == symbol


def test_of_several_markets_none_is_chosen_in_silence(
    root: Path, out: Path, capsys: pytest.CaptureFixture[str]
) -> None:  # fmt: skip
    for symbol in ("BTCUSDT", "BTC-USDT_USDT_BYBIT"):
        a_lake(root, 1, symbol=symbol)
    assert run(root, out, *bars("candles")) == 1
    assert re.search("BTC-USDT_USDT_BYBIT.*BTCUSDT.*--exchange", failure(capsys))
    assert run(root, out, "candles", "--coin", "BTCUSDT", "--intervals", "1h") == 0


def test_the_usdt_perpetual_is_meant_where_nothing_is_said(root: Path, out: Path) -> None:
    for symbol in ("BTCUSDC", "BTCUSDT", "BTC-USDT_BINANCE"):
        a_lake(root, 1, symbol=symbol)
    assert run(root, out, *bars("candles")) == 0
    assert page_of(out)["symbol"] == "BTCUSDT"


def test_several_coins_fail_each_on_its_own(root: Path, out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for symbol in ("BTCUSDT", "SOLUSDT"):
        a_lake(root, 1, symbol=symbol)
    assert run(root, out, "candles", "--coin", "BTC,DOGE,SOL", "--intervals", "1h") == 1
    assert "DOGE" in failure(capsys) and len(list(out.glob("*.json"))) == 2


@pytest.mark.parametrize("interval", ["2h", "4h", "1d"])
def test_longer_bars_are_whole_groups_of_the_finest(root: Path, out: Path, interval: str) -> None:
    holed = bars_of(NEXT, HOURS).filter(pa.array([i != 5 for i in range(24)]))
    shelf = kept(lakes.a_shelf(root), {DAY: bars_of(DAY, HOURS), NEXT: holed})
    assert run(root, out, "all", "--coin", "BTC", "--intervals", interval) == 0
    tf = TIMEFRAMES[interval]
    made = pa.concat_tables(grouped(days.need(shelf, day).table(), day, HOURS, tf) for day in (DAY, NEXT))
    found = table_of(out)
    for name, of in {
        "ts": "ts",
        "open": "open",
        "high": "high",
        "volume": "volume",
        "funding_rate": "funding_now",
    }.items():
        assert found.column(name).equals(made.column(of)), name
    assert made.num_rows == 2 * tf.per_day - 1


def test_an_interval_is_made_of_those_bars_that_hold_most_of_the_range(root: Path, out: Path) -> None:
    a_lake(root, 2, "1h")
    a_lake(root, 1, "15m")
    a_lake(root, 1, "4h")
    words = ["candles", "--coin", "BTC", "--intervals", "4h"]
    for end, made_of in (("2025-05-03", "P1 1h BTCUSDT"), ("2025-05-02", "P1 4h BTCUSDT")):
        run(root, out / end, *words, "--start-time", "2025-05-01", "--end-time", end)
        assert page_of(out / end)["made_of"] == made_of
    run(root, out / "2h", *words[:-1], "2h", "--start-time", "2025-05-01", "--end-time", "2025-05-02")
    assert page_of(out / "2h")["made_of"] == "P1 15m BTCUSDT"


@pytest.mark.parametrize(
    ("tf", "made"), [("1m", "1m 15m 4h 1d"), ("5m", "5m 15m 4h 1d"), ("1h", "1h 4h 1d"), ("8h", "8h 1d")]
)
def test_all_intervals_are_those_held_and_the_usual_ones_they_make(root: Path, out: Path, tf: str, made: str) -> None:
    a_lake(root, 1, tf)
    assert run(root, out, "candles", "--coin", "BTC", "--intervals", "all", "--format", "parquet") == 0
    names = sorted(path.stem.split("_")[5] for path in out.glob("*.json"))
    assert names == sorted(made.split()) and len({path.stem[-15:] for path in out.glob("*.json")}) == 1


def test_funding_and_open_interest_are_of_the_finest_bars_held(root: Path, out: Path) -> None:
    a_lake(root, 1, "1h")
    a_lake(root, 1, "5m")
    for kind in ("funding", "oi"):
        run(root, out, kind, "--coin", "BTC", "--format", "parquet")
        assert table_of(out, WORDS[kind]).num_rows == 288


def test_the_next_settlement_follows_the_one_the_rate_comes_from(root: Path, out: Path) -> None:
    hours = [*[8.0] * 20, 4.0, 4.0, None, 8.0]
    kept(lakes.a_shelf(root), {DAY: bars_of(DAY, HOURS, cells={"funding_interval_hours": hours})})
    run(root, out, *bars("funding"))
    found = [
        None if at is None else (at - day_start(DAY)) / HOUR
        for at in table_of(out).column("next_funding_time").cast(pa.int64()).to_pylist()
    ]
    assert found == [8.0] * 8 + [16.0] * 8 + [24.0] * 4 + [20.0, 20.0, None, 24.0]


def plainly(cells: list[float | None], n: int) -> list[float | None]:
    """What n bars up to each one add up to."""
    windows = [cells[max(0, i + 1 - n) : i + 1] for i in range(len(cells))]
    return [None if len(window) < n or None in window else sum(window) for window in windows]  # type: ignore[misc]


def test_a_days_volume_is_that_of_the_last_24_hours_and_null_where_a_bar_is_missing(root: Path, out: Path) -> None:
    volumes = np.random.default_rng(7).random(96).round(3).tolist()
    volumes[40] = None
    four = lakes.the_days(4)
    tables = {
        day: bars_of(day, HOURS, cells={"volume": volumes[24 * i : 24 * i + 24]}) for i, day in enumerate(four)
    }  # fmt: skip
    tables[four[3]] = tables[four[3]].filter(pa.array([i != 20 for i in range(24)]))
    shelf = kept(lakes.a_shelf(root), tables)
    run(root, out / "all", *bars("oi"))
    found = table_of(out / "all").column("day_base_volume").to_pylist()
    wanted = plainly([*volumes[:92], None, *volumes[93:]], 24)
    del wanted[92]
    assert [one is None for one in found] == [one is None for one in wanted]
    assert [one for one in found if one] == pytest.approx([one for one in wanted if one], rel=1e-12)
    run(root, out / "late", *bars("oi"), "--start-time", "2025-05-04")
    late = table_of(out / "late").column("day_base_volume").to_pylist()
    assert late == found[72:] and any(late)
    assert str(four[2]) in page_of(out / "late")["manifests"]["parquet/1h/BTCUSDT"]
    daily = grouped(days.need(shelf, DAY).table(), DAY, HOURS, TIMEFRAMES["1d"]).column("volume").to_pylist()
    assert found[23] == daily[0]


def test_a_day_that_is_not_committed_is_missing_in_the_24_hours_after_it(root: Path, out: Path) -> None:
    kept(lakes.a_shelf(root), {day: bars_of(day, HOURS) for day in (DAY, THIRD)})
    run(root, out, *bars("oi"))
    assert table_of(out).column("day_base_volume").is_valid().to_pylist() == [*[False] * 23, True] * 2


def test_days_of_two_schemas_are_not_mixed(
    learnt: Path, root: Path, out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lakes.copied(learnt, root)
    shelf = lakes.a_shelf(root, p3_lake.TF, p3_lake.SYMBOLS[0], "features")
    other = shelf.days_on_disk()[3]
    kept(shelf, {other: days.need(shelf, other).table().drop_columns("ret_4h")})
    for kind in ("features", "train"):
        assert run(root, out, kind, "--coin", "BTC", "--intervals", p3_lake.TF) == 1
        assert "two schemas" in failure(capsys) and not list(out.glob("*"))


def test_a_spike_that_has_left_the_24_hours_has_left_their_sum() -> None:
    calm = np.full(24, 0.1)
    spiked = np.append(1e18, calm[1:])
    assert rows.trailing(spiked, calm)[0] == pytest.approx(2.4, rel=1e-14)
    assert rows.trailing(calm, calm).tolist() == [2.4] * 24


def test_a_year_is_read_a_few_days_at_a_time(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shelf = lakes.planted(lakes.a_shelf(root, "12h"), lakes.the_days(200))
    read: list[date] = []
    real = days.read
    monkeypatch.setattr(days, "read", lambda shelf, day: read.append(day) or real(shelf, day))
    pieces = rows.of_bars(shelf, shelf.tf, Asked().between([shelf]), columns.of_bars("merged"))
    next(pieces)
    assert len(read) <= rows.CHUNK + 1


def test_nothing_is_published_while_an_export_reads(
    root: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    a_lake(root, 1)
    held = []

    def probed(*_: object) -> Iterator[object]:
        fd = os.open(root / ".lake" / "locks" / "publish", os.O_RDWR)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            held.append(True)
        finally:
            os.close(fd)
        return iter(())

    monkeypatch.setattr(cli, "_of", probed)
    assert run(root, out, *bars("candles")) == 0 and held == [True]


def test_what_a_killed_export_left_goes_with_the_next_of_its_name_and_no_other(root: Path, out: Path) -> None:
    a_lake(root, 1)
    out.mkdir()
    gone = subprocess.Popen([sys.executable, "-c", ""])
    assert gone.wait(60) == 0
    here, name = os.uname().nodename, "candles_binance_BTC_USDT_perps_1h_20250101_00000"
    kept = {
        f".{name}1.held": f"{os.getpid()} {here}",  # at work
        f".{name}2.held": f"{gone.pid} elsewhere",  # of another machine, and young
        ".funding_binance_BTC_USDT_perps_20250101_000000.held": f"{gone.pid} {here}",
    }
    left = {f".{name}0.held": f"{gone.pid} {here}", f".{name}0.parquet.{gone.pid}.tmp": "half", f".{name}3.held": "?"}
    for each, text in (kept | left).items():
        (out / each).write_text(text)
    os.utime(out / f".{name}3.held", (0, 0))
    assert run(root, out, *bars("candles")) == 0
    assert {path.name for path in out.iterdir() if path.name.startswith(".")} == {*kept}


@pytest.mark.parametrize("kind", ["features", "labels", "train"])
def test_features_labels_and_the_training_table_are_the_lakes_own(learnt: Path, out: Path, kind: str) -> None:
    symbol, tf = p3_lake.SYMBOLS[0], p3_lake.TF
    assert run(learnt, out, kind, "--coin", symbol, "--intervals", str(tf)) == 0
    found = table_of(out, kind)
    read = lake.train_table if kind == "train" else partial(lake.load, of=kind)
    assert found.drop_columns("time").equals(read(symbol, str(tf), lake=learnt, as_="arrow").combine_chunks())
    assert set(pc.subtract(found.column("ts"), found.column("time")).to_pylist()) == {timedelta(hours=1)}
    page = page_of(out, kind)
    assert page["row_count"] == found.num_rows and all("unit" in one for one in page["columns"])
    assert all(one["unit"] or one["meaning"] for one in page["columns"])


def test_features_of_an_interval_that_is_not_held_are_refused(
    learnt: Path, out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(learnt, out, "features", "--coin", p3_lake.SYMBOLS[0], "--intervals", "1m") == 1
    assert re.search(f"held at {p3_lake.TF}, not at 1m", failure(capsys))
