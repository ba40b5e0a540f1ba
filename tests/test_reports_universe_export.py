"""An export of a universe holds what the lake held at each bar, drops what it cannot vouch for, and says all of it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lake import commit, days, universes
from lake.ending import status
from lake.groups import grouped
from meta.columns import BARS
from meta.errors import NotReady, Refused, Usage
from meta.timeframes import DAY, HOUR, timeframe
from meta.universe import Snapshot, Universe
from reports import cli
from reports.universe import export, export_universe_data
from reports.universe.asof import past_newest
from reports.universe.features import FAMILIES, IN_ORDER, KLINES, LOOKBACK_DAYS, METRICS
from tests import lakes

TF = timeframe("1h")
FIRST = date(2024, 10, 1)
NAMES = ("AUSDT", "BUSDT", "CUSDT")
LAST = FIRST + timedelta(days=2)
Change = Callable[[dict[str, np.ndarray]], object]
REPORT = {
    "generated_at", "requested_symbols", "total_days", "date_range", "exported_days", "skipped_days", "errors",
    "define_missing", "export_missing", "merged_missing", "metrics_missing_coverage", "metrics_strict_exclusions",
    "stats", "export_context",
}  # fmt: skip
STATS = {
    "exported_day_count", "skipped_day_count", "error_count", "define_missing_date_count", "export_missing_date_count",
    "merged_missing_date_count", "metrics_missing_coverage_date_count", "metrics_strict_exclusion_date_count",
    "metrics_strict_dropped_symbol_day_count", "metrics_strict_skipped_day_count",
}  # fmt: skip
CONTEXT = {
    "requested_start_date", "requested_end_date", "effective_start_date", "effective_end_date", "override_applied",
    "override_start_date", "override_end_date", "source_freq", "export_freq", "include_klines", "include_metrics",
    "metrics_reliability",
}  # fmt: skip


def on(number: int) -> date:
    return FIRST + timedelta(days=number)


def a_day(name: str, day: date, absent: Iterable[int] = (), nulls: dict[str, Iterable[int]] | None = None) -> pa.Table:
    """A day of noise; `absent` bars are not there, `nulls` says where a column says nothing."""
    table = lakes.a_day(day, TF, name, seed=sum(map(ord, name)), columns=BARS)
    for column, at in (nulls or {}).items():
        cells = table.column(column).to_pylist()
        kept = [None if i in set(at) else cell for i, cell in enumerate(cells)]
        table = table.set_column(
            table.schema.get_field_index(column),
            table.schema.field(column),
            pa.array(kept, table.schema.field(column).type),
        )
    return table.take([i for i in range(TF.per_day) if i not in set(absent)])


def put(root: Path, name: str, *tables: pa.Table, first: date = FIRST) -> None:
    with commit.writing(lakes.a_shelf(root, TF.name, name)) as writer:
        for i, table in enumerate(tables):
            writer.stage(first + timedelta(days=i), table, lakes.SOURCE)
        writer.publish()


def universe(path: Path, length: int = 3, missing: dict[tuple[int, str], str] | None = None) -> Path:
    told, requested = missing or {}, (*NAMES, "NOPEUSDT")
    snapshots = []
    for i in range(length):
        why = {name: told.get((i, name), "") for name in NAMES} | {"NOPEUSDT": "unknown_symbol"}
        active = tuple(name for name, reason in why.items() if not reason)
        snapshots.append(Snapshot(str(on(i)), active, {name: reason for name, reason in why.items() if reason}))
    told_at = "2026-02-21T00:00:00+00:00"
    universes.write(path, Universe("2.1", requested, str(on(0)), str(on(length - 1)), tuple(snapshots), told_at))
    return path


@pytest.fixture
def lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three symbols, three days, and one day before."""
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    for name in NAMES:
        put(tmp_path / "lake", name, *(a_day(name, on(i)) for i in range(-1, 3)), first=on(-1))
    return tmp_path / "lake"


def change(root: Path, name: str, day: date, table: pa.Table) -> None:
    """Write another day in a day's place."""
    with commit.writing(lakes.a_shelf(root, TF.name, name)) as writer:
        writer.stage(day, table, lakes.SOURCE)
        writer.publish()


def run(lake: Path, **more: Any) -> tuple[dict[str, Any], Path]:
    file = lake.parent / "u.json"
    if not file.exists():
        universe(file)
    report = export_universe_data(file, None, lake.parent / "out", **{"source_freq": "1h", "lake": lake, **more})
    return report, Path(report["report_path"]).parent


def array(place: Path, feature: str, day: date, name: str) -> np.ndarray:
    rows = json.loads((place / "univ_dct2.json").read_text())[f"{day:%Y%m%d}"]
    return np.load(place / feature / f"{day:%Y%m%d}.npy")[..., rows.index(name), :]


def held(lake: Path, name: str, day: date) -> dict[str, np.ndarray]:
    """The lake's own columns of a day, as float64."""
    table = days.need(lakes.a_shelf(lake, TF.name, name), day).table()
    stamps = {column.name for column in BARS if column.type.startswith("timestamp")}
    return {
        one: (table.column(one).cast(pa.int64()) if one in stamps else table.column(one)).cast(pa.float64()).to_numpy()
        for one in table.column_names
        if one != "symbol"
    }


# --- the arrays


def test_arrays_are_the_lakes_own_values_symbol_by_bar(lake: Path) -> None:
    report, place = run(lake)
    assert place == lake.parent / "out" / "H1B" / f"univ_{FIRST}_{LAST}_4"
    for i in range(3):
        assert np.load(place / "cls" / f"{on(i):%Y%m%d}.npy").shape == (3, 24)
        for name in NAMES:
            mine = held(lake, name, on(i))
            expected = {one: mine[column] for one, column in KLINES.items() if column}
            expected |= {one: mine[family.columns[one]] for one, family in METRICS.items()}
            expected["tsvol"] = mine["volume"] - mine["perp_taker_buy_base"]
            for feature, values in expected.items():
                got = array(place, feature, on(i), name)
                assert got.dtype == np.float64 and np.array_equal(got, values), (feature, name)
    assert report["stats"]["exported_day_count"] == 3 and len(expected) == 18


def test_planes_tell_open_close_and_the_instant_of_each_metric(lake: Path) -> None:
    _, place = run(lake)
    planes, ts = array(place, "timestamp", on(1), "BUSDT"), held(lake, "BUSDT", on(1))["ts"].astype(np.int64)
    assert planes.dtype == np.int64 and planes.shape == (5, 24)
    assert np.array_equal(planes[0], ts - HOUR) and np.array_equal(planes[1], ts - 1)
    assert all(np.array_equal(plane, ts) for plane in planes[2:])


def test_a_table_beside_them_says_the_same(lake: Path) -> None:
    change(lake, "CUSDT", on(1), a_day("CUSDT", on(1), absent=[5]))
    _, place = run(lake)
    table = pq.read_table(place / "parquet" / f"{on(1):%Y%m%d}.parquet")
    assert table.num_rows == 3 * 24 - 1
    for name in NAMES:
        rows = np.flatnonzero(np.array(table.column("symbol")) == name)
        planes = array(place, "timestamp", on(1), name)
        there = planes[0] > 0
        assert np.array_equal(table.column("bar_open").cast(pa.int64()).to_numpy()[rows], planes[0][there])
        assert np.array_equal(table.column("oi_ts").cast(pa.int64()).to_numpy()[rows], planes[2][there])
        for feature in (*KLINES, *IN_ORDER):
            assert np.array_equal(table.column(feature).to_numpy()[rows], array(place, feature, on(1), name)[there])


def test_a_bar_that_is_absent_is_nan_in_every_array_and_0_in_every_plane(lake: Path) -> None:
    change(lake, "CUSDT", on(1), a_day("CUSDT", on(1), absent=[3, 4]))
    _, place = run(lake)
    for feature in (*KLINES, *IN_ORDER):
        values = array(place, feature, on(1), "CUSDT")
        assert np.isnan(values[3:5]).all() and np.isfinite(np.delete(values, [3, 4])).all(), feature
    planes = array(place, "timestamp", on(1), "CUSDT")
    assert (planes[:, 3:5] == 0).all() and (np.delete(planes, [3, 4], axis=1) > 0).all()


def test_longer_bars_are_made_of_whole_groups(lake: Path) -> None:
    change(lake, "BUSDT", on(1), a_day("BUSDT", on(1), absent=[9]))
    _, place = run(lake, export_freq="4h")
    assert place.parent.name == "4HB" and np.load(place / "cls" / f"{on(0):%Y%m%d}.npy").shape == (3, 6)
    longer = timeframe("4h")
    for name in NAMES:
        table = days.need(lakes.a_shelf(lake, TF.name, name), on(1)).table()
        made = grouped(table, on(1), TF, longer)
        there = array(place, "timestamp", on(1), name)[0] > 0
        assert list(np.flatnonzero(~there)) == ([2] if name == "BUSDT" else [])
        for feature, column in {"opn": "open", "hgh": "high", "amt": "quote_volume", "oi": "oi_base"}.items():
            assert np.array_equal(array(place, feature, on(1), name)[there], made.column(column).to_numpy())
        assert np.array_equal(
            array(place, "timestamp", on(1), name)[0][there], made.column("ts").cast(pa.int64()).to_numpy() - longer.ms
        )


@pytest.mark.parametrize(
    ("choice", "there", "planes"),
    [
        ({"include_metrics": False}, {*KLINES}, 2),
        ({"include_klines": False}, {*IN_ORDER}, 5),
        ({}, {*KLINES, *IN_ORDER}, 5),
    ],
)
def test_what_is_not_included_is_not_there(lake: Path, choice: dict[str, bool], there: set[str], planes: int) -> None:
    _, place = run(lake, **choice)
    assert {one.name for one in place.iterdir() if one.is_dir()} == there | {"timestamp", "parquet"}
    assert array(place, "timestamp", on(0), "AUSDT").shape[0] == planes


def test_without_metrics_none_is_needed(lake: Path) -> None:
    change(lake, "BUSDT", on(1), a_day("BUSDT", on(1), nulls={"oi_now": range(24), "funding_now": range(24)}))
    report, _ = run(lake, include_metrics=False)
    assert [len(day["symbols"]) for day in report["exported_days"]] == [3, 3, 3] and not report[
        "metrics_missing_coverage"
    ]


@pytest.mark.parametrize(("form", "arrays", "tables"), [("npy", True, False), ("parquet", False, True)])
def test_one_form_alone_is_written_where_asked_for(lake: Path, form: str, arrays: bool, tables: bool) -> None:
    _, place = run(lake, form=form)
    assert (place / "cls").is_dir() == arrays and (place / "parquet").is_dir() == tables


# --- as of each bar


def test_a_metric_holds_for_its_time_and_not_a_bar_longer(lake: Path) -> None:
    change(lake, "BUSDT", on(1), a_day("BUSDT", on(1), nulls={"oi_base": range(4, 14), "oi_ts": range(4, 14)}))
    report, place = run(lake, metrics_reliability="legacy_warn")
    mine, got = held(lake, "BUSDT", on(1)), array(place, "oi", on(1), "BUSDT")
    assert np.array_equal(got[4:10], np.full(6, mine["oi_base"][3])), "six hours"
    assert np.isnan(got[10:14]).all(), "and never filled further, under legacy_warn either"
    plane = array(place, "timestamp", on(1), "BUSDT")[2]
    assert (plane[4:10] == mine["oi_ts"][3]).all() and (plane[10:14] == 0).all()
    assert report["metrics_missing_coverage"][str(on(1))] == {
        "open_interest": {
            "metric_family": "open_interest", "missing_count": 4, "total_count": 72, "missing_ratio": 4 / 72,
            "lookback_days": 1, "tolerance_ms": 6 * HOUR,
        }
    }  # fmt: skip


def test_a_day_begins_with_what_the_day_before_ended_with(lake: Path) -> None:
    change(lake, "BUSDT", on(0), a_day("BUSDT", on(0), nulls={"funding_now": range(24), "funding_ts": range(24)}))
    report, place = run(lake)
    before = held(lake, "BUSDT", on(-1))
    assert (array(place, "fr", on(0), "BUSDT") == before["funding_now"][-1]).all()
    assert (array(place, "timestamp", on(0), "BUSDT")[4] == before["funding_ts"][-1]).all()
    assert report["stats"]["metrics_strict_dropped_symbol_day_count"] == 0


def test_all_that_may_still_hold_is_read() -> None:
    """So a day is the same whatever else is read with it."""
    assert all(family.tolerance_ms <= family.lookback_days * DAY <= LOOKBACK_DAYS * DAY for family in FAMILIES)


ONE = FAMILIES[0]


def plainly(value: np.ndarray, stamp: np.ndarray, ts: np.ndarray) -> list[float]:
    """The rule as one would say it, bar by bar."""
    found = []
    for now in ts:
        told = [i for i in range(len(ts)) if ts[i] <= now and not np.isnan(value[i])]
        at = told[-1] if told else None
        instant = None if at is None else (ts[at] if np.isnan(stamp[at]) else stamp[at])
        holds = at is not None and now - instant <= ONE.tolerance_ms
        found.append(value[at] if holds else np.nan)
    return found


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 9), st.booleans(), st.integers(0, 9), st.booleans()), max_size=40),
    st.integers(0, 48),
)
def test_the_newest_known_value_is_found_as_one_would_say_it(rows: list[Any], start: int) -> None:
    ts = (start + np.cumsum([gap for gap, *_ in rows], dtype=np.int64)) * HOUR
    value = np.array([float(i) if said else np.nan for i, (_, said, _, _) in enumerate(rows)])
    stamp = np.array([t - age * HOUR if known else np.nan for t, (_, _, age, known) in zip(ts, rows, strict=True)])
    got, instant = past_newest(value, stamp, ts, ONE)
    assert np.array_equal(got, np.array(plainly(value, stamp, ts)), equal_nan=True)
    assert (np.isnan(instant) == np.isnan(got)).all() and not (instant > ts).any()


def test_the_future_changes_no_day_before_it(lake: Path) -> None:
    _, place = run(lake)
    before = {path: path.read_bytes() for path in place.rglob(f"{on(1):%Y%m%d}.*")}
    for name in NAMES:
        change(lake, name, on(2), a_day(name + "X", on(2)).set_column(0, "symbol", pa.array([name] * 24)))
    _, place = run(lake)
    assert before and all(path.read_bytes() == data for path, data in before.items())


# --- strict or not


def test_a_symbol_day_that_lacks_a_metric_at_a_bar_is_dropped_whole(lake: Path) -> None:
    change(lake, "BUSDT", on(1), a_day("BUSDT", on(1), nulls={"ls_taker": range(10, 18)}))
    report, place = run(lake)
    assert json.loads((place / "univ_dct2.json").read_text())[f"{on(1):%Y%m%d}"] == ["AUSDT", "CUSDT"]
    assert np.load(place / "cls" / f"{on(1):%Y%m%d}.npy").shape == (2, 24), "its klines too"
    assert report["metrics_strict_exclusions"] == {
        str(on(1)): {
            "mode": "strict_100", "coverage_scope": "all_enabled", "drop_unit": "symbol_day",
            "empty_day_behavior": "skip",
            "required_columns": [
                "funding_rate", "open_interest", "open_interest_value", "lsr_ta", "lsr_tp", "lsr_ga", "lsr_tv",
            ],
            "kept_symbol_days": 2,
            "dropped_symbol_days": [
                {
                    "symbol": "BUSDT", "date": str(on(1)), "reason": "missing_required_metrics_after_asof",
                    "missing_columns": ["lsr_tv"],
                }
            ],
            "drop_reason_counts": {"missing_required_metrics_after_asof": 1}, "skipped": False, "skip_reason": None,
        }
    }  # fmt: skip
    assert report["export_missing"] == {str(on(1)): ["BUSDT"]}


def test_a_hole_that_no_value_outlives_its_time_in_passes(lake: Path) -> None:
    change(lake, "BUSDT", on(1), a_day("BUSDT", on(1), nulls={"ls_taker": range(10, 16)}))
    assert not run(lake)[0]["metrics_strict_exclusions"]


def test_a_day_that_is_emptied_is_skipped_and_never_repaired(lake: Path) -> None:
    for name in NAMES:
        for i in (0, 1):
            silent = {"oi_now": range(24), "oi_base": range(24), "oi_ts": range(24)}
            change(lake, name, on(i), a_day(name, on(i), nulls=silent))
    report, place = run(lake)
    assert report["skipped_days"] == [
        {"index": i, "date": str(on(i)), "reason": "strict_metrics_empty_day"} for i in (0, 1)
    ]
    told = report["metrics_strict_exclusions"][str(on(1))]
    assert told["skipped"] and told["skip_reason"] == "strict_metrics_empty_day" and told["kept_symbol_days"] == 0
    assert told["drop_reason_counts"] == {"missing_required_columns": 3}
    assert not list(place.rglob(f"{on(1):%Y%m%d}.*")) and report["stats"]["metrics_strict_skipped_day_count"] == 2


def test_legacy_warn_keeps_them_and_says_what_is_missing(lake: Path) -> None:
    change(lake, "BUSDT", on(1), a_day("BUSDT", on(1), nulls={"ls_taker": range(10, 18)}))
    report, place = run(lake, metrics_reliability="legacy_warn")
    assert not report["metrics_strict_exclusions"] and not report["export_missing"]
    assert report["metrics_missing_coverage"][str(on(1))]["lsr_tv"]["missing_count"] == 2
    assert np.isnan(array(place, "lsr_tv", on(1), "BUSDT")).sum() == 2


# --- the report


def test_the_report_accounts_for_every_symbol_day(lake: Path) -> None:
    told = {(0, "CUSDT"): "not_listed_yet", (1, "CUSDT"): "partial_day", (2, "AUSDT"): "delisted"}
    told |= {(1, "AUSDT"): "delisted", (1, "BUSDT"): "delisted"}
    file = universe(lake.parent / "u.json", 4, told)
    before = file.read_bytes()
    report, place = run(lake)
    assert file.read_bytes() == before
    assert set(report) == REPORT | {"made_of", "report_path"}
    assert set(report["stats"]) == STATS and set(report["export_context"]) == CONTEXT
    assert json.loads((place / "report.json").read_text()) == {k: v for k, v in report.items() if k != "report_path"}
    assert report["exported_days"] == [
        {"index": 0, "date": str(on(0)), "symbols": ["AUSDT", "BUSDT"], "missing_in_export": []},
        {"index": 2, "date": str(on(2)), "symbols": ["BUSDT", "CUSDT"], "missing_in_export": []},
    ]
    assert report["skipped_days"] == [
        {"index": 1, "date": str(on(1)), "reason": "no_active_symbols"},
        {"index": 3, "date": str(on(3)), "reason": "no_data"},
    ]
    assert report["merged_missing"][str(on(3))] == {
        "AUSDT": "missing_in_export", "BUSDT": "missing_in_export", "CUSDT": "missing_in_export",
        "NOPEUSDT": "unknown_symbol",
    }  # fmt: skip
    rows = json.loads((place / "univ_dct2.json").read_text())
    for i in range(4):
        accounted = [*rows.get(f"{on(i):%Y%m%d}", []), *report["merged_missing"].get(str(on(i)), {})]
        assert sorted(accounted) == sorted([*NAMES, "NOPEUSDT"])
    stats = report["stats"]
    assert (stats["define_missing_date_count"], stats["export_missing_date_count"]) == (4, 1)


def test_a_part_of_the_range_is_exported_and_said_to_be(lake: Path) -> None:
    report, place = run(lake, start_date=str(on(1)))
    assert place.name == f"univ_{on(1)}_{LAST}_4" and report["total_days"] == 2
    context = report["export_context"]
    assert (context["override_applied"], context["override_start_date"]) == (True, str(on(1)))
    assert context["override_end_date"] is None and context["requested_start_date"] == str(on(0))
    assert report["date_range"]["effective_start_date"] == report["date_range"]["start_date"] == str(on(1))


def test_the_same_lake_gives_the_same_bytes_however_many_days_fit_at_a_time(
    lake: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def everything() -> dict[str, bytes]:
        _, place = run(lake)
        return {str(path.relative_to(place)): path.read_bytes() for path in place.rglob("*") if path.is_file()}

    change(lake, "BUSDT", on(1), a_day("BUSDT", on(1), absent=[1], nulls={"oi_now": [2, 3], "ls_global": range(20)}))
    first = everything()
    monkeypatch.setattr(export, "CELLS", 1)
    assert everything() == first and len(first) == 3 * 20 + 2


def test_a_damaged_day_is_an_error_of_its_own(lake: Path) -> None:
    part = lakes.a_shelf(lake, TF.name, "BUSDT").day_folder(on(2)) / f"part-{on(2):%Y%m%d}.parquet"
    part.write_bytes(part.read_bytes()[:-1] + b"X")
    report = run(lake)[0]
    (error,) = report["errors"]
    assert error["index"] == "2" and error["date"] == str(on(2)) and "sha256 differs" in error["error"]
    assert report["merged_missing"][str(on(2))]["BUSDT"] == "missing_in_export"
    assert [len(day["symbols"]) for day in report["exported_days"]] == [3, 3, 2]


# --- what is refused


def test_a_lake_without_such_bars_is_told_and_nothing_is_written(lake: Path) -> None:
    with pytest.raises(NotReady, match=r"holds no 5m bars of these symbols; run `python -m p1_ingest universe downlo"):
        run(lake, source_freq="5m")
    assert not (lake.parent / "out").exists()


def test_a_folder_of_somebody_elses_is_left_alone(lake: Path) -> None:
    place = lake.parent / "out" / "H1B" / f"univ_{FIRST}_{LAST}_4"
    place.mkdir(parents=True)
    (place / "thesis.txt").write_text("mine")
    with pytest.raises(Refused, match="move it away"):
        run(lake)
    assert [one.name for one in place.iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"db_path": "market.db"}, "there is no database"),
        ({"export_freq": "5m"}, "5m is not made of whole 1h bars"),
        ({"include_klines": False, "include_metrics": False}, "nothing is left to export"),
        ({"metrics_reliability": "strict"}, "'strict' is not one of"),
        ({"start_date": "2024-09-30"}, "is not within the universe's"),
        ({"form": "csv"}, "no form of an export"),
    ],
)
def test_what_makes_no_sense_is_refused(lake: Path, more: dict[str, Any], says: str) -> None:
    universe(lake.parent / "u.json")
    with pytest.raises(Usage, match=says):
        export_universe_data(lake.parent / "u.json", **{"source_freq": "1h", "lake": lake, **more})


def test_the_command_prints_where_it_is_and_fails_where_nothing_could_be_exported(
    lake: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = universe(lake.parent / "u.json")
    words = ["universe-export", "--universe-file", str(file), "--lake", str(lake), "--source-freq", "1h"]
    words += ["--export-base-path", str(lake.parent / "out")]
    assert status(cli.commands, "reports", [*words, "--api-key", "canary-5eaf00d"]) == 0
    told = capsys.readouterr()
    assert "12 symbol-days: 9 exported on 3 days, 3 missing in the universe, 0 active" in told.out
    assert told.out.splitlines()[-1].endswith("report.json") and "canary-5eaf00d" not in told.out + told.err
    assert status(cli.commands, "reports", [*words, "--db-path", "x.db"]) == 2
    assert "give --lake ROOT" in capsys.readouterr().err
    for name in NAMES:
        for i in range(3):
            change(lake, name, on(i), a_day(name, on(i), nulls={"oi_now": range(24)}))
    assert status(cli.commands, "reports", words) == 1
    assert "no day could be exported (strict_metrics_empty_day)" in capsys.readouterr().err


def test_the_alias_of_p1_is_the_same_command(lake: Path) -> None:
    file = universe(lake.parent / "u.json")
    words = ["--universe-file", str(file), "--lake", str(lake), "--source-freq", "1h", "--no-include-metrics"]
    words += ["--export-base-path", str(lake.parent / "out"), "--api-secret", "canary-5eaf00d"]
    call = [sys.executable, "-m", "p1_ingest", "universe", "export", *words]
    done = subprocess.run(call, cwd=Path(__file__).parent.parent, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].endswith("report.json") and "canary-5eaf00d" not in done.stdout + done.stderr
