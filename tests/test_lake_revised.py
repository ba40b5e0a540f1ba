"""Whatever is wrong with what was kept of rewritten days is found by name, with the way to heal it."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lake import changes, commit, days, log, raw, revised, revisions
from lake.findings import Finding
from lake.layout import Shelf
from lake.verify import verify
from tests import lakes
from tests.test_lake_changes import with_cell
from tests.test_lake_revisions import write

LATER = lakes.a_day(lakes.the_days(3)[2]).column("ts")[9].as_py()
CLOSE = lakes.a_day().column("ts")[4].value


@pytest.fixture
def root() -> Iterator[Path]:
    with lakes.scratch() as folder:
        yield folder / "lake"


@pytest.fixture
def shelf(root: Path) -> Shelf:
    """Two days; the first was rewritten twice, went and came again; live bars changed; a body is named."""
    shelf = lakes.committed(lakes.a_shelf(root), lakes.the_days(2))
    lakes.committed(lakes.a_shelf(root, symbol="ETHUSDT"))
    write(lakes.a_shelf(root, symbol="ETHUSDT"), lakes.a_day(symbol="ETHUSDT", seed=2))
    write(shelf, with_cell(lakes.a_day(), "close", 3, 1.5), close=raw.keep(root, b"a body"))
    write(shelf, lakes.a_day(rows=20, seed=4))
    with commit.writing(shelf) as writer:
        writer.remove(lakes.DAY)
        writer.publish()
    write(shelf, lakes.a_day())
    cells = changes.between(with_cell(lakes.a_day(), "close", 4, 7.5), lakes.a_day())
    revisions.add_live(shelf, lakes.DAY, "sim", cells, [None], CLOSE + 60_000)
    return shelf


def kept(shelf: Shelf, where: int = 0) -> Path:
    """One of its day revisions; the first is of the values that a body is named for, as only one has so few cells."""
    found = sorted(revisions.folder(shelf).glob("2*.parquet"), key=lambda path: len(revisions.read(path).cells))
    return found[where]


def live(shelf: Shelf) -> Path:
    (path,) = revisions.folder(shelf).glob("live-*")
    return path


def again(path: Path, change: Callable[[pa.Table], pa.Table]) -> None:
    """Write a file of revisions anew, well formed, with other rows under the same footer."""
    with pq.ParquetFile(path) as file:
        rows, said = change(file.read()), file.metadata.metadata or {}
    columns = {name: rows.column(name).combine_chunks() for name in rows.column_names}
    footer = {name: said[name.encode()].decode() for name in revisions.FOOTER if said}
    path.write_bytes(revisions.encoded(columns, footer))


def put(name: str, value: object) -> Callable[[pa.Table], pa.Table]:
    """The same rows with another value in the first row of a column."""

    def change(table: pa.Table) -> pa.Table:
        values = [value, *table.column(name).to_pylist()[1:]]
        return table.set_column(
            table.schema.get_field_index(name), name, pa.array(values, table.schema.field(name).type)
        )

    return change


def told(root: Path) -> list[Finding]:
    return verify(root)


def test_what_was_kept_is_sound_and_looking_changes_nothing(root: Path, shelf: Shelf) -> None:
    before = lakes.revised(root)
    assert len(before) == 5 and verify(root) == [] and verify(root, sample=0.5) == []
    assert lakes.revised(root) == before


HARM: dict[str, Callable[[Path, Shelf], object]] = {
    "no Parquet": lambda root, shelf: kept(shelf).write_bytes(b"PAR1"),
    "an empty file": lambda root, shelf: kept(shelf).write_bytes(b""),
    "a file cut short": lambda root, shelf: kept(shelf).write_bytes(kept(shelf).read_bytes()[:-9]),
    "another old value": lambda root, shelf: again(kept(shelf), put("old", 2.5)),
    "another new value": lambda root, shelf: again(kept(shelf), put("new", 2.5)),
    "another column": lambda root, shelf: again(kept(shelf), put("column", "oi_now")),
    "another bar": lambda root, shelf: again(kept(shelf), put("ts", lakes.a_day().column("ts")[9].as_py())),
    "a row less": lambda root, shelf: again(kept(shelf, 1), lambda rows: rows.slice(1)),
    "another symbol": lambda root, shelf: again(kept(shelf), put("symbol", "ETHUSDT")),
    "another part": lambda root, shelf: again(kept(shelf), put("new_part", "0" * 64)),
    "a time": lambda root, shelf: again(kept(shelf), put("last_seen", lakes.a_day().column("ts")[9].as_py())),
    "under another day's name": lambda root, shelf: kept(shelf).rename(
        kept(shelf).with_name(kept(shelf).name.replace("20250501", "20250502"))
    ),
    "under another symbol": lambda root, shelf: shutil.copy(
        kept(shelf), revisions.folder(lakes.a_shelf(root, symbol="ETHUSDT"))
    ),
    "live: no Parquet": lambda root, shelf: live(shelf).write_bytes(b"PAR1"),
    "live: another symbol": lambda root, shelf: again(live(shelf), put("symbol", "ETHUSDT")),
    "live: another day's bar": lambda root, shelf: again(live(shelf), put("ts", LATER)),
    "live: no time": lambda root, shelf: again(live(shelf), put("last_seen", None)),
    "a stray part": lambda root, shelf: (revisions.folder(shelf) / "part.parquet").write_bytes(b"x"),
    "a link": lambda root, shelf: (revisions.folder(shelf).parent / "SOLUSDT").symlink_to(revisions.folder(shelf)),
}  # fmt: skip


@pytest.mark.parametrize("what", HARM)
def test_harm_is_found_by_name(what: str, root: Path, shelf: Shelf) -> None:
    HARM[what](root, shelf)
    found = told(root)
    assert len(found) == 1 + (what == "under another day's name"), [str(one) for one in found]
    (text,) = [str(one) for one in found if one.wrong]
    assert f"/{revisions.FOLDER}/" in text and "; " in text and "\n" not in text and text.count("/lake/") == 1


ODD: dict[str, tuple[Callable[[Path, Shelf], object], str]] = {
    "a revision gone": (lambda root, shelf: kept(shelf).unlink(), "nothing of 1 rewrites"),
    "all gone": (lambda root, shelf: shutil.rmtree(revisions.folder(shelf)), "nothing of 3 rewrites"),
    "a body gone": (lambda root, shelf: shutil.rmtree(root / "raw"), "gone from raw"),
    "a note": (lambda root, shelf: (revisions.folder(shelf) / "README").touch(), "by no phase"),
    "what a dead writer left": (lambda root, shelf: kept(shelf).with_name(".x.parquet.1.tmp").touch(), "that died"),
    "a strange timeframe": (lambda root, shelf: (root / "revisions" / "7m").mkdir(), "by no phase"),
    "a strange symbol": (lambda root, shelf: (root / "revisions" / "1h" / "btc").mkdir(), "by no phase"),
}


@pytest.mark.parametrize("what", ODD)
def test_what_is_lost_or_strange_is_told_and_makes_no_answer_wrong(what: str, root: Path, shelf: Shelf) -> None:
    do, fact = ODD[what]
    do(root, shelf)
    (found,) = told(root)
    assert not found.wrong and fact in str(found) and found.remedy


def test_a_change_the_log_does_not_tell_of_is_told(root: Path, shelf: Shelf) -> None:
    lines = [line for line in log.lines(root) if (line.symbol, line.day) == ("BTCUSDT", str(lakes.DAY))]
    path = log.path(root)
    path.write_text(path.read_text().replace("\t".join(lines[1]) + "\n", ""))
    (found,) = told(root)
    assert not found.wrong and "does not tell of" in str(found)


def test_a_sample_proves_some_days_and_reads_the_files_of_all(root: Path, shelf: Shelf) -> None:
    again(kept(shelf), put("old", 2.5))
    assert len(verify(root)) == 1 and verify(root, sample=0.4) == []
    kept(shelf).write_bytes(b"x")
    assert len(verify(root, sample=0.4)) == 1


def test_what_a_writer_is_about_to_publish_is_no_fault(root: Path, shelf: Shelf) -> None:
    with commit.writing(shelf) as writer:
        writer.stage(lakes.DAY, lakes.a_day(seed=7), lakes.SOURCE)
        revisions.write(shelf, [one.kept for one in writer.staged if one.kept])
        kept(shelf).with_name(".x.parquet.1.tmp").touch()
        assert verify(root) == []
        kept(shelf).with_name(".x.parquet.1.tmp").unlink()
    assert verify(root) == []


def test_a_day_published_between_two_looks_is_no_fault(
    root: Path, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, seeds = days.read, iter([5])

    def read(place: Shelf, day: object) -> object:
        for seed in seeds:
            write(shelf, lakes.a_day(seed=seed))
        return real(place, day)  # type: ignore[arg-type]

    monkeypatch.setattr(days, "read", read)
    assert list(revised.faults(root)) == []


def test_of_a_damaged_day_its_revisions_are_not_blamed(root: Path, shelf: Shelf) -> None:
    (shelf.day_folder(lakes.DAY) / shelf.part_name(lakes.DAY)).write_bytes(b"x")
    assert [one.path for one in told(root)] == [shelf.day_folder(lakes.DAY)]


def flips(root: Path, shelf: Shelf, seed: int, count: int) -> int:
    """Of so many flipped bits in its files, how many were not found?"""
    chance, missed = random.Random(seed), 0
    paths = sorted(revisions.folder(shelf).iterdir())
    for _ in range(count):
        path = chance.choice(paths)
        data = path.read_bytes()
        at, bit = chance.randrange(len(data)), 1 << chance.randrange(8)
        if 0 <= at - data.index(b"parquet-cpp-arrow") < 40:  # its writer's name: nothing depends on it
            continue
        path.write_bytes(data[:at] + bytes([data[at] ^ bit]) + data[at + 1 :])
        missed += not any(fault[3] and fault[0] == path for fault in revised.faults(root))
        path.write_bytes(data)
    return missed


def test_flipped_bits_are_all_found(root: Path, shelf: Shelf) -> None:
    assert flips(root, shelf, 1, 25) == 0


@pytest.mark.long
def test_hundreds_of_flipped_bits_are_all_found(root: Path, shelf: Shelf) -> None:
    missed = flips(root, shelf, 2, 400)
    print(f"revisions: {missed} of 400 flipped bits were missed")
    assert missed == 0
