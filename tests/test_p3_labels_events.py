"""Events are every bar, those a filter picks, or those of a file; by whatever way, labels keep the laws."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from click.testing import CliRunner
from pyarrow import csv, parquet

from lake import days, frames, status, why
from lake.parts import stamps
from lake.reasons import Asked
from lake.span import Span
from meta.columns import PRICES
from meta.errors import Usage
from meta.timeframes import day_start, timeframe
from p3_labels.barriers import Bars, barrier_unit, cusum_events
from p3_labels.cli import commands
from p3_labels.events import Events, events
from p3_labels.rules import rules
from p3_labels.validate import Subject, judged
from tests import lakes
from tests.p3_lake import ALL, EVERY, SYMBOLS, TF, label, shelf, weigh, with_features

H = 3_600_000
SYMBOL = SYMBOLS[0]


@pytest.fixture(scope="module")
def truth() -> Iterator[Path]:
    with lakes.scratch() as root:
        with_features(root)
        label(root)
        yield root


@pytest.fixture
def root(truth: Path) -> Iterator[Path]:
    with lakes.scratch() as where:
        lakes.copied(truth, where / "lake")
        shutil.rmtree(where / "lake" / "labels")
        yield where / "lake"


def labels(root: Path) -> pa.Table:
    place = shelf(root, "labels")
    return frames.table([days.need(place, day) for day in days.committed(place)])


def bars(root: Path) -> Bars:
    grid = frames.grid(shelf(root, "bars"), EVERY[0], EVERY[-1], PRICES)
    return Bars(grid.first, grid.tf.ms, *(grid.columns[name] for name in PRICES), grid.committed)


def whole(root: Path) -> dict[str, dict[str, bytes]]:
    return {name: held for name, held in lakes.day_folders(root).items() if name.startswith("labels")}


def a_file(folder: Path, every: pa.Table, name: str = "mine.parquet", keep: int = 3, **more: list[object]) -> str:
    """A file of every `keep`-th event of these labels."""
    ts = every.column("ts").take(pa.array(range(0, every.num_rows, keep)))
    table = pa.table({"ts": ts, **more})
    path = folder / name
    if name.endswith("csv"):
        csv.write_csv(table, path)
    else:
        parquet.write_table(table, path)
    return str(path)


def sides(n: int) -> list[object]:
    return [1 if i % 2 else -1 for i in range(n)]


# --- which bars


def test_cusum_picks_the_bars_the_filter_picks_and_labels_them_as_ever(truth: Path, root: Path) -> None:
    label(root, events_of="cusum:0.004")
    every = {row["ts"]: row for row in labels(truth).to_pylist()}
    got = {row["ts"]: row for row in labels(root).to_pylist()}
    tape = bars(root)
    picked = set((tape.ts[cusum_events(tape, 0.004)]).tolist())
    ts = set(stamps(labels(root)).to_pylist())
    assert ts == picked & set(stamps(labels(truth)).to_pylist())
    assert 20 < len(got) < len(every)
    assert all(every[key] == row for key, row in got.items())
    left = sorted(set(stamps(labels(truth)).to_pylist()) - ts)[0]
    told = why.why(Asked(root, SYMBOL, timeframe(TF), left, left))[2]
    assert (told.present, told.why) == (False, "no event")


def test_a_days_filter_remembers_three_days(truth: Path) -> None:
    tape = bars(truth)
    every = np.arange(24 * 30, tape.close.size)
    picked = every[Events(threshold=0.02).picks(tape, every)].tolist()
    by_days = [[at for at in cusum_events(tape, 0.02, days).tolist() if at >= every[0]] for days in (3, 40)]
    assert picked == by_days[0] != by_days[1]


@pytest.mark.parametrize("asked", [{"events_of": "cusum:0.02"}, {"unit": "realised"}, {"atr": "sma"}])
def test_by_day_and_at_once_give_the_same_bytes(root: Path, asked: dict[str, str]) -> None:
    label(root, **asked)
    once = whole(root)
    shutil.rmtree(root / "labels")
    for day in reversed(EVERY[30:]):
        label(root, Span(None, day, day), **asked)
    assert whole(root) == once and len(once) > 10
    assert not label(root, **asked).committed, "and nothing is to be done again"


def test_the_unit_is_the_one_that_is_asked_for(truth: Path, root: Path) -> None:
    for asked in ({"unit": "realised"}, {"atr": "sma"}):
        label(root, **asked)
        table, tape = labels(root), bars(root)
        unit = barrier_unit(tape, rules(k=4.0, **asked).barriers)[stamps(table).to_numpy() // H - tape.first]
        np.testing.assert_array_equal(table.column("atr").to_numpy(), unit)
        assert table.column("atr").to_pylist() != labels(truth).column("atr").to_pylist()


@pytest.mark.parametrize("name", ["mine.parquet", "mine.csv"])
def test_events_of_a_file_get_the_labels_they_have_among_all(truth: Path, root: Path, name: str) -> None:
    every = labels(truth)
    done = label(root, events_of=a_file(root.parent, every, name))
    wanted = every.take(pa.array(range(0, every.num_rows, 3)))
    assert labels(root).equals(wanted)
    assert done.reasons["no features"] == 0


def test_one_file_may_hold_the_events_of_many_symbols(truth: Path, root: Path) -> None:
    every = labels(truth)
    n = len(range(0, every.num_rows, 3))
    path = a_file(root.parent, every, symbol=[SYMBOLS[i % 2] for i in range(n)])
    label(root, events_of=path)
    assert labels(root).num_rows == (n + 1) // 2


def test_a_sides_label_says_whether_it_was_right(truth: Path, root: Path) -> None:
    every = labels(truth)
    kept = every.take(pa.array(range(0, every.num_rows, 3)))
    path = a_file(root.parent, every, side=sides(kept.num_rows))
    label(root, events_of=path, cost_bp=2.0)
    meta = labels(root)
    side = np.array(sides(kept.num_rows))
    np.testing.assert_array_equal(meta.column("side").to_numpy(), side)
    np.testing.assert_array_equal(meta.column("label").to_numpy(), kept.column("label").to_numpy() == side)
    np.testing.assert_allclose(meta.column("ret_net").to_numpy(), side * kept.column("ret").to_numpy() - 2e-4)
    assert set(meta.column("label").to_pylist()) == {0, 1}
    report = judged(Subject(shelf(root, "labels"), shelf(root, "features"), shelf(root, "bars"), ALL))
    assert not report.red, report.lines()
    assert weigh(root).committed, "and they can be weighed"


# --- a file is an input


def test_only_the_days_whose_events_changed_are_made_again(truth: Path, root: Path) -> None:
    every = labels(truth)
    path = Path(a_file(root.parent, every))
    label(root, events_of=str(path))
    before = whole(root)
    table = parquet.read_table(path)
    day = EVERY[36]
    low = day_start(day)
    ts = stamps(table).to_numpy()
    mine = np.flatnonzero((ts > low) & (ts <= low + 24 * H))
    parquet.write_table(table.filter(pa.array(~np.isin(np.arange(len(ts)), mine[:1]))), path)
    done = label(root, events_of=str(path))
    assert done.committed == [day] and done.fresh > 8
    after = whole(root)
    assert {name for name in before if before[name] != after[name]} == {
        f"labels/1h/{SYMBOL}/y=2025/m=04/d={day.day:02}"
    }
    stale = [one.stale for one in status.status(root).shelves if one.shelf.dataset.name == "labels"]
    assert not any(stale), "the manifest tells the digest of its events, so status knows without the file"


def test_events_without_a_row_of_features_are_counted(truth: Path, root: Path) -> None:
    ts = stamps(labels(truth)).to_numpy()
    gone = np.setdiff1d(np.arange(ts[0], ts[-1], H), stamps(features_of(root)).to_numpy())[:5]
    assert gone.size == 5
    path = root.parent / "mine.parquet"
    parquet.write_table(pa.table({"ts": np.concatenate([ts[:4], gone])}), path)
    assert label(root, events_of=str(path)).reasons["no features"] == 5
    assert stamps(labels(root)).to_pylist() == ts[:4].tolist()


def features_of(root: Path) -> pa.Table:
    place = shelf(root, "features")
    return frames.table([days.need(place, day) for day in days.committed(place)])


# --- what is asked


@pytest.mark.parametrize(("text", "table", "wanted"), [
    ("cusum:0", None, "above 0"), ("cusum:x", None, "above 0"), ("cusum:nan", None, "above 0"),
    ("nowhere.csv", None, "is no file"), ("", {"when": [1]}, "has no column ts"),
    ("", {"ts": ["soon"]}, "ts is no instant"), ("", {"ts": [None, H]}, "empty cells"),
    ("", {"ts": [H], "side": [0]}, "side is"), ("", {"ts": [H], "side": ["long"]}, "side is"),
    ("", {"ts": [H], "side": [None]}, "side is"), ("", {"ts": [H + 1]}, "no 1h bar closes at 1970-01-01T01:00:00.001Z"),
    ("", {"ts": [H, H]}, "two events"),
])  # fmt: skip
def test_events_that_are_none_are_refused_in_one_line(tmp_path: Path, text: str, table: dict, wanted: str) -> None:
    if table is not None:
        text = str(tmp_path / "mine.parquet")
        parquet.write_table(pa.table(table), text)
    with pytest.raises(Usage, match=wanted) as told:
        events(text).own(SYMBOL, timeframe(TF))
    assert "\n" not in str(told.value)


def test_a_file_that_is_no_table_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.parquet").write_text("ts\n1\n")
    with pytest.raises(Usage, match="give a Parquet or CSV file"):
        events(str(tmp_path / "mine.parquet"))


def test_instants_may_be_written_as_people_write_them(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text("ts,side\n2025-04-01T03:00:00Z,-1\n2025-04-01T02:00,1\n")
    own = events(str(path)).own(SYMBOL, timeframe(TF))
    assert own.side.tolist() == [1, -1] and own.ts.tolist() == [1743472800000, 1743476400000]
    assert events("every") == Events() and events("cusum").threshold == 0.01


def test_the_command_takes_every_option(root: Path, truth: Path) -> None:
    path = a_file(root.parent, labels(truth), side=sides(-(-labels(truth).num_rows // 3)))
    words = ["triple-barrier", "--lake", str(root), "--tf", TF, "--symbol", SYMBOL, "--events", path]
    words += ["--atr", "sma", "--k-up", "2", "--k-down", "1", "--tie", "stop", "--min-barrier-bp", "1"]
    ran = CliRunner().invoke(commands, words, standalone_mode=False)
    assert ran.return_value == 0, ran.output
    assert "side" in labels(root).column_names
    for wrong in (["--unit", "sigma"], ["--atr", "ema"], ["--events", "cusum:-1"]):
        ran = CliRunner().invoke(commands, [*words[:7], *wrong], standalone_mode=False)
        assert isinstance(ran.exception, Usage)
