"""A snapshot of folds is whole, of today's labels, and leaks nothing; the training table joins it or says why not."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from click.testing import CliRunner

from lake import answers, catalog, notes, snapshots, verify, views
from lake import tables as lake_tables
from lake.layout import Shelf
from meta.errors import NotReady, PerplakeError, Refused, Tampered, Usage
from meta.timeframes import DAY, HOUR, timeframe
from p3_labels import folds
from p3_labels.cli import commands
from p3_labels.concurrency import effective_size
from p3_labels.splits import Scheme
from tests import crash, faults, lakes
from tests.p3_lake import EVERY, PLAN, SYMBOLS, TF, H, fold, label, shelf, until, weigh, whole
from tests.tap import BREAK, EXCHANGE, KILLS, Point

STEP = timeframe(TF)


@pytest.fixture(scope="module")
def truth() -> Iterator[Path]:
    with lakes.scratch() as root:
        yield whole(root)


@pytest.fixture
def root(truth: Path) -> Iterator[Path]:
    with lakes.scratch() as where:
        yield lakes.copied(truth, where / "lake")


def place(root: Path, name: str = "main") -> Shelf:
    return snapshots.folds(root, STEP, name)


def held(root: Path, name: str = "main") -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in place(root, name).folder.iterdir()}


def query(root: Path, sql: str) -> pa.Table:
    with catalog.opened(root) as lake:
        return lake.sql(sql).to_arrow_table()


def in_ms(table: pa.Table, name: str) -> np.ndarray:
    return table.column(name).cast(pa.timestamp("ms", "UTC")).cast(pa.int64()).to_numpy()


# --- what it holds


@pytest.mark.parametrize("scheme", [
    PLAN.scheme, Scheme("cpcv", 5, 2, embargo_ms=2 * HOUR), Scheme("walk-forward", 4, embargo_ms=3 * DAY),
    Scheme(blocks=3, embargo_ms=0, cut="horizon", horizon_ms=H * HOUR),
], ids=["kfold", "cpcv", "walk-forward", "horizon"])  # fmt: skip
def test_nothing_trains_that_lives_through_a_test(root: Path, scheme: Scheme) -> None:
    said = fold(root, replace(PLAN, name="other", scheme=scheme)).said
    roles = lake_tables.folds(TF, "other", root, "arrow")
    rows = lake_tables.train_table(SYMBOLS, TF, lake=root, as_="arrow", folds="other")
    t1 = dict(
        zip(zip(rows.column("symbol").to_pylist(), in_ms(rows, "ts"), strict=True), in_ms(rows, "t1"), strict=True)
    )
    assert len(said["splits"]) == len(scheme.tests)
    for split in said["splits"]:
        mine = roles.filter(pa.compute.equal(roles.column("split"), split["split"]))
        role = np.array(mine.column("role").to_pylist())
        ts = in_ms(mine, "ts")
        end = np.array([t1[key] for key in zip(mine.column("symbol").to_pylist(), ts, strict=True)])
        train, test = role == "train", role == "test"
        assert train.any() and test.any()
        meets = (ts[train][:, None] <= end[test]) & (end[train][:, None] >= ts[test])
        assert not meets.any(), "a training label lives through a moment that a test label lives through"
        assert {name: int((role == name).sum()) for name in split["roles"]} == split["roles"]
        assert (role == "purged").any() or scheme.kind == "walk-forward"


def test_the_training_table_is_the_view_with_one_row_a_key(truth: Path) -> None:
    view = query(truth, f"FROM train_{TF} ORDER BY symbol, ts")
    table = lake_tables.train_table(SYMBOLS[::-1], TF, lake=truth, as_="arrow")
    assert [name for name in view.column_names if name not in ("bar_open", "day")] == table.column_names
    for name in table.column_names:
        one, other = table.column(name), view.column(name)
        assert one.to_pylist() == (other if name not in ("ts", "t1", "mature_at") else other.cast(one.type)).to_pylist()
    keys = list(zip(table.column("symbol").to_pylist(), in_ms(table, "ts"), strict=True))
    assert len(set(keys)) == len(keys) > 400
    assert in_ms(table, "mature_at").tolist() == in_ms(table, "t1").tolist()
    unresolved = [c for c in ("label", "t1", "ret") if table.column(c).null_count]
    assert not unresolved


def test_a_k_fold_row_is_tested_by_the_split_its_fold_names(truth: Path) -> None:
    both = f"train_{TF} JOIN folds_{TF} USING (symbol, ts)"
    sql = f"SELECT count(*) FILTER (fold = split) AS same, count(*) AS n FROM {both} WHERE role = 'test'"
    found = query(truth, sql).to_pylist()[0]
    assert found["same"] == found["n"] > 400


def test_weights_have_mean_one_and_their_size_is_told(root: Path) -> None:
    said = snapshots.meta(place(root))
    table = lake_tables.train_table(SYMBOLS, TF, lake=root, as_="numpy")
    has = ~np.isnan(table["weight"])
    assert has.sum() == said["rows"] and not has.all(), "the newest labels cannot be weighed yet"
    weight = table["weight"][has]
    assert weight.mean() == pytest.approx(1)
    assert said["effective_size"] == pytest.approx(effective_size(weight))
    np.testing.assert_allclose(weight / weight[0], (table["w_return"] / table["w_return"][0])[has], rtol=1e-9)
    split = said["splits"][0]
    train = has & (table["fold"] != 0)
    assert split["scale"] == pytest.approx(1 / weight[train[has]].mean(), rel=0.05), "all but purged and embargoed rows"


def test_decay_and_balance_reach_the_weights(root: Path) -> None:
    fold(root, replace(PLAN, weight="equal", decay=0.2, balance=True))
    table = lake_tables.train_table(SYMBOLS, TF, lake=root, as_="numpy")
    has = ~np.isnan(table["weight"])
    label, weight, ts = table["label"][has], table["weight"][has], table["ts"][has]
    total = [weight[label == value].sum() for value in np.unique(label)]
    np.testing.assert_allclose(total, total[0])
    up = label == 1
    aged = weight[up][np.argsort(ts[up], kind="stable")]
    assert (np.diff(aged) >= 0).all() and aged[-1] > 2 * aged[0]


# --- of what it was made, and when


def test_folds_of_the_same_inputs_are_not_touched(root: Path) -> None:
    before = {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in place(root).folder.iterdir()}
    assert not fold(root).written
    assert before == {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in place(root).folder.iterdir()}
    bytes_before = held(root)
    assert fold(root, replace(PLAN, decay=0.5)).written and held(root) != bytes_before
    assert fold(root).written and held(root) == bytes_before, "same inputs, same bytes"


def test_folds_of_other_labels_are_refused_by_the_table_and_by_the_view(root: Path) -> None:
    label(root, k=1.5)
    with pytest.raises(NotReady, match="is not of today's labels; run `python -m p3_labels weights"):
        fold(root)
    with pytest.raises(Refused, match="is of other labels of BTCUSDT"):
        lake_tables.train_table(SYMBOLS, TF, lake=root)
    with pytest.raises(Exception, match="folds main are of other labels"):
        query(root, f"SELECT count(*) FROM train_{TF}")
    weigh(root)
    assert fold(root).written
    assert query(root, f"SELECT count(weight) AS n FROM train_{TF}").to_pylist()[0]["n"] > 400


def test_more_labels_leave_folds_as_they_are_until_they_are_made_again(root: Path) -> None:
    for name in SYMBOLS:
        shutil.rmtree(shelf(root, "weights", name).folder)
        weigh(root, until(38), name)
    said = fold(root).said
    for name in SYMBOLS:
        weigh(root, symbol=name)
    sql = f"SELECT count(*) AS n, count(fold) AS folded, count(uniqueness) AS weighed FROM train_{TF}"
    found = query(root, sql).to_pylist()[0]
    assert found["folded"] == said["rows"] < found["weighed"] < found["n"]


def test_without_folds_and_weights_the_training_table_says_null(root: Path) -> None:
    shutil.rmtree(root / "folds")
    shutil.rmtree(root / "weights")
    table = lake_tables.train_table(SYMBOLS, TF, lake=root, as_="arrow")
    view = query(root, f"FROM train_{TF}")
    assert view.num_rows == table.num_rows > 400
    for name in ("concurrency", "uniqueness", "w_return", "fold", "weight"):
        assert table.column(name).null_count == view.column(name).null_count == table.num_rows
    with pytest.raises(NotReady, match="run `python -m p3_labels folds"):
        lake_tables.folds(TF, lake=root)


def test_days_of_two_schemas_are_refused(root: Path) -> None:
    features = shelf(root, "features")
    faults.changed(features, lambda t: t.append_column("new", pa.array([0.5] * t.num_rows)), EVERY[-3])
    with pytest.raises(Refused, match="two schemas"):
        lake_tables.train_table(SYMBOLS, TF, lake=root)
    sql = f"SELECT count(*) FROM train_{TF}"
    with pytest.raises(Exception, match="two schemas"):
        query(root, sql)
    with pytest.raises(Refused, match=rf"^train_{TF}: .*two schemas; run `python -m p2_features build` first$"):
        answers.answer(root, sql, "table")


# --- whole or not at all


@pytest.mark.parametrize("mode", [EXCHANGE, BREAK])
def test_a_snapshot_struck_anywhere_is_the_old_one_or_the_new_one(root: Path, mode: str) -> None:
    """Where the file system cannot exchange two folders it may be absent, and then says so, but never a mixture."""
    plan = replace(PLAN, decay=0.5)
    old = held(root)

    def run(where: Path) -> None:
        fold(where, plan)

    where = root.parent / "struck"
    outcome, calls = crash.strike(run, lakes.copied(root, where), None, mode)
    assert outcome == "done" and len(calls) > 10
    new = held(where)
    ends = set()
    for number, call in enumerate(calls):
        for kind in KILLS[:2]:
            lakes.copied(root / "folds", where / "folds")
            lakes.copied(root / ".lake", where / ".lake")
            crash.strike(run, where, Point(number, kind, call), mode)
            if mode == BREAK and not place(where).folder.exists():
                with pytest.raises(NotReady, match="is not there"):
                    snapshots.meta(place(where))
                continue
            found = held(where)
            assert found in (old, new), f"{kind} {call}: neither the old snapshot nor the new one"
            ends.add(found == new)
            snapshots.meta(place(where))
    assert ends == {True, False}
    fold(where, plan)
    assert held(where) == new and lakes.staged(where) == [], "the next run finishes it"


@pytest.mark.parametrize("name", [snapshots.META, snapshots.ROLES, snapshots.ROWS])
def test_a_damaged_snapshot_is_told_and_made_anew(root: Path, name: str) -> None:
    before = held(root)
    path = place(root).folder / name
    path.write_bytes(path.read_bytes().replace(b"a", b"b", 1))
    with pytest.raises(Tampered, match="run `python -m p3_labels folds"):
        lake_tables.folds(TF, lake=root)
        lake_tables.train_table(SYMBOLS, TF, lake=root)
    assert fold(root).written and held(root) == before


def test_a_strangers_file_is_never_exchanged_away(root: Path) -> None:
    (place(root).folder / "notes.txt").write_text("mine")
    with pytest.raises(Refused, match=r"'notes.txt', which is not ours"):
        fold(root, replace(PLAN, decay=0.5))
    assert (place(root).folder / "notes.txt").read_text() == "mine"


# --- what is asked


def test_the_embargo_is_as_long_as_features_reach_unless_said_otherwise(root: Path) -> None:
    def usual(horizon: int) -> int:
        return folds.usual_embargo(root, STEP, SYMBOLS, horizon)

    features = shelf(root, "features", SYMBOLS[1])
    said = notes.read(features, notes.FEATURES)
    assert 1 <= said["unnormalised_reach"] < said["reach"]
    assert usual(36) == 36 * HOUR and usual(1) == max(4, said["unnormalised_reach"]) * HOUR
    notes.write(features, notes.FEATURES, {**said, "unnormalised_reach": 99})
    assert usual(36) == 99 * HOUR
    notes.write(features, notes.FEATURES, {k: v for k, v in said.items() if k != "unnormalised_reach"})
    with pytest.raises(NotReady, match="give --embargo"):
        usual(36)
    assert [folds.embargo_of(text) for text in ("0", "30m", "4h", "60d")] == [0, 30 * 60_000, 4 * HOUR, 60 * DAY]


def test_what_makes_no_folds_is_refused_in_one_line(root: Path) -> None:
    asked: list[tuple[type[PerplakeError], str, object]] = [
        (Usage, "is no length", lambda: folds.embargo_of("4 weeks")),
        (Usage, "is no name", lambda: fold(root, replace(PLAN, name="../main"))),
        (Usage, "weighs nothing", lambda: fold(root, replace(PLAN, weight="heavy"))),
        (Usage, "is no factor", lambda: fold(root, replace(PLAN, decay=2.0))),
        (Usage, "do not make 9000 blocks", lambda: fold(root, replace(PLAN, scheme=Scheme(blocks=9000)))),
        (NotReady, "p3_labels weights", lambda: fold(root, span=until(2))),
    ]
    for kind, text, ask in asked:
        with pytest.raises(kind, match=text) as told:
            ask()  # type: ignore[operator]
        assert "\n" not in str(told.value)


def test_the_command_folds_all_symbols_into_one_snapshot(root: Path) -> None:
    words = ["folds", "--lake", str(root), "--tf", TF, "--symbol", ",".join(SYMBOLS), "--k", "3", "--decay", "0.5"]
    ran = CliRunner().invoke(commands, [*words, "--embargo", "6h", "--name", "mine", "--json"], standalone_mode=False)
    assert ran.return_value == 0, ran.output
    said = json.loads(ran.stdout)[0]
    assert said["settings"]["scheme"]["embargo_ms"] == 6 * HOUR and said["symbols"] == list(SYMBOLS)
    assert [split["split"] for split in said["splits"]] == [0, 1, 2]
    again = CliRunner().invoke(commands, words, standalone_mode=False)
    assert "P3 folds 1h main written" in again.output and "tests 2025-" in again.output
    assert f"folds_{TF}" in views.of(root)


@pytest.mark.parametrize("name", ["folds.parquet", "rows.parquet", "inputs.parquet", "meta.json"])
@pytest.mark.parametrize("how", ["flipped", "gone", "empty"])
def test_verify_reads_every_byte_of_a_snapshot(root: Path, name: str, how: str) -> None:
    path = place(root).folder / name
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    if how == "gone":
        path.unlink()
    else:
        path.write_bytes(bytes(data) if how == "flipped" else b"")
    (found,) = (one for one in verify.verify(root) if one.wrong)
    assert found.path == path and "p3_labels folds --name main" in found.remedy


def test_verify_tells_of_strangers_and_leftovers_of_snapshots(root: Path) -> None:
    assert not verify.verify(root)
    (place(root).folder / "notes.txt").write_text("mine")
    (root / "folds" / TF / "~").mkdir()
    (root / ".lake" / "staging" / f"folds~{TF}~main").mkdir()
    told = {one.path.name: (one.fact, one.wrong) for one in verify.verify(root)}
    assert told == {
        "notes.txt": ("is not one of the snapshot's files", False),
        "~": ("is no snapshot of folds", False),
        f"folds~{TF}~main": ("was left by a writer that died", False),
    }
