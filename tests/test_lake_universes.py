"""A universe file is written once and read strictly: what does not add up is refused by name."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import msgspec
import pytest

from lake import universes
from meta.errors import Refused, Usage
from meta.universe import COMPAT, REASONS, Evidence, Known, Selection, Snapshot, Universe, compatible

GUIDE = {
    "schema_version": "2.0",
    "requested_symbols": ["BTCUSDT", "ETHUSDT"],
    "start_date": "2024-10-01",
    "end_date": "2024-10-01",
    "daily_snapshots": [
        {"date": "2024-10-01", "active_symbols": ["BTCUSDT"], "missing_symbols": {"ETHUSDT": "no_kline_on_date"}}
    ],
    "created_at": "2026-02-21T00:00:00+00:00",
    "description": "optional",
}
DAYS = (
    Snapshot("2024-10-01", ("BTCUSDT",), {"ETHUSDT": "not_listed_yet", "XUSDT": "unknown_symbol"}),
    Snapshot("2024-10-02", (), {"BTCUSDT": "delisted", "ETHUSDT": "partial_day", "XUSDT": "unknown_symbol"}),
)
OURS = Universe(
    "2.1", ("BTCUSDT", "ETHUSDT", "XUSDT"), "2024-10-01", "2024-10-02", DAYS, "2026-02-21T00:00:00+00:00",
    evidence=Evidence("5m", True, {"BTCUSDT": Known((("2020-01-01", "2024-10-01"),))}),
)  # fmt: skip


def encoded(found: object) -> bytes:
    return json.dumps(found).encode()


def test_the_guides_own_example_is_read() -> None:
    found = universes.decoded(encoded(GUIDE), "u.json")
    assert found.daily_snapshots[0].missing_symbols == {"ETHUSDT": "no_kline_on_date"}


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    universes.write(tmp_path / "new" / "u.json", OURS)
    assert universes.read(tmp_path / "new" / "u.json") == OURS
    told = json.loads((tmp_path / "new" / "u.json").read_text())
    assert list(told) == [*list(GUIDE)[:6], "evidence"], "no description was given"


def test_a_universe_is_not_changed_unless_forced(tmp_path: Path) -> None:
    path = tmp_path / "u.json"
    path.write_bytes(b"mine")
    with pytest.raises(Refused, match=r"u\.json exists, and a universe is not changed"):
        universes.write(path, OURS)
    assert path.read_bytes() == b"mine"
    universes.write(path, OURS, force=True)
    assert universes.read(path) == OURS and [one.name for one in tmp_path.iterdir()] == ["u.json"]


def test_version_2_0_is_the_guides_and_nothing_else() -> None:
    told = json.loads(universes.encoded(compatible(OURS)))
    assert set(told) == set(GUIDE) - {"description"}
    assert set(told["daily_snapshots"][0]) == {"date", "active_symbols", "missing_symbols"}
    assert [day["missing_symbols"] for day in told["daily_snapshots"]] == [
        {"ETHUSDT": "no_kline_on_date", "XUSDT": "not_in_current_trading_list"},
        {
            "BTCUSDT": "not_in_current_trading_list",
            "ETHUSDT": "not_full_day_on_date",
            "XUSDT": "not_in_current_trading_list",
        },
    ]
    universes.decoded(encoded(told), "u.json")


def changed(**values: Any) -> Callable[[dict[str, Any]], object]:
    return lambda told: told.update(values)


def snapshot(**values: Any) -> Callable[[dict[str, Any]], object]:
    return lambda told: told["daily_snapshots"][0].update(values)


WRONG = {
    "version 1": (changed(schema_version="1.0"), "neither 2.0 nor 2.1"),
    "an unknown key": (changed(config={}), "unknown field `config`"),
    "a missing key": (lambda told: told.pop("created_at"), "created_at"),
    "no symbol": (changed(requested_symbols=[]), "empty"),
    "a symbol twice": (changed(requested_symbols=["BTCUSDT", "BTCUSDT", "ETHUSDT"]), "twice"),
    "a path for a symbol": (changed(requested_symbols=["BTCUSDT", "../x"]), "not a venue symbol"),
    "small letters": (changed(requested_symbols=["BTCUSDT", "ethusdt"]), "not the requested ones"),
    "no date": (changed(start_date="20241001"), "no date"),
    "no day of the calendar": (changed(end_date="2024-10-41"), "2024-10-41"),
    "dates the wrong way round": (changed(end_date="2024-09-30"), "are not the 1 days"),
    "a day too few": (changed(end_date="2024-10-02"), "are not the 1 days"),
    "another day": (snapshot(date="2024-10-02"), "are not the 1 days from start_date to end_date in order"),
    "a day without symbols": (snapshot(active_symbols=[]), "not the requested ones, each once"),
    "active and missing": (snapshot(active_symbols=["BTCUSDT", "ETHUSDT"]), "not the requested ones, each once"),
    "an active stranger": (snapshot(active_symbols=["XRPUSDT"]), "not the requested ones, each once"),
    "a reason of the other version": (snapshot(missing_symbols={"ETHUSDT": "delisted"}), "'delisted' is no reason"),
    "an unknown key of a day": (snapshot(note=1), "unknown field `note`"),
    "evidence in version 2.0": (changed(evidence={"interval": "5m", "listing": True, "symbols": {}}), "neither evid"),
    "a time without an offset": (changed(created_at="2026-02-21T00:00:00"), "no instant with an offset"),
    "a number for a text": (changed(start_date=20241001), "start_date"),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_does_not_add_up_is_refused_by_name(what: str) -> None:
    told = json.loads(encoded(GUIDE))
    WRONG[what][0](told)
    with pytest.raises(Usage, match=r"u\.json is no universe of version 2\.0 or 2\.1: ") as refusal:
        universes.decoded(encoded(told), "u.json")
    assert WRONG[what][1] in str(refusal.value)


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b"\xff", b"[" * 100_000, encoded(GUIDE)[:-1]])
def test_what_is_no_universe_at_all_is_refused(body: bytes) -> None:
    with pytest.raises(Usage, match="is no universe"):
        universes.decoded(body, "u.json")


def test_a_key_that_stands_twice_is_refused() -> None:
    twice = encoded(GUIDE).replace(b'"ETHUSDT": "no_kline_on_date"', b'"ETHUSDT": "no_kline_on_date", "ETHUSDT": "x"')
    with pytest.raises(Usage, match="twice"):
        universes.decoded(twice.replace(b'"x"', b'"no_kline_on_date"'), "u.json")


def test_a_symbol_that_is_none_is_refused_even_where_days_agree() -> None:
    told = json.loads(encoded(GUIDE).replace(b"ETHUSDT", b"../x"))
    with pytest.raises(Usage, match="not a venue symbol"):
        universes.decoded(encoded(told), "u.json")


def test_reasons_of_ours_are_refused_in_version_2_0_and_a_selection_too() -> None:
    selection = Selection("turnover", "2024-09-01", "2024-09-30", {"BTCUSDT": (1.0, 30)})
    days = (msgspec.structs.replace(DAYS[0], selection=selection), DAYS[1])
    universes.decoded(universes.encoded(msgspec.structs.replace(OURS, daily_snapshots=days)), "u.json")
    plain = compatible(OURS)
    with_selection = (msgspec.structs.replace(plain.daily_snapshots[0], selection=selection), plain.daily_snapshots[1])
    with pytest.raises(Usage, match="neither evidence nor selections"):
        universes.decoded(universes.encoded(msgspec.structs.replace(plain, daily_snapshots=with_selection)), "u.json")
    assert plain.schema_version == COMPAT and "not_in_top" in REASONS


@pytest.mark.parametrize("name", ["absent.json", "."])
def test_a_file_that_is_not_there_is_one_line(tmp_path: Path, name: str) -> None:
    with pytest.raises(Usage, match=r"does not exist|is a folder"):
        universes.read(tmp_path / name)


def test_a_part_of_the_range_is_taken_and_no_more() -> None:
    first, second = date(2024, 10, 1), date(2024, 10, 2)
    assert universes.within(OURS, None, None) == list(DAYS)
    assert universes.within(OURS, second, None) == [DAYS[1]] and universes.within(OURS, None, first) == [DAYS[0]]
    with pytest.raises(Usage, match="lies after"):
        universes.within(OURS, second, first)
    for outside in ((date(2024, 9, 30), None), (None, date(2024, 10, 3))):
        with pytest.raises(Usage, match="is not within the universe's 2024-10-01 … 2024-10-02"):
            universes.within(OURS, *outside)
