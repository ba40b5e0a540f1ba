"""Any frame can be judged: of whatever library, with whatever names, stamps and zones; what is wrong is a finding."""

from __future__ import annotations

import duckdb
import polars as pl
import pyarrow as pa
import pytest

import lake
from lake.checks import Report
from meta.errors import Usage
from tests import plausible

TF = "1h"
TABLE = plausible.table(12, TF)
PRICES = ["open", "high", "low", "close", "volume"]


def plain() -> pl.DataFrame:
    """What any exchange gives: the open's stamp, prices and volume."""
    found = pl.from_arrow(TABLE.select(["ts", *PRICES]))
    assert isinstance(found, pl.DataFrame)
    return found.select((pl.col("ts") - pl.duration(hours=1)).alias("time"), *PRICES)


def verdicts(report: Report) -> dict[str, str]:
    return {finding.check.name: finding.verdict for finding in report.findings}


def value(report: Report, name: str) -> float | None:
    return next(finding.value for finding in report.findings if finding.check.name == name)


FRAMES = {
    "arrow": lambda: TABLE,
    "a batch": lambda: TABLE.combine_chunks().to_batches()[0],
    "polars": lambda: pl.from_arrow(TABLE),
    "lazy polars": lambda: pl.from_arrow(TABLE).lazy(),
    "duckdb": lambda: duckdb.from_arrow(TABLE),
    "arrays": lambda: {name: TABLE.column(name).to_numpy() for name in TABLE.column_names},
}


@pytest.mark.parametrize("kind", FRAMES)
def test_every_kind_of_frame_is_judged_alike(kind):
    report = lake.check(FRAMES[kind](), TF)
    expected = lake.check(TABLE, TF)
    told = {name: verdict for name, verdict in verdicts(report).items() if name != "time_zone"}
    assert told == {name: verdict for name, verdict in verdicts(expected).items() if name != "time_zone"}
    assert expected.verdict == "ok"


def test_pandas_with_its_time_as_the_index():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({name: plain()[name].to_numpy() for name in plain().columns})
    assert lake.check(frame.set_index("time").tz_localize("UTC"), TF).verdict == "ok"


def test_pandas_may_be_as_odd_as_it_comes():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({name: plain()[name].to_numpy() for name in plain().columns})
    frame["time"] = frame["time"].dt.tz_localize("UTC")
    assert lake.check(frame.set_index("time", drop=False), TF).verdict == "ok"
    mixed = frame.astype({"close": object})
    mixed.loc[3, "close"] = "x"
    assert [finding.check.name for finding in lake.check(mixed, TF).red] == ["missing_columns"]
    with pytest.raises(Usage, match="two columns are called close"):
        lake.check(pandas.concat([frame, frame[["close"]]], axis=1), TF)
    with pytest.raises(Usage, match="Series is no frame"):
        lake.check(frame["close"], TF)


def test_a_column_of_numbers_and_words_is_a_finding_and_columns_of_two_lengths_no_frame():
    columns = {name: plain()[name].to_list() for name in plain().columns}
    mixed = {**columns, "close": ["x", *columns["close"][1:]]}
    assert [finding.check.name for finding in lake.check(mixed, TF).red] == ["missing_columns"]
    with pytest.raises(Usage, match="no table"):
        lake.check({**columns, "close": columns["close"][1:]}, TF)


def test_what_a_frame_does_not_hold_is_not_green():
    told = verdicts(lake.check(plain(), TF))
    assert told["oi_jumps"] == told["funding_outside_caps"] == told["shifted_stamps"] == "skipped"
    assert told["high_below_low"] == told["gap_ratio"] == "ok"


@pytest.mark.parametrize(
    ("rename", "stamps"),
    [
        ({"time": "Open Time", "open": "Open", "close": "CLOSE"}, None),
        ({"time": "timestamp"}, None),
        ({"time": "open_time"}, "open"),
    ],
)
def test_names_may_be_others_peoples(rename, stamps):
    report = lake.check(plain().rename(rename), TF, stamps=stamps)
    assert report.verdict == "ok" and report.facts["start"] == "2025-05-01"


def test_an_open_taken_for_a_close_is_the_callers_to_say():
    assert lake.check(plain(), TF, stamps="close").facts["start"] == "2025-04-30"


@pytest.mark.parametrize("unit", [1, 1_000, 1_000_000])
def test_epochs_tell_their_unit_by_their_digits(unit):
    seconds = plain().with_columns(pl.col("time").dt.epoch("s") * unit)
    assert lake.check(seconds, TF).verdict == "ok"


def test_a_switch_of_units_in_the_middle_is_red():
    micros = pl.when(pl.int_range(pl.len()) < 100).then(pl.col("time").dt.epoch("ms"))
    report = lake.check(plain().with_columns(micros.otherwise(pl.col("time").dt.epoch("us"))), TF)
    assert [one.check.name for one in report.red] == ["stamp_units"]
    assert value(report, "gap_ratio") == 0


@pytest.mark.parametrize(
    ("text", "zoned"),
    [("%Y-%m-%d %H:%M:%S+00:00", True), ("%Y-%m-%dT%H:%M:%SZ", True), ("%Y-%m-%d %H:%M:%S", False)],
)
def test_text_is_read_and_its_zone_asked_for(text, zoned):
    report = lake.check(plain().with_columns(pl.col("time").dt.strftime(text)), TF)
    assert verdicts(report)["time_zone"] == ("ok" if zoned else "warn") and not report.red
    assert report.facts["start"] == "2025-05-01"


def test_another_zone_is_turned_and_told():
    report = lake.check(plain().with_columns(pl.col("time").dt.convert_time_zone("America/New_York")), TF)
    assert (verdicts(report)["time_zone"], report.facts["start"]) == ("warn", "2025-05-01")


@pytest.mark.parametrize(
    ("frame", "expected"),
    [
        (plain().clear(), "bars"),
        (plain().drop("close"), "missing_columns"),
        (plain().drop("time"), "missing_columns"),
        (plain().with_columns(low=pl.lit("low")), "missing_columns"),
        (plain().with_columns(time=pl.lit("yesterday")), "unreadable_stamps"),
        (plain().with_columns(close=pl.when(pl.col("volume") > 500).then(pl.col("close"))), "nan"),
        (plain().gather_every(2), "gap_ratio"),
    ],
    ids=["no rows", "no close", "no time", "text for a price", "no instant", "prices missing", "every other bar"],
)
def test_what_is_wrong_with_a_frame_is_a_finding(frame, expected):
    assert expected in {finding.check.name for finding in lake.check(frame, TF).red}


def test_a_stamp_a_little_late_is_off_the_grid_and_no_gap():
    report = lake.check(plain().with_columns(pl.col("time") + pl.duration(seconds=30)), TF)
    assert (value(report, "gap_ratio"), verdicts(report)["off_grid"]) == (0, "FAIL")


def test_several_symbols_are_judged_one_by_one():
    both = pa.concat_tables([TABLE, plausible.table(12, TF, symbol="ETHUSDT", seed=3)])
    with pytest.raises(Usage, match="2 symbols"):
        lake.check(both, TF)
    report = lake.check(both, TF, symbol="ETHUSDT")
    assert (report.symbol, report.verdict, report.facts["bars"]) == ("ETHUSDT", "ok", 288)


@pytest.mark.parametrize("what", [7, "data/", [1, 2]])
def test_what_is_no_frame_is_one_line(what):
    with pytest.raises(Usage, match="is no frame"):
        lake.check(what, TF)
    with pytest.raises(Usage, match="neither 'open' nor 'close'"):
        lake.check(TABLE, TF, stamps="begin")
    with pytest.raises(Usage, match="not one of"):
        lake.check(TABLE, "7m")
