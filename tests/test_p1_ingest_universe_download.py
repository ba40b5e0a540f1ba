"""Exactly a universe's active symbol-days come into the lake, and the report accounts for every one of them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lake import days, notes, universes
from lake.ending import status
from meta.errors import Usage
from meta.timeframes import DAY, day_start
from meta.universe import Snapshot, Universe
from p1_ingest import cli
from p1_ingest.replay_cli import replayed
from p1_ingest.served import NEVER_SERVED, NOT_ASKED
from p1_ingest.universe import RetryConfig, download_universe_data
from p1_ingest.wanted import Choice
from tests import cast, lakes
from tests.archive import Archive
from tests.canned import Canned, reply
from tests.mirror import Mirror, mirrored

LENGTH = 6
NAMES = ("S00USDT", "LATEUSDT", "GONEUSDT", "TORNUSDT")
LIVES = [life for life in cast.cast(LENGTH, 1, 2, 2) if life.symbol in NAMES]
NOW = day_start(cast.on(LENGTH)) + 40 * DAY
TORN = LENGTH // 2


def universe() -> Universe:
    """By the lives themselves; UNKNOWNUSDT never, and nothing on the fifth day."""
    snapshots = []
    for number in range(LENGTH):
        day, active = cast.on(number), []
        for life in LIVES:
            if day in life.days() and number != 4 and not (life.opens and day == cast.on(life.stretches[0][0])):
                active.append(life.symbol)
        missing = {name: "no_kline_on_date" for name in (*NAMES, "UNKNOWNUSDT") if name not in active}
        snapshots.append(Snapshot(str(day), tuple(active), missing))
    bounds = (str(cast.on(0)), str(cast.on(LENGTH - 1)))
    return Universe("2.1", (*NAMES, "UNKNOWNUSDT"), *bounds, tuple(snapshots), "2026-02-21T00:00:00+00:00")


@pytest.fixture(scope="module")
def archive() -> Iterator[Path]:
    with lakes.scratch() as root:
        cast.publish(Archive(root), LIVES)
        yield root


def point_at(patch: pytest.MonkeyPatch, url: str) -> None:
    for name in ("VISION", "LISTING", "FAPI", "SPOT"):
        patch.setenv(f"BINANCE_{name}_URL", url)


@pytest.fixture
def mirror(archive: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mirror]:
    made = Mirror(archive)
    with mirrored(made) as url:
        point_at(monkeypatch, url)
        yield made


@pytest.fixture
def file(tmp_path: Path) -> Path:
    universes.write(tmp_path / "u.json", universe())
    return tmp_path / "u.json"


@pytest.fixture(scope="module")
def full(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any], list[str]]:
    """The universe's whole lake, its report, and what was asked for it."""
    where = tmp_path_factory.mktemp("full")
    universes.write(where / "u.json", universe())
    with pytest.MonkeyPatch.context() as patch, mirrored(made := Mirror(archive)) as url:
        point_at(patch, url)
        report = download(where / "u.json", where / "lake")
    return where, report, made.files()


def download(file: Path, lake: Path, **more: Any) -> dict[str, Any]:
    return download_universe_data(
        file, lake=lake, **{"interval": "1h", "now": lambda: NOW, "api_request_delay": 0.0, **more}
    )


def held(lake: Path) -> dict[str, set[str]]:
    """Which days of which symbols are committed?"""
    found = {name: days.committed(lakes.a_shelf(lake, "1h", name)) for name in (*NAMES, "UNKNOWNUSDT")}
    return {name: {str(day) for day in known} for name, known in found.items()}


def active() -> dict[str, set[str]]:
    found: dict[str, set[str]] = {name: set() for name in (*NAMES, "UNKNOWNUSDT")}
    for day in universe().daily_snapshots:
        for name in day.active_symbols:
            found[name].add(day.date)
    return found


def torn() -> set[str]:
    """Its file of metrics serves its own day and the day after."""
    return {str(cast.on(TORN)), str(cast.on(TORN - 1))}


# --- what comes in


def test_the_active_symbol_days_come_in_and_no_other(full: tuple[Path, dict[str, Any], list[str]]) -> None:
    expected = active()
    expected["TORNUSDT"] -= torn()
    assert held(full[0] / "lake") == expected


def test_the_report_accounts_for_every_active_symbol_day(full: tuple[Path, dict[str, Any], list[str]]) -> None:
    report = full[1]
    pairs = sum(map(len, active().values()))
    assert report["total_day_symbol_pairs"] == pairs
    assert report["stats"] == {
        "in_lake": pairs - 2, "written": pairs - 2, "already_there": 0, "unchanged": 0, "waiting": 0, "failed": 2,
    }  # fmt: skip
    assert set(report["failed"]["TORNUSDT"]) == torn() and "CHECKSUM" in str(report["failed"])
    assert report["skipped_days"] == [str(cast.on(4))] and report["total_symbols"] == 4
    json.dumps(report)


def test_the_universe_stays_as_it_is_and_a_second_run_asks_for_nothing_it_has(
    full: tuple[Path, dict[str, Any], list[str]], mirror: Mirror
) -> None:
    where, before = full[0], (full[0] / "u.json").read_bytes()
    files = lakes.day_folders(where / "lake")
    report = download(where / "u.json", where / "lake")
    assert (where / "u.json").read_bytes() == before and lakes.day_folders(where / "lake") == files
    assert report["stats"]["written"] == 0 and report["stats"]["already_there"] == report["stats"]["in_lake"]
    assert {path for path in mirror.files() if "TORNUSDT" not in path} == set()


def test_a_part_of_the_range_is_downloaded(tmp_path: Path, file: Path, mirror: Mirror) -> None:
    report = download(file, tmp_path / "lake", end_date=str(cast.on(1)))
    assert report["date_range"] == {"start_date": str(cast.on(0)), "end_date": str(cast.on(1))}
    assert set().union(*held(tmp_path / "lake").values()) == {str(cast.on(0)), str(cast.on(1))}


def test_not_incremental_asks_again_and_changes_nothing(tmp_path: Path, file: Path, mirror: Mirror) -> None:
    lake, chosen = tmp_path / "lake", {"end_date": cast.on(0), "download_market_metrics": False}
    download(file, lake, **chosen)
    mirror.files()
    report = download(file, lake, incremental=False, **chosen)
    assert mirror.asked and report["stats"]["unchanged"] == report["stats"]["in_lake"] == 3


# --- candles alone


def test_without_metrics_candles_alone_are_asked_for(tmp_path: Path, file: Path, mirror: Mirror) -> None:
    lake = tmp_path / "lake"
    report = download(file, lake, download_market_metrics=False)
    assert all("/klines/" in path and "/spot/" not in path for path in mirror.files())
    assert report["stats"]["failed"] == 0 and held(lake) == active()
    shelf = lakes.a_shelf(lake, "1h", "S00USDT")
    table = days.need(shelf, cast.on(0)).table()
    assert table.column("close").null_count == 0 and table.column("oi_now").null_count == table.num_rows
    offered = (notes.read(shelf, notes.OFFERED) or {})["columns"]
    assert offered["close"] is True and offered["oi_now"] == NOT_ASKED


def test_metrics_come_to_candles_and_candles_leave_them_alone(
    tmp_path: Path, file: Path, mirror: Mirror, full: tuple[Path, dict[str, Any], list[str]]
) -> None:
    lake = tmp_path / "lake"
    download(file, lake, download_market_metrics=False, end_date=cast.on(1))
    download(file, lake, end_date=cast.on(1))
    both = lakes.day_folders(lake)
    assert both and all(both[name] == lakes.day_folders(full[0] / "lake")[name] for name in both)
    mirror.files()
    download(file, lake, download_market_metrics=False, end_date=cast.on(1))
    assert lakes.day_folders(lake) == both and not mirror.files()


def test_days_of_candles_hide_no_series_that_is_never_served(tmp_path: Path, file: Path, mirror: Mirror) -> None:
    """Else features would wait for inputs that never come."""
    lake, answer = tmp_path / "lake", mirror.answer
    mirror.answer = lambda path, headers: (404, {}, b"") if "/metrics/" in path else answer(path, headers)  # type: ignore[method-assign]
    mirror.version = 0
    download(file, lake, download_market_metrics=False, end_date=cast.on(0))
    download(file, lake, start_date=cast.on(1), end_date=cast.on(1))
    columns = (notes.read(lakes.a_shelf(lake, "1h", "S00USDT"), notes.OFFERED) or {})["columns"]
    assert columns["oi_now"] == NEVER_SERVED and columns["mark_price"] is True


def test_a_download_replays(tmp_path: Path, file: Path, mirror: Mirror) -> None:
    lake = tmp_path / "lake"
    download(file, lake, download_market_metrics=False, end_date=cast.on(1))
    shelf = lakes.a_shelf(tmp_path / "again", "1h", "S00USDT")
    replayed("binance", lake, {shelf: lakes_span()}, Choice(refresh_tail=0), lambda line: None)
    mine = {name: files for name, files in lakes.day_folders(lake).items() if "S00USDT" in name}
    assert mine and lakes.day_folders(tmp_path / "again") == mine


def lakes_span() -> Any:
    from lake.span import Span

    return Span()


# --- what goes wrong


def test_a_venue_that_refuses_is_not_asked_for_the_other_symbols(
    tmp_path: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Canned(reply(b"no", 403)) as refusing:
        point_at(monkeypatch, refusing.url)
        report = download(file, tmp_path / "lake", workers=1)
        heads = len(refusing.heads)
    assert report["stats"]["failed"] == report["total_day_symbol_pairs"] and "firewall" in str(report["failed"])
    assert heads < 20 and not any("LATEUSDT" in head for head in refusing.heads)


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Any:
    def run(*words: str) -> tuple[int, str, str]:
        code = status(cli.commands, "p1_ingest", ["universe", *words])
        told = capsys.readouterr()
        return code, told.out, told.err

    return run


def test_the_command_tells_what_became_of_them_and_fails_for_those_that_are_not_there(
    tmp_path: Path, file: Path, mirror: Mirror, command: Any
) -> None:
    words = ("download", "--universe-file", str(file), "--interval", "1h", "--lake", str(tmp_path / "lake"))
    words += ("--start-date", min(torn()), "--end-date", max(torn()))
    code, out, err = command(*words)
    assert code == 1 and "6 active symbol-days of 3 symbols: 4 in the lake (4 written" in out
    assert f"error: TORNUSDT: not in the lake: {min(torn())} … {max(torn())}: TORNUSDT-metrics" in err
    shutil.rmtree(tmp_path / "lake")
    code, out, _ = command(*words, "--no-download-market-metrics", "--json")
    assert code == 0 and json.loads(out)["stats"]["in_lake"] == 6


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--start-date", "2024-03-03"), "is not within the universe's"),
        (("--end-date", "2024-12-31"), "is not within the universe's"),
        (("--start-date", "2024-03-07", "--end-date", "2024-03-05"), "swap them"),
        (("--end-date", "yesterday"), "is not a date"),
        (("--db-path", "market.db"), "give --lake ROOT"),
        (("--interval", "5x"), "timeframe '5x'"),
    ],
)
def test_bad_input_is_refused_before_anybody_is_asked(
    tmp_path: Path, file: Path, mirror: Mirror, command: Any, words: tuple[str, ...], says: str
) -> None:
    code, _, err = command("download", "--universe-file", str(file), "--lake", str(tmp_path / "lake"), *words)
    assert code == 2 and says in err and not mirror.asked and not (tmp_path / "lake").exists()


def test_the_keywords_of_the_older_tool_are_understood(tmp_path: Path, file: Path, mirror: Mirror) -> None:
    with pytest.raises(Usage, match="there is no database"):
        download_universe_data(universe_file=file, db_path="market.db")
    told = list[str]()
    download_universe_data(
        universe_file=str(file), retry_config=RetryConfig(max_retries=0), api_request_delay=0.0,
        vision_request_delay=0.0, download_market_metrics=False, incremental=True, interval="1h",
        start_date="2024-03-04", end_date="2024-03-04", lake=tmp_path / "lake", progress=told.append, now=lambda: NOW,
    )  # fmt: skip
    assert told[-1] == "3 of 3 symbols, 0 s left: TORNUSDT: 1 days: 1 written, 0 already there, 0 not there"
