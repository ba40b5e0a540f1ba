"""A feature whose inputs too few bars have is left out on demand, by share and range, and stays out until asked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from lake import notes
from meta.datasets import DATASETS
from meta.errors import Usage
from p2_features.choice import Asked, Choice, chosen
from tests.faults import DAY, LAST, N, bars_lake, cells, changed
from tests.lakes import the_days

SPOT = ("perp_share_60m",)


def test_what_too_few_bars_have_is_left_out_and_stays_out_until_it_is_asked_for(tmp_path: Path) -> None:
    bars = bars_lake(tmp_path)
    shelf = bars.sibling(DATASETS["features"])
    changed(bars, cells("spot_taker_buy", None), *the_days(N // 2))  # half of all bars

    def decided(**asked: object) -> Choice:
        choice = chosen(shelf, bars, Asked(**asked).checked())  # type: ignore[arg-type]
        notes.write(shelf, notes.FEATURES, choice.note())
        return choice

    assert not decided().left_out and not decided(reselect=True, coverage=0.5).left_out
    thin = decided(reselect=True, coverage=0.9)
    assert set(thin.left_out) == {*SPOT}
    reason = f"by coverage: spot_taker_buy is there on 50.00% of the bars of {DAY} … {LAST}, less than 90%"
    assert thin.left_out[SPOT[0]] == reason
    assert thin.note()["coverage"] == {"least": 0.9, "first": str(DAY), "last": str(LAST)}
    for later in (decided(), decided(exclude=("oi_z",))):
        assert later.left_out[SPOT[0]] == reason and later.coverage == thin.coverage
    assert SPOT[0] in decided(include=SPOT).names and SPOT[0] in decided().names
    assert not decided(reselect=True).left_out and not decided().coverage


def test_coverage_is_a_way_to_decide_again() -> None:
    with pytest.raises(Usage, match="give --reselect"):
        Asked(coverage=0.5).checked()
