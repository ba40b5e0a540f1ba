"""A universe tells what could be traded on each day, by that day's own klines, and no list of today changes it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from lake import universes
from lake.ending import status
from meta.errors import NotReady, Refused, Retryable, VenueRefused
from meta.timeframes import DAY, HOUR, day_start, days_between
from meta.universe import Universe
from p1_ingest import cli, venues
from p1_ingest.http import Sender
from p1_ingest.sources.binance import Binance, BinanceConf, Hosts
from p1_ingest.universe import define_universe, evidence
from p1_ingest.universe.top import Top
from tests import cast, lakes
from tests.archive import Archive
from tests.binance_venue import Venue, contract, open_venue
from tests.canned import Canned, reply
from tests.mirror import Mirror, mirrored

LENGTH = 10
LIVES = cast.cast(LENGTH, 3)
SYMBOLS = cast.symbols(LIVES)
DAYS = [cast.on(i) for i in range(LENGTH)]
NOW = day_start(cast.on(LENGTH + 3)) + 30 * DAY
FIRST, LAST, HALF = 0, LENGTH - 1, LENGTH // 2


def point_at(patch: pytest.MonkeyPatch, archive: str, rest: str = "") -> None:
    for name in ("VISION", "LISTING", "FAPI", "SPOT"):
        patch.setenv(f"BINANCE_{name}_URL", rest if rest and name in ("FAPI", "SPOT") else archive)
    patch.setenv("SOURCE_DATE_EPOCH", "1700000000")


@pytest.fixture(scope="module")
def archive() -> Iterator[Path]:
    with lakes.scratch() as root:
        cast.publish(Archive(root), LIVES, with_metrics=False)
        yield root


@pytest.fixture(scope="module")
def whole(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Universe]:
    """The whole cast, defined once."""
    with pytest.MonkeyPatch.context() as patch, mirrored(Mirror(archive)) as url:
        point_at(patch, url)
        yield define(tmp_path_factory.mktemp("whole"))


@pytest.fixture
def mirror(archive: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mirror]:
    made = Mirror(archive)
    with mirrored(made) as url:
        point_at(monkeypatch, url)
        yield made


def define(path: Path, symbols: list[str] = SYMBOLS, first: int = FIRST, last: int = LAST, **more: Any) -> Universe:
    more = {"interval": "1h", "now": lambda: NOW, **more}
    return define_universe(symbols, cast.on(first), cast.on(last), path / "u.json", **more)


def reasons(found: Universe, symbol: str) -> list[str]:
    return [day.missing_symbols.get(symbol, "") for day in found.daily_snapshots]


def there(life: cast.Life, number: int) -> bool:
    """By its life alone: did it trade from the day's first hour on, by a file that can be believed?"""
    day, first_day = cast.on(number), cast.on(life.stretches[0][0])
    bad = number in life.lost or number in life.broken.get("klines", ())
    return day in life.days() and not bad and not (day == first_day and life.opens)


# --- the truth of a day


def test_a_symbol_is_there_on_the_days_it_traded_on_and_delisting_it_later_changes_none(
    whole: Universe,
) -> None:
    expected = {str(day): {one.symbol for one in LIVES if there(one, i)} for i, day in enumerate(DAYS)}
    assert universes.active(whole) == expected
    gone = next(life for life in LIVES if life.symbol == "GONEUSDT")
    assert not gone.survives(LENGTH + 2) and "GONEUSDT" in expected[str(cast.on(HALF))]


def test_each_day_accounts_for_each_symbol_once(whole: Universe) -> None:
    assert [day.date for day in whole.daily_snapshots] == [str(day) for day in DAYS]
    for day in whole.daily_snapshots:
        assert sorted([*day.active_symbols, *day.missing_symbols]) == sorted(SYMBOLS)
    assert universes.decoded(universes.encoded(whole), "u.json") == whole


@pytest.mark.parametrize(
    ("symbol", "expected"),
    [
        ("S00USDT", {}),
        ("LATEUSDT", {**dict.fromkeys(range(HALF), "not_listed_yet"), HALF: "partial_day"}),
        ("GONEUSDT", dict.fromkeys(range(HALF + 1, LENGTH), "delisted")),
        ("DOOMEDUSDT", {LAST: "delisted"}),
        ("BACKUSDT", dict.fromkeys(range(1, LENGTH - 2), "between_listings")),
        ("HOLEUSDT", {}),
        ("LOSTUSDT", {HALF - 1: "no_kline_on_date"}),
        ("CRACKUSDT", {HALF + 1: "unverified_kline"}),
        ("BYGONEUSDT", dict.fromkeys(range(LENGTH), "delisted")),
        ("FUTUREUSDT", dict.fromkeys(range(LENGTH), "not_listed_yet")),
        ("UNKNOWNUSDT", dict.fromkeys(range(LENGTH), "unknown_symbol")),
    ],
)
def test_why_a_symbol_was_not_there_is_told(whole: Universe, symbol: str, expected: dict[int, str]) -> None:
    assert reasons(whole, symbol) == [expected.get(i, "") for i in range(LENGTH)]


def test_the_day_of_its_delisting_is_a_day_it_was_there(tmp_path: Path, mirror: Mirror) -> None:
    """Leaving it out would hide the worst day a holder had."""
    found = define(tmp_path, ["GONEUSDT"], HALF, HALF)
    assert found.daily_snapshots[0].active_symbols == ("GONEUSDT",)


def test_days_without_any_symbol_are_kept(tmp_path: Path, mirror: Mirror) -> None:
    found = define(tmp_path, ["UNKNOWNUSDT", "BYGONEUSDT"])
    assert len(found.daily_snapshots) == LENGTH and not any(day.active_symbols for day in found.daily_snapshots)
    assert found.requested_symbols == ("UNKNOWNUSDT", "BYGONEUSDT")


def test_the_evidence_tells_the_klines_and_nothing_after_the_universes_end(tmp_path: Path, mirror: Mirror) -> None:
    found = define(tmp_path, ["LATEUSDT", "CRACKUSDT", "BACKUSDT"]).evidence
    assert found is not None and found.listing and found.interval == "1h"
    late, cracked, back = (found.symbols[name] for name in ("LATEUSDT", "CRACKUSDT", "BACKUSDT"))
    assert late.klines == ((str(cast.on(HALF)), str(cast.on(LAST))),)
    assert late.first_bars == {str(cast.on(HALF)): f"{cast.on(HALF)}T08:00:00.000Z"}
    assert "its .CHECKSUM says 000000000000" in cracked.unverified[str(cast.on(HALF + 1))]
    assert back.klines[0] == (str(cast.on(-3)), str(cast.on(0))) and len(back.klines) == 2


def test_a_file_that_differs_from_its_checksum_is_believed_where_that_is_asked_for(
    tmp_path: Path, mirror: Mirror
) -> None:
    found = define(tmp_path, ["CRACKUSDT"], accept_checksum=True)
    assert reasons(found, "CRACKUSDT") == [""] * LENGTH


def test_a_months_broken_file_is_made_up_for_by_its_days(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    month, life = days_between(date(2024, 4, 1), date(2024, 4, 30)), cast.Life("S00USDT", ((28, 57),), lost=(40,))
    made = Archive(tmp_path / "a")
    cast.publish(made, [life], with_metrics=False)
    whole = made.put("data/futures/um/monthly/klines/S00USDT/1h/S00USDT-1h-2024-04.zip", cast.text(life, month))
    digest = whole.with_name(whole.name + ".CHECKSUM")
    digest.write_text("0" * 64 + digest.read_text()[64:])
    with mirrored(Mirror(tmp_path / "a", version=0)) as url:
        point_at(monkeypatch, url)
        found = define_universe(
            ["S00USDT"], month[0], month[-1], tmp_path / "u", interval="1h", now=lambda: NOW + 60 * DAY
        )
    told = dict(zip(month, reasons(found, "S00USDT"), strict=True))
    assert told.pop(cast.on(40)) == "unverified_kline", "that day the month alone would have told of"
    assert set(told.values()) == {""}


def test_months_and_days_tell_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    month, life = days_between(date(2024, 4, 1), date(2024, 4, 30)), cast.Life("S00USDT", ((28, 57),))
    daily, monthly = Archive(tmp_path / "d"), Archive(tmp_path / "m")
    cast.publish(daily, [life], with_metrics=False)
    cast.publish(monthly, [life], with_metrics=False)
    for place in monthly.root.rglob("*-2024-04-1?.zip*"):
        place.unlink()
    monthly.put(
        "data/futures/um/monthly/klines/S00USDT/1h/S00USDT-1h-2024-04.zip", cast.text(life, month), checksum=True
    )
    told = []
    for name in ("d", "m"):
        with mirrored(Mirror(tmp_path / name, version=0)) as url:
            point_at(monkeypatch, url)
            define_universe(
                ["S00USDT"], month[0], month[-1], tmp_path / name / "u", interval="1h", now=lambda: NOW + 60 * DAY
            )
        told.append((tmp_path / name / "u").read_bytes())
    assert told[0] == told[1]
    assert len(universes.decoded(told[0], "u").daily_snapshots[15].active_symbols) == 1


# --- the file


def test_the_same_archive_gives_the_same_bytes(tmp_path: Path, mirror: Mirror, whole: Universe) -> None:
    again = define(tmp_path, daily_check_workers=1)
    first = (tmp_path / "u.json").read_bytes()
    assert again == whole and first == universes.encoded(whole)
    assert json.loads(first)["created_at"] == "2023-11-14T22:13:20+00:00", "SOURCE_DATE_EPOCH"


def test_days_that_follow_in_the_archive_change_no_byte_of_the_past(tmp_path: Path, mirror: Mirror) -> None:
    """All but the reason of a symbol that comes back, which had gone for good until then."""
    steady = ["S00USDT", "LATEUSDT", "GONEUSDT", "LOSTUSDT", "BYGONEUSDT", "UNKNOWNUSDT"]
    define(tmp_path / "a", steady, last=HALF)
    mirror.until = str(cast.on(HALF + 1))
    define(tmp_path / "b", steady, last=HALF)
    assert (tmp_path / "a" / "u.json").read_bytes() == (tmp_path / "b" / "u.json").read_bytes()


def test_a_universe_that_stands_is_refused_before_anybody_is_asked(tmp_path: Path, mirror: Mirror) -> None:
    (tmp_path / "u.json").write_text("mine")
    with pytest.raises(Refused, match="a universe is not changed"):
        define(tmp_path)
    assert not mirror.asked and (tmp_path / "u.json").read_text() == "mine"
    define(tmp_path, ["S00USDT"], force=True)
    assert universes.read(tmp_path / "u.json").requested_symbols == ("S00USDT",)


def test_version_2_0_is_written_where_asked_for(tmp_path: Path, mirror: Mirror) -> None:
    found = define(tmp_path, ["S00USDT", "LATEUSDT"], compat=True, description="for the other tool")
    assert found.schema_version == "2.0" and found.evidence is None and found.description == "for the other tool"
    assert set(reasons(found, "LATEUSDT")) == {"", "no_kline_on_date", "not_full_day_on_date"}
    assert universes.read(tmp_path / "u.json") == found


def test_what_cannot_be_asked_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Canned(reply(b"no", 403)) as refusing:
        point_at(monkeypatch, refusing.url)
        with pytest.raises(VenueRefused):
            define(tmp_path, ["S00USDT"])
    assert not list(tmp_path.iterdir())


def test_a_day_that_was_not_answered_ends_it(mirror: Mirror, monkeypatch: pytest.MonkeyPatch) -> None:
    """No reason stands for trouble on the way: the day would be told otherwise tomorrow."""
    answer = mirror.answer

    def fails(path: str, headers: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
        return (503, {}, b"") if f"S01USDT-1h-{DAYS[4]}.zip" in path else answer(path, headers)

    monkeypatch.setattr(mirror, "answer", fails)
    source = Binance(BinanceConf(hosts=Hosts()), clock=lambda: NOW)
    with Sender(source.hosts, tries=1) as sender:
        venue = evidence.Venue(source, sender, cast.TF, NOW, 2)
        with pytest.raises(Retryable, match=rf"S01USDT {DAYS[4]}: .*503"):
            evidence.tapes(venue, ["S00USDT", "S01USDT"], DAYS, None, lambda line: None)


# --- the archive's listing


def test_without_a_listing_the_same_symbols_are_there_and_nothing_is_guessed_of_the_others(
    tmp_path: Path, mirror: Mirror, whole: Universe
) -> None:
    mirror.version, told = 0, list[str]()
    found = define(tmp_path, progress=told.append)
    assert universes.active(found) == universes.active(whole)
    assert set(reasons(found, "UNKNOWNUSDT")) == {"no_kline_on_date"} == set(reasons(found, "FUTUREUSDT"))
    assert reasons(found, "BACKUSDT") == reasons(whole, "BACKUSDT"), "it was seen on both sides"
    assert any("listing does not answer" in line for line in told)
    assert found.evidence is not None and not found.evidence.listing


def test_a_listing_that_is_behind_hides_nothing(tmp_path: Path, mirror: Mirror, whole: Universe) -> None:
    mirror.until = str(cast.on(HALF - 2))
    found = define(tmp_path)
    assert universes.active(found) == universes.active(whole)
    assert found.evidence is not None and found.evidence.symbols["S00USDT"].unlisted


def test_a_listing_that_is_behind_on_one_symbol_alone_hides_nothing(
    tmp_path: Path, mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = mirror.keys
    monkeypatch.setattr(mirror, "keys", lambda prefix: keys(prefix)[: 12 if "S01USDT" in prefix else None])
    assert reasons(define(tmp_path), "S01USDT") == [""] * LENGTH


def test_days_the_listing_denies_are_not_asked_for(tmp_path: Path, mirror: Mirror) -> None:
    define(tmp_path, ["S00USDT", "BYGONEUSDT", "UNKNOWNUSDT", "FUTUREUSDT"], last=HALF)
    asked = [path for path in mirror.files() if "S00USDT" not in path]
    assert len(asked) < 4 and all(path.endswith(".CHECKSUM") for path in asked), "no more than the digests beside"


def test_a_symbol_long_dead_costs_no_request_a_day(
    tmp_path: Path, mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evidence, "CONTROL", "S00USDT")
    assert set(reasons(define(tmp_path, ["BYGONEUSDT"], last=HALF), "BYGONEUSDT")) == {"delisted"}
    assert len(mirror.files()) < 3


def test_a_listing_that_falls_silent_half_way_ends_it(mirror: Mirror, monkeypatch: pytest.MonkeyPatch) -> None:
    """Other reasons would stand in the file for no reason of the archive's."""
    answer = mirror.answer

    def fails(path: str, headers: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
        return (503, {}, b"") if path.startswith("/?") and "S01USDT" in path else answer(path, headers)

    monkeypatch.setattr(mirror, "answer", fails)
    source = Binance(BinanceConf(hosts=Hosts()), clock=lambda: NOW)
    with Sender(source.hosts, tries=1) as sender:
        venue = evidence.Venue(source, sender, cast.TF, NOW, 2)
        with pytest.raises(Retryable):
            evidence.listings(venue, ["S00USDT", "S01USDT"])
        monkeypatch.setattr(evidence, "CONTROL", "S01USDT")
        assert evidence.listings(venue, ["S00USDT"]) is None, "it never answered"


# --- all symbols there ever were


def test_all_are_all_that_ever_were_and_perpetual(tmp_path: Path, archive: Path, mirror: Mirror) -> None:
    strangers = ["BTCUSDT_240628", "S00USDC", "币USDT"]
    for name in strangers:
        (archive / f"data/futures/um/daily/klines/{name}/1h").mkdir(parents=True)
        (archive / f"data/futures/um/daily/klines/{name}/1h/{name}-1h-2024-03-05.zip").touch()
    told = list[str]()
    found = define(tmp_path, [], all_symbols=True, progress=told.append)
    assert set(found.requested_symbols) == {life.symbol for life in LIVES}
    assert any(line.startswith("1 symbols of other scripts") for line in told)


def test_all_without_a_listing_is_refused(tmp_path: Path, mirror: Mirror) -> None:
    mirror.version = 0
    with pytest.raises(NotReady, match="--all needs the archive's listing"):
        define(tmp_path, [], all_symbols=True)


# --- days the archive does not have yet


@pytest.fixture
def young(archive: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Venue]:
    """The day after the archive's last is over, and REST knows of it."""
    now = day_start(cast.on(LENGTH + 4)) + 2 * HOUR
    rest = Venue(now, symbols=("S00USDT",), contracts=(contract("GONEUSDT", "SETTLING"),))
    with mirrored(Mirror(archive)) as url, open_venue(rest) as api:
        point_at(monkeypatch, url, api)
        monkeypatch.setattr(venues, "now_ms", lambda: now)
        yield rest


def newest(path: Path, *symbols: str) -> Universe:
    return define(path, list(symbols), LENGTH + 1, LENGTH + 3, now=venues.now_ms)


def test_rest_tells_of_a_day_the_archive_does_not_have_yet(tmp_path: Path, young: Venue) -> None:
    found = newest(tmp_path, "S00USDT")
    assert reasons(found, "S00USDT") == ["", "", ""]
    last = str(cast.on(LENGTH + 3))
    assert found.evidence is not None and found.evidence.symbols["S00USDT"].unlisted == ((last, last),)


def test_the_list_of_contracts_decides_a_day_that_no_kline_tells_of(tmp_path: Path, young: Venue) -> None:
    found = newest(tmp_path, "S00USDT", "GONEUSDT", "UNKNOWNUSDT")
    assert reasons(found, "GONEUSDT") == ["delisted"] * 3
    assert reasons(found, "UNKNOWNUSDT") == ["unknown_symbol"] * 3
    last = str(cast.on(LENGTH + 3))
    assert found.evidence is not None and found.evidence.symbols["GONEUSDT"].hinted[-1][1] == last


def test_a_contract_that_trades_and_has_no_kline_yet_leaves_the_universe_unwritten(
    tmp_path: Path, young: Venue
) -> None:
    young.contracts = (contract("S01USDT"),)
    with pytest.raises(NotReady, match=rf"S01USDT {cast.on(LENGTH + 3)}: it trades, and its klines are not published"):
        newest(tmp_path, "S01USDT")
    young.contracts = (contract("S01USDT", since=young.now),)
    assert reasons(newest(tmp_path, "S01USDT"), "S01USDT")[-1] == "delisted", "it is listed after that day"


def test_a_day_that_nobody_tells_of_leaves_the_universe_unwritten(tmp_path: Path, young: Venue) -> None:
    young.refuses = 451
    with pytest.raises(NotReady, match="are not published yet, and REST does not answer"):
        newest(tmp_path, "S00USDT")
    assert not (tmp_path / "u.json").exists()


# --- the largest of a day


def test_the_largest_are_those_of_the_days_before(tmp_path: Path, mirror: Mirror) -> None:
    found = define(tmp_path, top=2, lookback_days=2)
    ranked = {life.symbol: life.size for life in LIVES}
    for number, day in enumerate(found.daily_snapshots):
        assert day.selection is not None
        assert (day.selection.first_day, day.selection.last_day) == (str(cast.on(number - 2)), str(cast.on(number - 1)))
        assert list(day.selection.values) == ["S02USDT", "S01USDT"] and set(day.active_symbols) == {
            "S01USDT",
            "S02USDT",
        }
        assert ranked["S02USDT"] > ranked["S01USDT"] > 1
        assert "not_in_top" in day.missing_symbols.values() and len(day.selection.first_out) == 1
        assert len(day.active_symbols) + len(day.missing_symbols) == len(SYMBOLS)
    total, days = found.daily_snapshots[0].selection.values["S02USDT"]  # type: ignore[union-attr]
    assert days == 2 and total > 0


def test_a_symbol_without_the_whole_window_counts_what_it_has_and_one_without_any_comes_last(
    tmp_path: Path, mirror: Mirror
) -> None:
    found = define(tmp_path, ["S00USDT", "LATEUSDT", "GONEUSDT"], HALF + 1, HALF + 1, top=2, lookback_days="30d")
    (day,) = found.daily_snapshots
    assert day.selection is not None
    assert list(day.selection.values) == ["S00USDT", "LATEUSDT"] and day.selection.values["LATEUSDT"][1] == 1


def test_the_future_changes_no_selection(tmp_path: Path, archive: Path, mirror: Mirror) -> None:
    names = ["S00USDT", "S01USDT", "HOLEUSDT"]
    before = define(tmp_path / "a", names, last=HALF, top=1, lookback_days=2)
    loud = cast.Life("HOLEUSDT", ((HALF, HALF + 3),), size=1e6)
    kept = {path: path.read_bytes() for path in archive.rglob("HOLEUSDT-1h-*")}
    try:
        cast.publish(Archive(archive), [loud], with_metrics=False)
        after = define(tmp_path / "b", names, last=HALF + 1, top=1, lookback_days=2)
    finally:
        for path, body in kept.items():
            path.write_bytes(body)
    assert after.daily_snapshots[: HALF + 1] == before.daily_snapshots
    assert after.daily_snapshots[HALF + 1].active_symbols == ("HOLEUSDT",), "and the day after knows of it"


def test_a_window_ends_as_its_day_begins() -> None:
    window = Top(1, "turnover", 30).window(date(2024, 10, 1))
    assert (window[0], window[-1], len(window)) == (date(2024, 9, 1), date(2024, 9, 30), 30)


# --- the command


@pytest.fixture
def command(mirror: Mirror, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Any:
    monkeypatch.setattr(venues, "now_ms", lambda: NOW)
    monkeypatch.setenv("PERPLAKE_LAKE", str(tmp_path / "lake"))

    def run(*words: str) -> tuple[int, str, str]:
        code = status(cli.commands, "p1_ingest", ["universe", "define", *words])
        told = capsys.readouterr()
        return code, told.out, told.err

    return run


SPAN = ("--start-date", str(DAYS[0]), "--end-date", str(DAYS[-1]), "--interval", "1h")


def test_symbols_are_named_inline_in_files_or_both(tmp_path: Path, command: Any) -> None:
    (tmp_path / "a.txt").write_text("s01usdt  # the second\n\nS02USDT,HOLEUSDT\n")
    (tmp_path / "b.txt").write_text("LATEUSDT\nS00USDT\n")
    words = ("--symbols", f"S00USDT,@{tmp_path / 'a.txt'},GONEUSDT", "--symbols-file", str(tmp_path / "b.txt"))
    code, out, _ = command(*words, *SPAN, "--output", str(tmp_path / "u.json"))
    assert code == 0 and out.splitlines()[1].startswith("6 symbols x 10 days = 60 symbol-days: ")
    expected = ("S00USDT", "S01USDT", "S02USDT", "HOLEUSDT", "GONEUSDT", "LATEUSDT")
    assert universes.read(tmp_path / "u.json").requested_symbols == expected


def test_without_an_output_it_lies_in_the_lake_under_its_range(tmp_path: Path, command: Any) -> None:
    code, out, _ = command("--symbols", "S00USDT", *SPAN)
    assert code == 0 and out.startswith(str(tmp_path / "lake" / "universe" / f"{DAYS[0]}_{DAYS[-1]}.json"))


def test_a_key_is_taken_and_warned_of_and_told_to_nobody(tmp_path: Path, command: Any, mirror: Mirror) -> None:
    key = "canary-41c0ffee5ec4e7"
    code, out, err = command("--symbols", "S00USDT", *SPAN, "--api-key", key, "--api-secret", key, "--debug")
    assert code == 0 and "--api-key is not needed" in err and "others can see a command line" in err
    assert key not in out + err + "".join(mirror.asked)
    code, _, err = command("--symbols", f"{key}/", *SPAN, "--api-key", key, "--debug")
    assert code == 2 and key not in err


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("--symbols", "S00USDT", "--start", "2024-03-09", "--end", "2024-03-04"), 2, "swap them"),
        (("--symbols", "S00USDT", "--start", "2024-03-09", "--end", "2024-05-09"), 1, "is not over yet"),
        (("--symbols", "S00USDT", "--all", *SPAN), 2, "one of the two"),
        (("--symbols", "../../x", *SPAN), 2, "not a venue symbol"),
        (("--symbols", "@nowhere.txt", *SPAN), 2, "cannot be read"),
        (("--symbols", "BTCUSD_PERP", *SPAN), 2, "COIN-M"),
        (("--symbols", "S00USDT", "--top", "1", "--compat", *SPAN), 2, "--compat has no word"),
        (("--symbols", "S00USDT", "--top", "1", "--lookback", "30x", *SPAN), 2, "write it like 30d"),
        (("--symbols", "S00USDT", "--top", "0", *SPAN), 2, "--top"),
        (("--symbols", "S00USDT", *SPAN[:4], "--interval", "7m"), 2, "timeframe '7m'"),
    ],
)
def test_bad_input_is_one_line_and_writes_nothing(
    tmp_path: Path, command: Any, words: tuple[str, ...], code: int, says: str
) -> None:
    got, out, err = command(*words)
    (line,) = [line for line in err.splitlines() if line.startswith("error:")]
    assert got == code and says in line and not out, err
    assert not list(tmp_path.rglob("*.json"))


def test_requests_are_as_far_apart_as_asked_for_and_no_more_a_minute(mirror: Mirror) -> None:
    from p1_ingest.universe.define import Rate
    from tests.canned import Clock

    pools, clock = Rate(5, 0.25, 4).pools({"binance_fapi": venues.Pool(2400, 60)}), Clock()
    assert pools["binance_fapi"].limit == 4 == pools["binance_vision"].limit
    source = Binance(BinanceConf(hosts=Hosts()), clock=lambda: NOW)
    with Sender(source.hosts, pools=pools, clock=clock, sleep=clock.sleep) as sender:
        venue = evidence.Venue(source, sender, cast.TF, NOW, 1)
        from p1_ingest.sources import binance_contracts as contracts

        began, at = clock.now, []
        for i in range(6):
            contracts.is_published("S00USDT", cast.TF, cast.on(i), venue.fetch)
            at.append(round(clock.now - began, 1))
    assert at[:4] == [0.0, 0.3, 0.5, 0.8] and at[4] >= 60, at


def test_rest_alone_is_a_route_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rest = Venue(NOW, symbols=("S00USDT",))
    monkeypatch.setattr("p1_ingest.sources.binance.binance_conf", lambda: BinanceConf(route="rest"))
    with mirrored(Mirror(tmp_path, version=0)) as url, open_venue(rest) as api:
        point_at(monkeypatch, url, api)
        found = define(tmp_path, ["S00USDT", "UNKNOWNUSDT"])
    assert reasons(found, "S00USDT") == [""] * LENGTH and set(reasons(found, "UNKNOWNUSDT")) == {"no_kline_on_date"}
