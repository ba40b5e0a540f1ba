"""The lake as of an instant is the lake that was copied then, byte for byte; what is not known is refused."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

import lake
from lake import changes, commit, days, ending, log, repair, revisions, verify
from lake.commands import commands
from lake.frozen import FIRST, frozen
from lake.layout import Shelf
from lake.manifest import Provenance, digest
from meta.columns import BARS
from meta.errors import NotReady, Tampered, Usage
from tests import lakes
from tests.test_lake_changes import with_cell


@pytest.fixture
def root() -> Iterator[Path]:
    with lakes.scratch() as folder:
        yield folder / "lake"


def instant() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def write(shelf: Shelf, tables: dict[date, pa.Table | None], code: str = "code") -> None:
    """Put these days in their place in one batch, or take them away."""
    with commit.writing(shelf) as writer:
        for day, table in tables.items():
            if table is None:
                writer.remove(day)
            else:
                writer.stage(day, table, Provenance("sim:bars", digest(b""), digest(code.encode())))
        writer.publish()


def restated(random: np.random.Generator, table: pa.Table) -> pa.Table:
    """The same day as a venue may tell it later: values other, gone or come, bars gone or come back."""
    for _ in range(int(random.integers(0, 4))):
        name = str(random.choice(["close", "trades", "funding_now", "oi_ts", "liq_long"]))
        row = int(random.integers(0, table.num_rows))
        value = (
            None if random.random() < 0.3 else lakes.a_day(columns=BARS, seed=int(random.integers(9))).column(name)[0]
        )
        table = with_cell(table, name, row, value and value.as_py())
    if random.random() < 0.3:
        table = table.take(pa.array(np.flatnonzero(random.random(table.num_rows) > 0.1)))
    return table


def lived(root: Path, seed: int, turns: int) -> Iterator[tuple[str, dict[str, dict[str, bytes]]]]:
    """A lake that is written again and again: each instant between two writes, and all that stood there then."""
    random = np.random.default_rng(seed)
    shelves = [lakes.a_shelf(root), lakes.a_shelf(root, "4h", "ETHUSDT")]
    known: dict[Shelf, dict[date, pa.Table | None]] = {shelf: {} for shelf in shelves}
    calendar = lakes.the_days(5)
    for turn in range(turns):
        shelf = shelves[turn % 2]
        some: dict[date, pa.Table | None] = {}
        for day in random.choice(calendar, int(random.integers(1, 4)), replace=False).tolist():
            before = known[shelf].get(day)
            whole = lakes.a_day(day, shelf.tf, shelf.symbol, columns=BARS)
            gone = before is not None and random.random() < 0.1
            some[day] = None if gone else restated(random, before if before is not None and before.num_rows else whole)
        write(shelf, some, code=str(turn // 7))
        known[shelf] |= some
        yield instant(), lakes.day_folders(root)


def as_of_is_as_copied(root: Path, seed: int, turns: int, instants: int) -> int:
    """At how many of so many random instants between its writes is the lake as of then the lake that stood there?"""
    history = list(lived(root, seed, turns))
    chosen = np.random.default_rng(seed).choice(len(history), min(instants, len(history)), replace=False)
    for i in chosen.tolist():
        when, copied = history[i]
        assert lakes.day_folders(frozen(root, when).root) == copied, f"seed {seed}, write {i}"
    return len(chosen)


def test_the_lake_as_of_an_instant_is_the_lake_that_stood_there_then(root: Path) -> None:
    assert as_of_is_as_copied(root, seed=3, turns=9, instants=5) == 5


@pytest.mark.long
def test_at_hundreds_of_random_instants_it_is_that_lake(root: Path) -> None:
    done = sum(as_of_is_as_copied(root / str(seed), seed, turns=60, instants=40) for seed in range(5))
    print(f"as of: {done} random instants of 5 lakes, each byte for byte the lake that was copied then")
    assert done == 200


def test_what_was_made_is_a_sound_lake_and_changes_nothing_of_the_other(root: Path) -> None:
    shelf = lakes.committed(lakes.a_shelf(root), lakes.the_days(3))
    when = instant()
    write(shelf, {lakes.DAY: lakes.a_day(seed=1)})
    before = lakes.day_folders(root), lakes.told(root), lakes.revised(root)
    made = frozen(root, when)
    assert (made.linked, made.made) == (2, 1)
    assert verify.verify(made.root) == []
    inodes = [path.stat().st_ino for path in sorted(made.root.rglob("part-*.parquet"))]
    again = frozen(root, when)
    assert (again.linked, again.made) == (0, 0), "what is made is made once"
    assert [path.stat().st_ino for path in sorted(made.root.rglob("part-*.parquet"))] == inodes
    shutil.rmtree(made.root)
    assert lakes.day_folders(root) == before[0]
    assert (lakes.told(root), lakes.revised(root)) == before[1:]
    assert frozen(root, when).made == 1


def test_reads_take_an_instant(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shelf = lakes.committed(lakes.a_shelf(root))
    when = instant()
    write(shelf, {lakes.DAY: lakes.a_day(seed=1)})
    then, now = (lakes.a_day(seed=seed).column("close").to_pylist() for seed in (0, 1))
    assert lake.load("BTCUSDT", "1h", lake=root, as_of=when)["close"].to_list() == then
    assert lake.load("BTCUSDT", "1h", lake=root)["close"].to_list() == now
    sql = "SELECT sum(close) AS s FROM bars_1h"
    assert ending.status(commands, "lake", ["query", sql, "--lake", str(root), "--as-of", when, "--format", "csv"]) == 0
    assert float(capsys.readouterr().out.split()[-1]) == sum(then)
    assert ending.status(commands, "lake", ["query", "FROM feat_1h", "--lake", str(root), "--as-of", when]) == 2
    assert f"p2_features build --as-of {when} --lake {root}" in capsys.readouterr().err


def test_first_seen_is_the_first_value_of_each_bar_and_column(root: Path) -> None:
    shelf, first = lakes.a_shelf(root), with_cell(lakes.a_day().slice(0, 23), "oi_now", 2, None)
    second = with_cell(with_cell(lakes.a_day(), "close", 0, 1.5), "close", 23, 2.5)
    third = with_cell(with_cell(second, "close", 23, 3.5), "close", 0, 1.6)
    fourth = third.take(pa.array([i for i in range(24) if i != 5]))
    for table in (first, second, third, fourth):
        write(shelf, {lakes.DAY: table})
    seen = days.need(lakes.a_shelf(frozen(root, FIRST).root), lakes.DAY).table()
    wanted = with_cell(lakes.a_day(), "close", 23, 2.5)  # oi_now of bar 2 was missing at first, bar 23 came later
    assert seen.equals(wanted)


def test_first_seen_reaches_back_to_the_live_bars_and_follows_what_comes(root: Path) -> None:
    shelf = lakes.committed(lakes.a_shelf(root))
    final = lakes.a_day().column("close")[4].as_py()
    cells = changes.between(with_cell(lakes.a_day(), "close", 4, 7.5), lakes.a_day())
    assert [row["new"] for row in cells.to_pylist()] == [final]
    assert frozen(root, FIRST).linked == 1
    revisions.add_live(shelf, lakes.DAY, "sim", cells, [None], 1_746_100_000_000)
    place = lakes.a_shelf(frozen(root, FIRST).root)
    assert days.need(place, lakes.DAY).table().equals(with_cell(lakes.a_day(), "close", 4, 7.5))
    write(shelf, {lakes.the_days(2)[1]: lakes.a_day(lakes.the_days(2)[1])})
    assert list(days.committed(lakes.a_shelf(frozen(root, FIRST).root))) == lakes.the_days(2)
    assert verify.verify(place.root) == []


def test_what_was_not_kept_is_refused_by_name(root: Path) -> None:
    shelf = lakes.committed(lakes.a_shelf(root), lakes.the_days(2))
    when = instant()
    write(shelf, {lakes.DAY: lakes.a_day(seed=1)})
    shutil.rmtree(revisions.folder(shelf))
    with pytest.raises(NotReady, match=f"{lakes.DAY}.*not kept"):
        frozen(root, when)
    left = frozen(root, FIRST)
    assert list(days.committed(lakes.a_shelf(left.root))) == lakes.the_days(2)[1:]
    assert "1 days are left out" in (told := list(left.lines())[-1]) and str(lakes.DAY) in told
    assert frozen(root, instant()).linked == 2, "of now everything is known"


def test_a_day_that_was_set_aside_is_refused_by_name(root: Path) -> None:
    shelf = lakes.committed(lakes.a_shelf(root))
    when = instant()
    (shelf.day_folder(lakes.DAY) / "MANIFEST.tsv").write_text("torn")
    repair.repair(root)
    with pytest.raises(NotReady, match="set aside"):
        frozen(root, when)
    write(shelf, {lakes.DAY: lakes.a_day(seed=1)})
    with pytest.raises(NotReady, match="set aside"):
        frozen(root, when)


def test_a_day_that_was_copied_here_is_refused_by_name(root: Path) -> None:
    shelf = lakes.committed(lakes.a_shelf(root))
    shutil.copytree(shelf.day_folder(lakes.DAY), lakes.a_shelf(root, symbol="ETHUSDT").day_folder(lakes.DAY))
    with pytest.raises(NotReady, match=r"ETHUSDT.*copied"):
        frozen(root, instant())


def test_a_revision_that_was_changed_by_hand_is_found_out(root: Path) -> None:
    shelf = lakes.committed(lakes.a_shelf(root))
    when = instant()
    write(shelf, {lakes.DAY: lakes.a_day(seed=1)})
    (path,) = revisions.folder(shelf).iterdir()
    one = revisions.read(path)
    other = revisions.kept(
        shelf, days.need(shelf, lakes.DAY), lakes.a_day(seed=2), lakes.entry(shelf), {}
    )  # another day's cells, under this one's name
    path.write_bytes(other.data)
    assert one.old != revisions.read(path).old
    with pytest.raises((NotReady, Tampered)):
        frozen(root, when)


def test_bytes_of_another_writer_are_made_anew_of_the_same_values(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shelf = lakes.a_shelf(root)
    monkeypatch.setattr("lake.parts.encoded", _uncompressed)
    lakes.committed(shelf)
    monkeypatch.undo()
    when, old = instant(), lakes.entry(shelf)
    write(shelf, {lakes.DAY: lakes.a_day(seed=1)})
    place = lakes.a_shelf(frozen(root, when).root)
    assert lakes.entry(place).sha256 != old.sha256 and lakes.entry(place).keys == old.keys
    assert days.need(place, lakes.DAY).table().equals(lakes.a_day())
    assert [line.new for line in log.lines(place.root)] == [lakes.entry(place).sha256]


def _uncompressed(table: pa.Table) -> bytes:
    import pyarrow.parquet as pq

    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="none", store_schema=False)
    return sink.getvalue().to_pybytes()


@pytest.mark.parametrize("text", ["yesterday", "2099-01-01", "2025-13-01"])
def test_what_is_no_instant_of_the_past_is_refused(root: Path, text: str) -> None:
    with pytest.raises(Usage, match="--as-of"):
        frozen(lakes.committed(lakes.a_shelf(root)).root, text)


def test_a_lake_that_held_nothing_then_says_so(root: Path) -> None:
    lakes.committed(lakes.a_shelf(root))
    with pytest.raises(NotReady, match="had no day of bars"):
        frozen(root, "2020-01-01")


def test_files_and_an_instant_are_not_given_together(root: Path) -> None:
    from p2_features.cli import commands as p2

    lakes.committed(lakes.a_shelf(root))
    words = ["build", "--lake", str(root), "--as-of", "2026-01-01", "--glob", "x"]
    assert ending.status(p2, "p2_features", words) == 2
