"""A day that its inputs no longer make goes in one step, is told, and comes back with them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from lake import commit, days, log, orphans, publishing, staging, verify
from lake.orphans import Orphans
from lake.span import Span
from meta.errors import NotReady, Refused
from p2_features.build import build as build_features
from p2_features.choice import Asked
from p3_labels.cli import commands
from tests import crash, faults, lakes, p3_lake
from tests.p3_lake import EVERY, TF, label, shelf, weigh
from tests.tap import BREAK, EXCHANGE

GONE = EVERY[38]


def features(root: Path, **asked: object) -> object:
    return build_features(shelf(root, "features"), shelf(root, "bars"), Span(), Asked(**asked))  # type: ignore[arg-type]


def all_of_it(root: Path) -> None:
    features(root)
    label(root)
    weigh(root)


@pytest.fixture(scope="module")
def truth() -> Iterator[Path]:
    with lakes.scratch() as where:
        p3_lake.with_features(where)
        all_of_it(where)
        yield where


@pytest.fixture
def root(truth: Path) -> Iterator[Path]:
    with lakes.scratch() as where:
        yield lakes.copied(truth, where / "lake")


def computed(root: Path) -> dict[str, dict[str, bytes]]:
    return {name: held for name, held in lakes.day_folders(root).items() if not name.startswith("parquet")}


def from_nothing(root: Path, where: Path) -> Path:
    """A lake of the same bars, built in one go."""
    other = where / "other"
    lakes.copied(root / "parquet", other / "parquet")
    all_of_it(other)
    build_features(shelf(other, "features", "SOLUSDT"), shelf(other, "bars", "SOLUSDT"), Span(), Asked())
    return other


@pytest.mark.parametrize("lost", [GONE, EVERY[-1]])
def test_after_a_day_of_bars_is_lost_a_build_ends_where_one_from_nothing_does(root: Path, lost) -> None:
    faults.removed(shelf(root, "bars"), lost)
    told = features(root)
    assert [str(lost)] == told.data()["days"]["taken away"]
    assert f"1 days taken away, {lost}" in "\n".join(told.lines())
    label(root)
    weigh(root)
    assert computed(root) == computed(from_nothing(root, root.parent))
    gone = {day for kind in ("features", "labels", "weights") for day in (lost,) if days.entry(shelf(root, kind), day)}
    assert not gone
    assert not [one for one in verify.verify(root) if one.shelf and one.shelf.dataset.phase != "P1"]


def test_what_was_taken_away_comes_back_with_its_inputs(root: Path) -> None:
    before, kept = computed(root), root.parent / "kept"
    shelf(root, "bars").day_folder(GONE).rename(kept)
    all_of_it(root)
    assert computed(root) != before
    kept.rename(shelf(root, "bars").day_folder(GONE))
    all_of_it(root)
    assert computed(root) == before
    told = [line[5] for line in lakes.told(root) if line[:4] == ("features", TF, "BTCUSDT", str(GONE))]
    assert len(told) == 3 and told[1] == log.ABSENT and told[0] == told[2]


def test_most_days_are_only_taken_away_where_that_is_asked_for(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(orphans, "MONTH", 3)
    before = computed(root)
    for day in EVERY[31:]:
        faults.removed(shelf(root, "features"), day)
    label(root)
    left = {name: held for name, held in before.items() if name.startswith("labels")}
    assert {n: h for n, h in computed(root).items() if n.startswith("labels")} == left
    argv = ["triple-barrier", "--lake", str(root), "--tf", TF, "--symbol", "BTCUSDT", "--k", "4"]
    told = CliRunner().invoke(commands, argv, standalone_mode=False).output
    assert "days stay" in told and "give --prune" in told
    told = CliRunner().invoke(commands, [*argv[:-1], "3", "--prune"], standalone_mode=False).output
    assert "BTCUSDT 1h: 1 of these days had labels of other rules, which are replaced" in told
    assert list(days.committed(shelf(root, "labels"))) == [EVERY[30]]
    faults.removed(shelf(root, "features"), EVERY[30])
    with pytest.raises(NotReady, match="no committed day"):
        label(root)
    told = CliRunner().invoke(commands, [*argv, "--prune"], standalone_mode=False).output
    assert "1 days taken away" in told and not days.committed(shelf(root, "labels"))


@pytest.mark.parametrize(("known", "most"), [(40, 31), (70, 35)])
def test_a_month_of_days_or_half_of_them_goes_and_one_more_stays(known: int, most: int) -> None:
    for lost in (most, most + 1):
        with lakes.scratch() as where:
            days_there = lakes.the_days(known)
            labels = lakes.planted(lakes.a_shelf(where, "1d", dataset="labels"), days_there)
            with commit.writing(labels) as writer:
                told = orphans.take_away(writer, Span(), days_there[lost:], prune=False)
            assert (len(told.gone), len(told.left)) == ((lost, 0) if lost == most else (0, lost))


def test_only_days_of_the_range_are_taken_away(root: Path) -> None:
    for day in (EVERY[35], EVERY[39]):
        faults.removed(shelf(root, "features"), day)
    label(root, Span(None, EVERY[38], None))
    assert days.entry(shelf(root, "labels"), EVERY[35]) and not days.entry(shelf(root, "labels"), EVERY[39])
    label(root, Span(6))
    assert days.entry(shelf(root, "labels"), EVERY[35]), "the last 6 days begin after it"
    label(root)
    assert not days.entry(shelf(root, "labels"), EVERY[35])


def test_a_label_day_that_waits_again_is_taken_away(root: Path) -> None:
    labelled = sorted(days.committed(shelf(root, "labels")))
    for day in EVERY[EVERY.index(labelled[-1]) :]:
        faults.removed(shelf(root, "bars"), day)
    label(root)
    assert max(days.committed(shelf(root, "labels"))) < labelled[-1]


def test_a_longer_warm_up_takes_the_days_it_covers(root: Path) -> None:
    features(root, warmup=36 * 24)
    assert min(days.committed(shelf(root, "features"))) == EVERY[36]


def test_a_strangers_file_is_not_taken_away_with_its_day(root: Path) -> None:
    faults.removed(shelf(root, "bars"), GONE)
    (shelf(root, "features").day_folder(GONE) / "notes.txt").write_text("mine")
    with pytest.raises(Refused, match=r"notes\.txt"):
        features(root)
    assert days.entry(shelf(root, "features"), GONE)


def two_of_five(root: Path) -> None:
    """Take the second and fourth of five days away, and write the third anew."""
    place = lakes.a_shelf(root)
    with commit.writing(place) as writer:
        for i in (1, 3):
            writer.remove(lakes.DAY + timedelta(days=i))
        writer.stage(lakes.DAY + timedelta(days=2), lakes.a_day(lakes.DAY + timedelta(days=2), seed=7), lakes.SOURCE)
        writer.publish()


def test_days_that_go_or_stay_are_told_in_one_line() -> None:
    one, some = (lakes.DAY,), tuple(lakes.the_days(3))
    assert Orphans().lines("P2") == []
    assert Orphans(gone=one).lines("P2") == [f"P2: 1 days taken away, {one[0]}: no inputs make them now"]
    assert f"3 days taken away, {some[0]} … {some[-1]}" in Orphans(gone=some).lines("P2")[0]
    (line,) = Orphans(left=some).lines("P2")
    assert "3 days stay" in line and "give --prune" in line
    assert Orphans(gone=one, left=some).data() == {
        "taken away": [str(one[0])], "orphaned": [str(day) for day in some],
    }  # fmt: skip


@pytest.mark.parametrize("mode", [EXCHANGE, BREAK])
def test_a_removal_struck_anywhere_is_done_or_not_done_and_is_finished_by_the_next(mode: str) -> None:
    with lakes.scratch() as where:
        lakes.committed(lakes.a_shelf(where / "lake"), lakes.the_days(5))
        report = crash.points(two_of_five, where / "lake", where, mode=mode, most=40)
        assert not report.violations, report.violations[:10]
        assert report.points >= 40


def test_verify_does_not_miss_a_day_that_is_just_being_taken_away() -> None:
    with lakes.scratch() as root:
        place = lakes.committed(lakes.a_shelf(root), lakes.the_days(3))
        with commit.writing(place) as writer:
            writer.remove(lakes.DAY)
            staging.settle(place, writer.staged)
            publishing.publish(place, writer.staged[0])  # renamed, and not told yet
            assert not [one for one in verify.verify(root) if one.wrong]
        assert not verify.verify(root) and log.last_words(place).keys() == {*lakes.the_days(3)} - {lakes.DAY}
