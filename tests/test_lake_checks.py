"""Each check is shown a fault and goes red; data with nothing wrong in it stays green."""

from __future__ import annotations

import pytest

from lake import offenders
from tests.planted import FAULTS, clean, findings, red

DATASETS = ("bars", "features", "labels", "log")


@pytest.mark.parametrize("dataset", DATASETS)
def test_nothing_is_said_of_clean_data(dataset):
    told = {finding.check.name: finding for finding in findings(dataset, clean(dataset))}
    assert {one.verdict for one in told.values()} == {"ok"}, [one for one in told.values() if one.verdict != "ok"]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.what)
def test_a_planted_fault_turns_its_check_red(fault):
    assert fault.check.split("_", 1)[1] in red(fault)


def test_every_check_is_shown_a_fault():
    files = {path.stem for path in offenders.SQL.glob("*.sql")}
    assert files == {fault.check for fault in FAULTS}


def test_every_check_can_fail():
    for dataset in {path.stem.split("_")[0] for path in offenders.SQL.glob("*.sql")}:
        for query in offenders.queries(dataset):
            assert query.check.must, f"{dataset}_{query.check.name} has no `must`"
