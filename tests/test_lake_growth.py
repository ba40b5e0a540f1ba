"""A lake grows: a column, a feature, a VERSION more; until all is rewritten two schemas stand there, never mixed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from lake import catalog, commit, days, notes, status, tables
from lake.frozen import frozen
from lake.span import Span
from meta.columns import BARS
from meta.datasets import DATASETS
from meta.errors import Refused
from meta.timeframes import DAY, day_start
from p1_ingest.sim.quirks import CALM
from p1_ingest.sim.server import SimVenue
from p1_ingest.sources.coinglass import sim_source
from p1_ingest.wanted import Choice
from p2_features.build import build
from p2_features.choice import Asked
from tests import lakes, p3_lake, previous
from tests.mains import called
from tests.p3_lake import EVERY, SYMBOLS, TF, label
from tests.test_p1_ingest_record import run, shelf, the_days

WANTED = the_days(4)
NOW = day_start(WANTED[-1]) + 9 * DAY
FEATURE = "hour_of_week_sin"


@pytest.fixture
def root() -> Iterator[Path]:
    with lakes.scratch() as where:
        yield where / "lake"


def schemas(root: Path, dataset: str) -> set[int]:
    return {one.schemas for one in status.status(root).shelves if one.shelf.dataset.name == dataset}


def stale(root: Path, dataset: str) -> dict[date, str]:
    """The stale days of the first symbol, and why."""
    found = (one for one in status.status(root).shelves if one.shelf.dataset.name == dataset)
    return dict(next(found).stale)


@pytest.mark.parametrize("dataset", ["bars", "features", "labels", "weights"])
def test_a_raised_version_makes_every_day_stale_and_says_why(
    root: Path, dataset: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind, place = DATASETS[dataset], p3_lake.shelf(p3_lake.whole(root), dataset)
    if dataset == "bars":  # the others are built by their phases, and these put there
        with commit.writing(place):
            notes.write_rules(place, *(entry.code for entry in days.committed(place).values()))
    assert stale(root, dataset) == {}
    monkeypatch.setitem(DATASETS, dataset, replace(kind, version=kind.version + 1))
    why = f"the {dataset}' rules changed: it is of version {kind.version}, and they are of {kind.version + 1}"
    assert stale(root, dataset) == dict.fromkeys(days.committed(place), why)
    told = called(f"lake status --stale --lake {root}")[1]
    assert told.count(f"stale: {why}") == sum(len(one.stale) for one in status.status(root).shelves)


def test_a_column_that_came_to_a_dataset_makes_its_days_stale(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kind, place = DATASETS["weights"], p3_lake.shelf(p3_lake.whole(root), "weights")
    assert kind.columns is not None
    monkeypatch.setitem(DATASETS, "weights", replace(kind, columns=(*kind.columns[:-1], BARS[3])))
    (why,) = set(stale(root, "weights").values())
    assert why == f"the weights' columns changed: +{BARS[3].name} -{kind.columns[-1].name}"
    assert len(stale(root, "weights")) == len(days.committed(place))


def test_labels_of_other_rules_than_the_last_are_stale(root: Path) -> None:
    p3_lake.whole(root)
    label(root, Span(None, EVERY[-3], None), k=3.0)
    told = stale(root, "labels")
    assert set(told.values()) == {"the labels' rules changed: the last run had others"}
    assert max(told) < EVERY[-3] and len(told) > 5


def test_a_column_more_rewrites_the_days_of_the_version_before_and_keeps_what_they_were(root: Path) -> None:
    place, today = shelf(root), shelf(root.parent / "today")
    with SimVenue(CALM, lambda: NOW) as venue:
        source = sim_source(venue.url)
        run(source, today, WANTED, NOW)
        now = lakes.day_folders(today.root)
        previous.written(place, WANTED, today)
        before, when = lakes.day_folders(root), datetime.now(UTC).isoformat()
        assert before.keys() == now.keys() and all(before[name] != now[name] for name in now)
        done = run(source, place, WANTED[:2], NOW, Choice(workers=2, refresh_tail=0))
        assert done.changed == WANTED[:2], "they are of other rules, and asked for again"
        assert schemas(root, "bars") == {2}
        assert stale(root, "bars") == dict.fromkeys(WANTED[2:], "the bars' rules changed: the last run had others")
        with catalog.opened(root) as lake:
            sql = f"SELECT count(*), count({previous.NEW}) FROM bars_1h"
            assert lake.sql(sql).fetchall() == [(96, 48)], "SQL sees both, null where there was no such column"
            assert lake.sql("SELECT count(*) FROM revisions").fetchall() == [(0,)], "a column more is no restatement"
        run(source, place, WANTED, NOW, Choice(workers=2, refresh_tail=0))
    assert lakes.day_folders(root) == now and schemas(root, "bars") == {1} and stale(root, "bars") == {}
    assert lakes.day_folders(frozen(root, when).root) == before, "as of then there are the bytes of then"


def built(root: Path, span: Span, **asked: tuple[str, ...]) -> None:
    build(p3_lake.shelf(root, "features"), p3_lake.shelf(root, "bars"), span, Asked(**asked))


def columns(root: Path) -> list[str]:
    return tables.train_table(SYMBOLS[0], TF, lake=root, as_="arrow").column_names


def test_a_feature_more_is_not_trained_on_until_every_day_has_it(root: Path) -> None:
    p3_lake.whole(root)
    built(root, Span(), exclude=(FEATURE,))
    label(root)
    assert FEATURE not in columns(root) and schemas(root, "features") == {1}
    built(root, Span(None, EVERY[-3], None), include=(FEATURE,))
    assert 2 in schemas(root, "features")
    told = stale(root, "features")
    assert set(told.values()) == {"the features' rules changed: the last run had others"}
    first: date = min(told)
    with pytest.raises(Refused, match="two schemas"):
        columns(root)
    assert FEATURE not in tables.load(SYMBOLS[0], TF, end=first, lake=root, of="features").columns
    built(root, Span())
    assert schemas(root, "features") == {1}
    assert FEATURE in columns(root)
