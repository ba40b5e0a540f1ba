"""What follow tells and stream answers is, bar for bar and bit for bit, what the batch builds of the committed days."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest

from lake import days, live
from lake.span import Span
from meta.datasets import DATASETS
from meta.timeframes import HOUR, MINUTE, day_start, days_between, utc
from p1_ingest.sim.quirks import CALM
from p1_ingest.sources.coinglass import sim_source
from p2_features import build as building
from p2_features import state
from p2_features.choice import Asked
from p2_features.feed import Feed
from p2_features.stream import Engine
from p2_features.stream_cli import decided
from tests.follows import Fast, Heard, Moody, follow, shelf
from tests.test_p1_ingest_record import run
from tests.test_p2_features_state import bits, written_rows
from tests.test_p2_features_stream import same

LAST = date(2025, 6, 5)  # the last day there is when following begins
NOON = day_start(LAST + timedelta(days=1)) + 11 * HOUR + 7 * MINUTE


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> dict:
    """A lake of 31 days with features, followed over a midnight; streams that began before it and in between."""
    root = tmp_path_factory.mktemp("lived")
    clock, heard, place = Fast(NOON, NOON + 14 * HOUR), Heard(), shelf(root)
    found: dict = {"place": place, "heard": heard, "engines": {}}

    def seeded(name: str) -> None:
        choice = decided(place, None)
        engine = Engine(choice.features, choice.warmup, choice.window)
        found["engines"][name] = (
            state.seed(engine, place, choice.code(), None),
            Feed(place.tf, {"BTCUSDT": engine}, print),
            len(heard.lines),
        )

    with Moody(clock, replace(CALM, gaps=0.02)) as venue:
        source = sim_source(venue.url)
        run(source, place, days_between(LAST - timedelta(days=30), LAST), now=NOON)
        building.build(place.sibling(DATASETS["features"]), place, Span(), Asked())
        seeded("before")
        clock.at = [(NOON + 4 * HOUR, lambda: seeded("midway"))]
        follow(source, [place], clock, heard)
    building.build(place.sibling(DATASETS["features"]), place, Span(), Asked())
    return found


def test_features_of_followed_bars_are_the_built_ones(lived: dict) -> None:
    place, heard = lived["place"], lived["heard"]
    source, feed, _ = lived["engines"]["before"]
    assert source == "lake"
    want = written_rows(place, LAST + timedelta(days=1))
    answers = [feed.taken(*feed.read(line)) for line in heard.lines]
    found = {a["ts"]: a["features"] for a in answers if a["written"]}
    assert len(want) > 20
    assert {utc(ts) for ts in want} <= set(found)
    for ts, row in want.items():
        assert bits(found[utc(ts)]) == bits(row), utc(ts)


def test_a_stream_that_starts_in_between_goes_on_from_the_live_bars(lived: dict) -> None:
    place, heard = lived["place"], lived["heard"]
    source, feed, heard_before = lived["engines"]["midway"]
    assert source == "live bars"
    want = written_rows(place, LAST + timedelta(days=1))
    answers = [feed.taken(*feed.read(line)) for line in heard.lines[heard_before:]]
    found = {a["ts"]: a["features"] for a in answers if a["written"]}
    assert len(found) > 8
    checked = [ts for ts in want if utc(ts) in found]
    assert len(checked) > 7
    assert all(bits(found[utc(ts)]) == bits(want[ts]) for ts in checked)


def test_a_stream_starts_from_whatever_reaches_furthest(lived: dict, tmp_path: Path) -> None:
    place = lived["place"]
    choice = decided(place, None)

    def seeded(kept: state.Memory | None) -> tuple[str, Engine]:
        engine = Engine(choice.features, choice.warmup, choice.window)
        return state.seed(engine, place, choice.code(), kept), engine

    source, engine = seeded(None)
    last = live.read(place).column("ts").to_pylist()[-1]  # type: ignore[union-attr]
    assert (source, utc(engine.position("BTCUSDT") * HOUR)[:13]) == ("live bars", f"{last:%Y-%m-%dT%H}")  # type: ignore[operator]
    assert max(days.committed(place)) < last.date()
    kept = state.of(engine, "BTCUSDT", choice.code())
    assert seeded(kept)[0] == "live bars", "the file wins over what the state remembers of the same bars"
    live.path(place).rename(tmp_path / "aside")
    try:
        source, from_state = seeded(kept)
        assert (source, seeded(None)[0]) == ("state", "lake")
    finally:
        (tmp_path / "aside").rename(live.path(place))
    assert same(engine.bars("BTCUSDT")[0], from_state.bars("BTCUSDT")[0])


def test_of_two_that_have_a_bar_the_later_piece_stands_and_an_empty_one_hides_nothing() -> None:
    nan, no, yes = np.nan, np.zeros(4, bool), np.ones(4, bool)
    kept = state.Piece("state", np.array([[1.0], [1.0], [1.0], [1.0]]), 10, no)
    fresh = state.Piece("live bars", np.array([[2.0], [nan], [2.0], [2.0]]), 11, no)
    hole = np.array([True, True, False, False])  # a day between two committed ones that is not committed itself
    lake = state.Piece("lake", np.array([[nan], [3.0], [nan], [nan]]), 9, hole)
    rows, first = state._joined([kept, fresh, lake], 100)
    assert (first, rows[:, 0].tolist()) == (9, [pytest.approx(nan, nan_ok=True), 3.0, 2.0, 1.0, 2.0, 2.0])
    rows, first = state._joined([kept, fresh], 2)
    assert (first, rows[:, 0].tolist()) == (13, [2.0, 2.0])
    whole = state.Piece("lake", np.array([[nan], [nan], [3.0], [3.0]]), 10, yes)
    assert np.isnan(state._joined([kept, whole], 100)[0][:2]).all(), "a committed day says what is not there"
