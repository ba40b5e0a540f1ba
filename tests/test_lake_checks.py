"""Each check is shown a fault and goes red; data with nothing wrong in it stays green."""

from __future__ import annotations

import pytest

from lake import offenders
from lake.checks import Check, Report
from tests import plausible
from tests.planted import FAULTS, FORM, clean, findings, red

DATASETS = ("bars", "features", "labels", "log")


@pytest.mark.parametrize("dataset", DATASETS)
def test_nothing_is_said_of_clean_data(dataset):
    told = {finding.check.name: finding for finding in findings(dataset, clean(dataset))}
    assert {one.verdict for one in told.values()} == {"ok"}, [one for one in told.values() if one.verdict != "ok"]


@pytest.mark.parametrize("fault", [*FAULTS, *FORM], ids=lambda fault: fault.what)
def test_a_planted_fault_turns_its_check_red(fault):
    assert fault.check.split("_", 1)[1] in red(fault)


def test_all_faults_at_once_stop_no_check():
    table = clean("bars")
    for fault in FAULTS:
        if fault.check.startswith("bars") and fault.tf == "1h" and "dropped" not in fault.what:
            table = fault.plant(table)
    told = {finding.check.name: finding.verdict for finding in findings("bars", table)}
    assert {query.check.name for query in offenders.queries("bars")} <= set(told)
    assert list(told.values()).count("FAIL") > 15


def test_every_check_is_shown_a_fault():
    files = {path.stem for path in offenders.SQL.glob("*.sql")}
    assert files == {fault.check for fault in FAULTS}


@pytest.mark.parametrize("tf", ["5m", "4h", "1d"])
def test_nothing_is_said_of_clean_bars_at_other_timeframes(tf):
    told = findings("bars", plausible.table(8 if tf == "5m" else 90, tf), tf)
    assert {one.verdict for one in told} <= {"ok", "skipped"}, [one for one in told if one.verdict in ("warn", "FAIL")]


def test_every_check_can_fail():
    for dataset in {path.stem.split("_")[0] for path in offenders.SQL.glob("*.sql")}:
        for query in offenders.queries(dataset):
            assert query.check.must, f"{dataset}_{query.check.name} has no `must`"


def test_a_warning_stands_beside_the_limit_it_is_about():
    gaps = Check("gap_ratio", "bars that are not there", "< 0.005", "== 0", "ratio")
    told = Report("S", "S", {}, [gaps.found(value) for value in (0, 0.001, 0.1)]).lines()[2:]
    assert [line.split() for line in told] == [
        ["gap_ratio", "0", "%", "<", "0.5", "%", "ok"],
        ["gap_ratio", "0.1", "%", "==", "0", "%", "warn"],
        ["gap_ratio", "10", "%", "<", "0.5", "%", "FAIL"],
    ]


@pytest.mark.parametrize(("value", "written"), [(5.1234, "5.123 µs"), (4369.2, "4,369 µs"), (20541.3, "20,541 µs")])
def test_a_large_value_is_written_out(value, written):
    assert Check("max_us", "the slowest bar", form="µs").written(value) == written
