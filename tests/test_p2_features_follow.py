"""What follow tells and stream answers is, bar for bar and bit for bit, what the batch builds of the committed days."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest

from lake import cli, days, live
from meta.datasets import DATASETS
from meta.timeframes import HOUR, MINUTE, day_start, days_between, utc
from p1_ingest.sim.quirks import CALM
from p1_ingest.sources.coinglass import sim_source
from p2_features import build as building
from p2_features import state
from p2_features.choice import Asked, chosen
from p2_features.feed import Feed
from p2_features.live_cli import decided
from p2_features.stream import Engine
from tests.follows import Fast, Heard, Moody, follow, shelf
from tests.test_p1_ingest_record import run
from tests.test_p2_features_state import bits, streamed, written_rows

LAST = date(2025, 6, 5)  # the last day there is when following begins
NOON = day_start(LAST + timedelta(days=1)) + 11 * HOUR + 7 * MINUTE


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> dict:
    """A lake of 33 days with features, followed for two and a half more, and looked at when it began and at noon."""
    root = tmp_path_factory.mktemp("lived")
    clock, heard, place = Fast(NOON, NOON + 54 * HOUR), Heard(), shelf(root)
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
        run(source, place, days_between(LAST - timedelta(days=32), LAST), now=NOON)
        building.build(place.sibling(DATASETS["features"]), place, cli.Span(), Asked())
        seeded("before")
        clock.at = [(NOON + 20 * HOUR, lambda: seeded("midway"))]
        follow(source, [place], clock, heard)
    building.build(place.sibling(DATASETS["features"]), place, cli.Span(), Asked())
    return found


def test_features_of_followed_bars_are_the_built_ones(lived: dict) -> None:
    place, heard = lived["place"], lived["heard"]
    source, feed, _ = lived["engines"]["before"]
    assert source == "lake"
    want = written_rows(place, LAST + timedelta(days=1))
    answers = [feed.taken(*feed.read(line)) for line in heard.lines]
    found = {a["ts"]: a["features"] for a in answers if a["written"]}
    assert len(want) > 30
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
    assert len(found) > 30
    checked = [ts for ts in want if utc(ts) in found]
    assert len(checked) > 15
    assert all(bits(found[utc(ts)]) == bits(want[ts]) for ts in checked)


def test_the_command_starts_from_days_live_bars_and_state_whichever_reaches_further(
    lived: dict, tmp_path: Path
) -> None:
    place, kept = lived["place"], tmp_path / "state.p2"
    last = live.read(place).column("ts").to_pylist()[-1]  # type: ignore[union-attr]
    answers, told, code = streamed(place, [], "--state", str(kept))
    assert (answers, code) == ([], 0)
    assert f"from the live bars up to {last:%Y-%m-%dT%H}" in told
    live.path(place).rename(tmp_path / "aside")
    try:
        assert "from the state up to" in streamed(place, [], "--state", str(kept))[1]
    finally:
        (tmp_path / "aside").rename(live.path(place))
    assert max(days.committed(place)) < last.date()
    assert chosen(place.sibling(DATASETS["features"]), place, Asked()).features
