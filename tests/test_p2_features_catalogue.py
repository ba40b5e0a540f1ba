"""conf/features.yaml is read whole, checked whole, and means the same columns to everyone."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import yaml

from lake.settings import PROJECT
from meta.columns import BAR_COLUMNS
from meta.errors import Usage
from meta.timeframes import TIMEFRAMES
from p2_features import catalogue
from p2_features.compute import compute
from tests.p2_bars import bars

CORE = [
    "ret_5m", "ret_1h", "ret_4h", "hl_range", "co_ret", "vol_z", "oi_z", "fund_now_z", "funding_pctile_30d",
    "cvd_diff_z", "perp_share_60m", "liq60_z", "rv_5m_z", "hour_of_week_sin", "hour_of_week_cos",
    "_imputed_funding_now", "_imputed_oi_now",
]  # fmt: skip
FIVE = TIMEFRAMES["5m"]


def names(tf: str, set_name: str = "core") -> list[str]:
    return [feature.name for feature in catalogue.load().features(TIMEFRAMES[tf], set_name)]


def written(tmp_path: Path, **changes: object) -> Path:
    """A features file of one set with one feature, with these changes to the feature."""
    entry = {"of": "close - open", "unit": "quote", "meaning": "rise", "source": "us", **changes}
    return saved(tmp_path, {"sets": {"mine": {"rise": {k: v for k, v in entry.items() if v is not None}}}})


def saved(tmp_path: Path, said: object) -> Path:
    path = tmp_path / "features.yaml"
    path.write_text(yaml.safe_dump(said, sort_keys=False), encoding="utf-8")
    return path


def test_the_core_columns_stand_in_the_order_of_the_design() -> None:
    assert names("5m") == CORE


OTHERS = {
    "1m": ["ret_1m", "ret_1h", "ret_4h", "rv_1m_z", "perp_share_60m", "liq60_z"],
    "15m": ["ret_15m", "ret_1h", "ret_4h", "rv_15m_z", "perp_share_60m", "liq60_z"],
    "1h": ["ret_1h", "ret_4h", "rv_1h_z", "perp_share_60m", "liq60_z"],
    "2h": ["ret_2h", "ret_4h", "rv_2h_z"],
    "4h": ["ret_4h", "rv_4h_z"],
    "6h": ["ret_6h", "rv_6h_z"],
    "8h": ["ret_8h", "rv_8h_z"],
    "12h": ["ret_12h", "rv_12h_z"],
    "1d": ["ret_1d", "rv_1d_z"],
}


@pytest.mark.parametrize("tf", OTHERS)
def test_names_and_lengths_follow_the_timeframe(tf: str) -> None:
    found = names(tf)
    moving = [name for name in found if re.match(r"ret_|rv_|perp_share|liq60", name)]
    assert sorted(moving) == sorted(OTHERS[tf])
    assert len(found) == len(set(found))
    assert found[:1] == [f"ret_{tf}"]
    steady = [name for name in CORE if not re.match(r"ret_|rv_|perp_share|liq60", name)]
    assert [name for name in found if name not in moving] == steady


@pytest.mark.parametrize("tf", TIMEFRAMES)
@pytest.mark.parametrize("set_name", catalogue.load().sets)
def test_every_set_exists_at_every_timeframe(tf: str, set_name: str) -> None:
    for feature in catalogue.load().features(TIMEFRAMES[tf], set_name):
        assert feature.meaning
        assert feature.formula
        assert feature.source
        assert feature.type in ("double", "bool")
        assert set(feature.required) <= set(feature.inputs) <= set(BAR_COLUMNS)
        assert feature.reach >= feature.unnormalised_reach >= 0


def test_the_core_reach_is_two_windows_and_an_hour_less_a_bar() -> None:
    features = {feature.name: feature for feature in catalogue.load().features(FIVE)}
    assert max(feature.reach for feature in features.values()) == features["liq60_z"].reach == 2 * 8640 + 11
    assert max(feature.unnormalised_reach for feature in features.values()) == 48
    assert features["funding_pctile_30d"].reach == 8640 + 3
    assert features["hour_of_week_sin"].reach == 0
    past = features["vol_z"].past
    assert past
    assert (past.window, past.least_quantile, past.least) == (8640, 288, 4320)
    assert (past.low, past.high) == (0.01, 0.99)


def test_least_counts_follow_the_timeframe() -> None:
    past = catalogue.load().features(TIMEFRAMES["1d"])[-1 - 4].past
    assert past
    assert (past.window, past.least_quantile, past.least) == (30, 20, 15)


def test_only_funding_and_open_interest_are_ever_imputed() -> None:
    carried = {name for f in catalogue.load().features(FIVE) for name in f.imputed}
    assert carried == {"funding_now", "oi_now"}
    by_name = {f.name: f for f in catalogue.load().features(FIVE)}
    assert by_name["fund_now_z"].inputs == ("funding_now", "funding_interval_hours")
    assert by_name["fund_now_z"].required == ("funding_now",)


# --- digests ---------------------------------------------------------------------------------------------------------


def digests(settings: dict | None = None, tf: str = "5m") -> dict[str, str]:
    found = catalogue.load().changed(**(settings or {})).features(TIMEFRAMES[tf])
    return {feature.name: feature.digest() for feature in found}


@pytest.mark.parametrize(
    ("settings", "moved"),
    [
        (
            {"window_days": 29},
            {"vol_z", "oi_z", "fund_now_z", "funding_pctile_30d", "cvd_diff_z", "liq60_z", "rv_5m_z"},
        ),
        ({"winsor_low": 0.02}, {"vol_z", "oi_z", "fund_now_z", "cvd_diff_z", "liq60_z", "rv_5m_z"}),
        ({"winsor_high": 0.98}, {"vol_z", "oi_z", "fund_now_z", "cvd_diff_z", "liq60_z", "rv_5m_z"}),
        ({"quantile_least_part": 31}, {"vol_z", "oi_z", "fund_now_z", "cvd_diff_z", "liq60_z", "rv_5m_z"}),
        ({"quantile_least_bars": 300}, {"vol_z", "oi_z", "fund_now_z", "cvd_diff_z", "liq60_z", "rv_5m_z"}),
        (
            {"mean_least_part": 3},
            {"vol_z", "oi_z", "fund_now_z", "funding_pctile_30d", "cvd_diff_z", "liq60_z", "rv_5m_z"},
        ),
        ({"carried_most": 2}, {"oi_z", "fund_now_z", "funding_pctile_30d", "_imputed_funding_now", "_imputed_oi_now"}),
    ],
)
def test_a_setting_moves_the_digests_of_the_features_it_reaches_and_no_others(settings: dict, moved: set[str]) -> None:
    before, after = digests(), digests(settings)
    assert {name for name in before if before[name] != after[name]} == moved


def test_digests_are_distinct_stable_and_know_the_timeframe() -> None:
    assert digests() == digests({"window_days": None})
    assert digests({"winsor_low": 0.0}) == digests({"winsor_low": 0})
    assert len(set(digests().values())) == len(CORE)
    assert not set(digests().values()) & set(digests(tf="15m").values())


def test_words_do_not_move_a_digest_but_the_formula_does(tmp_path: Path) -> None:
    def digest(**changes: object) -> str:
        return catalogue.load(written(tmp_path, **changes)).features(FIVE, "mine")[0].digest()

    assert digest() == digest(meaning="another word", unit="x", source="y")
    assert digest() == digest(of="(close - (open))")
    moved = [digest(of="open - close"), digest(of="close - past(open, 1)"), digest(then="zscore"), digest()]
    moved += [digest(of="a", sums={"a": "close"}, over="1h"), digest(of="a", sums={"a": "close"}, over="2h")]
    assert len(set(moved)) == len(moved)


# --- what cannot be meant --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"winsor_low": 2}, "winsor_low 2.0 is outside 0 to 0.5"),
        ({"winsor_low": float("nan")}, "winsor_low nan is outside"),
        ({"winsor_high": 0.2}, "winsor_high 0.2 is outside 0.5 to 1"),
        ({"window_days": 0}, "window_days 0 is outside 1 to 366"),
        ({"window_days": 2.5}, "int"),
        ({"carried_most": -1}, "carried_most -1 is outside"),
        ({"winsor_lo": 0.1}, "did you mean 'winsor_low'"),
    ],
)
def test_an_impossible_setting_is_one_clear_line(settings: dict, said: str) -> None:
    with pytest.raises(Usage) as refused:
        catalogue.load().changed(**settings)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"of": "close.real"}, "rise: 'close.real' uses an attribute"),
        ({"of": "clsoe"}, "did you mean close?"),
        ({"then": "zscroe"}, "zscroe"),
        ({"formula": "close"}, "unknown field `formula`"),
        ({"unit": None}, "missing required field `unit`"),
        ({"source": " "}, "where it comes from"),
        ({"meaning": ""}, "where it comes from"),
        ({"sums": {"a": "close"}}, "sums and over belong together"),
        ({"over": "1h"}, "sums and over belong together"),
        ({"sums": {"close": "open"}, "over": "1h"}, "'close' cannot be a name"),
        ({"sums": {"ln": "open"}, "over": "1h"}, "'ln' cannot be a name"),
        ({"sums": {"a": "b", "b": "close"}, "over": "1h"}, "'b' is not a bar column"),
        ({"sums": {"a": "close"}, "over": "1 hour"}, "is not a length such as 60m"),
        ({"sums": {"a": "close"}, "over": "0h"}, "is not a length such as 60m"),
        ({"of": "carried(close)"}, "carries close; only"),
    ],
)
def test_a_feature_that_cannot_be_meant_is_one_line_naming_it(tmp_path: Path, changes: dict, said: str) -> None:
    with pytest.raises(Usage) as refused:
        catalogue.load(written(tmp_path, **changes))
    assert said in str(refused.value)
    assert "features.yaml" in str(refused.value)
    assert "\n" not in str(refused.value)


ENTRY = {"of": "close - open", "unit": "quote", "meaning": "rise", "source": "us"}


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({}, "missing required field `sets`"),
        ({"sets": {"a": {"close": ENTRY}}}, "no name for a feature"),
        ({"sets": {"a": {"ts": ENTRY}}}, "no name for a feature"),
        ({"sets": {"a": {"Rise up": ENTRY}}}, "no name for a feature"),
        ({"sets": {"a": {"rise_{x}": ENTRY}}}, "no name for a feature"),
        ({"sets": {"a": {"rise": ENTRY}}, "names": {"close": "open"}}, "'close' cannot be a name"),
        ({"sets": {"a": {"rise": ENTRY}}, "names": {"a": "b", "b": "open"}}, "'b' is not a bar column"),
        ({"sets": {"a": {"rise": ENTRY}}, "imputed": ["oi_no"]}, "did you mean oi_now?"),
        ({"sets": {"a": {"rise": ENTRY}}, "settings": {"winsor_low": 2}}, "winsor_low 2.0 is outside 0 to 0.5"),
        ({"sets": {"a": {"rise": ENTRY}}, "setings": {}}, "did you mean 'settings'?"),
    ],
)
def test_a_file_that_cannot_be_meant_is_refused(tmp_path: Path, said: dict, why: str) -> None:
    with pytest.raises(Usage) as refused:
        catalogue.load(saved(tmp_path, said))
    assert why in str(refused.value)
    assert "\n" not in str(refused.value)


def test_two_features_cannot_share_a_name(tmp_path: Path) -> None:
    other = {**ENTRY, "of": "open - close"}
    loaded = catalogue.load(saved(tmp_path, {"sets": {"a": {"rise_{tf}": ENTRY}, "b": {"rise_1h": other}}}))
    assert [feature.name for feature in loaded.features(FIVE, "b")] == ["rise_5m", "rise_1h"]
    with pytest.raises(Usage, match="rise_1h at 1h is already another feature"):
        loaded.features(TIMEFRAMES["1h"], "b")
    assert len(loaded.features(TIMEFRAMES["1h"], "a")) == 1


def test_an_unknown_set_or_feature_names_the_nearest() -> None:
    with pytest.raises(Usage, match="did you mean core"):
        catalogue.load().features(FIVE, "coer")
    with pytest.raises(Usage, match="did you mean vol_z"):
        catalogue.load().features(FIVE, include=["volz"])


# --- which of them a source can feed ---------------------------------------------------------------------------------

ALL = dict.fromkeys(BAR_COLUMNS, True)


def test_a_feature_without_its_input_is_left_out_with_the_reason_and_so_is_its_flag() -> None:
    features = catalogue.load().features(FIVE)
    offered = {**ALL, "spot_taker_buy": "no spot pair of that name", "oi_now": False, "funding_interval_hours": False}
    kept, left_out = catalogue.select(features, offered)
    assert left_out == {
        "perp_share_60m": "needs spot_taker_buy: no spot pair of that name",
        "oi_z": "needs oi_now: the source does not offer it",
        "_imputed_oi_now": "needs oi_now: the source does not offer it",
    }
    assert [f.name for f in kept] == [name for name in CORE if name not in left_out]


def test_a_column_nobody_spoke_of_is_not_offered() -> None:
    kept, left_out = catalogue.select(catalogue.load().features(FIVE), {"close": True})
    assert [f.name for f in kept] == ["ret_5m", "ret_1h", "ret_4h", "rv_5m_z", "hour_of_week_sin", "hour_of_week_cos"]
    assert len(left_out) == len(CORE) - 6


def test_with_and_without_go_by_name() -> None:
    features = catalogue.load().features(FIVE)
    kept, left_out = catalogue.select(features, ALL, exclude=["liq60_z"])
    assert left_out == {"liq60_z": "left out by --without"}
    assert len(kept) == len(CORE) - 1
    with pytest.raises(Usage, match=r"--without: feature 'liq_z' does not exist; did you mean liq60_z\?"):
        catalogue.select(features, ALL, exclude=["liq_z"])
    with pytest.raises(Usage, match=r"--with: feature 'volz' does not exist; did you mean vol_z\?"):
        catalogue.select(features, ALL, include=["volz"])
    with pytest.raises(Usage, match=r"--with oi_z: needs oi_now: the source does not offer it"):
        catalogue.select(features, {**ALL, "oi_now": False}, include=["oi_z"])
    with pytest.raises(Usage, match=r"oi_z stands in both"):
        catalogue.select(features, ALL, include=["oi_z"], exclude=["oi_z"])


# --- adding one ------------------------------------------------------------------------------------------------------


def test_the_example_of_the_docs_works_as_it_stands(tmp_path: Path) -> None:
    text = (PROJECT / "docs" / "adding-a-feature.md").read_text(encoding="utf-8")
    blocks = [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", text, re.S)]
    assert len(blocks) >= 1
    said = yaml.safe_load((PROJECT / "conf" / "features.yaml").read_text(encoding="utf-8"))
    for block in blocks:
        said["sets"].setdefault("mine", {}).update(block)
    loaded = catalogue.load(saved(tmp_path, said)).changed(window_days=1)
    mine = [feature for feature in loaded.features(FIVE, "mine") if feature.name in said["sets"]["mine"]]
    assert mine
    done = compute(mine, bars(900), 77)
    assert all(np.isfinite(done.values[feature.name]).mean() > 0.2 for feature in mine)


def test_every_function_of_the_language_is_in_the_docs() -> None:
    text = (PROJECT / "docs" / "adding-a-feature.md").read_text(encoding="utf-8")
    for word in (*catalogue.FUNCTIONS, *catalogue.CLOCKS, "pi", *catalogue.Settings.__struct_fields__):
        assert f"`{word}" in text, word


LEAKS = {
    "a bar ahead": {"of": "past(close, -1) / close"},
    "an hour ahead": {"of": "past(close, -1h) / close"},
    "this bar as its past": {"of": "past(close, 0)"},
    "a bar ahead, worked out": {"of": "past(close, 2 - 3)"},
    "a bar ahead, taken back twice": {"of": "past(past(close, -2), 1)"},
    "by another name": {"of": "future(close, 1)"},
    "a sum ahead": {"sums": {"buy": "perp_taker_buy"}, "over": "-60m", "of": "buy"},
    "a sum of what is ahead": {"sums": {"buy": "past(perp_taker_buy, -1)"}, "over": "60m", "of": "buy"},
}


@pytest.mark.parametrize("leak", LEAKS)
def test_no_entry_can_say_a_later_bar(tmp_path: Path, leak: str) -> None:
    """Whatever else is accepted looks back alone: test_one_bar_alone_has_the_bits_it_has_among_a_year."""
    with pytest.raises(Usage, match="rise") as refused:
        catalogue.load(written(tmp_path, **LEAKS[leak])).features(FIVE, "mine")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("setting", ["carried_most", "window_days", "quantile_least_bars", "mean_least_part"])
def test_no_setting_can_turn_time_around(tmp_path: Path, setting: str) -> None:
    said = yaml.safe_load(written(tmp_path).read_text(encoding="utf-8"))
    with pytest.raises(Usage, match=setting):
        catalogue.load(saved(tmp_path, {**said, "settings": {setting: -1}})).features(FIVE, "mine")
