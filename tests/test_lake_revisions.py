"""What a day said before is kept when it is rewritten, told by the view with its times, and never invented."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from lake import catalog, commit, disk, log, revisions
from lake.layout import Shelf
from meta.errors import Tampered
from tests import lakes
from tests.test_lake_changes import with_cell


@pytest.fixture
def root() -> Iterator[Path]:
    with lakes.scratch() as folder:
        yield folder


@pytest.fixture
def shelf(root: Path) -> Shelf:
    return lakes.committed(lakes.a_shelf(root), lakes.the_days(2))


def write(shelf: Shelf, table: Any, day: date = lakes.DAY, **bodies: str) -> None:
    with commit.writing(shelf) as writer:
        writer.stage(day, table, lakes.SOURCE, bodies=bodies)
        writer.publish()


def told(root: Path) -> list[dict[str, Any]]:
    with catalog.opened(root) as lake:
        return lake.sql('FROM revisions ORDER BY last_seen, ts, "column"').to_arrow_table().to_pylist()


def test_the_view_is_there_before_there_is_anything_to_tell(root: Path, shelf: Shelf) -> None:
    assert told(root) == []
    write(shelf, lakes.a_day())
    assert told(root) == [] and not lakes.revised(root), "what is written again as it stands is no revision"


def test_a_value_is_told_with_the_time_it_came_and_the_time_it_went(root: Path, shelf: Shelf) -> None:
    first, second = (with_cell(lakes.a_day(), "close", 3, value) for value in (1.5, None))
    write(shelf, first, close="a" * 64)
    write(shelf, second)
    times = {line.new: line.time for line in log.lines(root) if line.day == str(lakes.DAY)}
    one, two = told(root)
    original = lakes.a_day().column("close")[3].as_py()
    assert (one["column"], one["old"], one["new"], one["body"]) == ("close", original, 1.5, "a" * 64)
    assert (two["old"], two["new"], two["body"]) == (1.5, None, None)
    assert one["last_seen"] == two["first_seen"] and one["source"] == "sim"
    for row, side in ((one, "old_part"), (two, "old_part")):
        assert row["first_seen"].strftime("%Y-%m-%dT%H:%M:%S.%fZ") == times[row[side]]


def test_a_value_that_goes_and_comes_back_is_told_each_time(root: Path, shelf: Shelf) -> None:
    other = with_cell(lakes.a_day(), "close", 3, 1.5)
    for table in (other, lakes.a_day(), other):
        write(shelf, table)
    rows = told(root)
    assert [row["new"] for row in rows] == [1.5, lakes.a_day().column("close")[3].as_py(), 1.5]
    assert [row["first_seen"] for row in rows[1:]] == [row["last_seen"] for row in rows[:-1]]
    assert len(lakes.revised(root)) == 2, "the same change is kept once"


def test_of_a_bar_that_came_late_values_are_seen_from_then(root: Path, shelf: Shelf) -> None:
    for table in (lakes.a_day(rows=23), lakes.a_day(), with_cell(lakes.a_day(), "close", 23, 1.5)):
        write(shelf, table)
    came, changed = told(root)[-2:]
    assert (came["column"], came["old"], came["new"]) == ("bar", None, 1.0)
    assert changed["first_seen"] == came["last_seen"]


def test_what_was_kept_for_a_publish_that_never_came_is_not_told_and_is_removed(root: Path, shelf: Shelf) -> None:
    with pytest.raises(OSError, match="no more"), commit.writing(shelf) as writer:
        writer.stage(lakes.DAY, lakes.a_day(seed=5), lakes.SOURCE)
        revisions.write(shelf, [one.kept for one in writer.staged if one.kept])
        assert lakes.revised(root) and told(root) == []
        raise OSError("no more")
    assert not lakes.revised(root)


def test_what_is_removed_goes_while_no_query_holds_the_lake_still(
    root: Path, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A view over files is made before they are read; one that goes between would be an error nobody made."""
    held, forget = [], revisions.forget

    def seen(*args: Any) -> None:
        with open(root / ".lake" / "locks" / "publish") as lock, pytest.raises(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        held.append(forget(*args))

    monkeypatch.setattr(revisions, "forget", seen)
    with pytest.raises(OSError, match="no more"), commit.writing(shelf) as writer:
        writer.stage(lakes.DAY, lakes.a_day(seed=5), lakes.SOURCE)
        revisions.write(shelf, [one.kept for one in writer.staged if one.kept])
        raise OSError("no more")
    assert held and not lakes.revised(root)


def test_what_an_earlier_publish_kept_stays_when_the_same_one_fails(root: Path, shelf: Shelf) -> None:
    write(shelf, lakes.a_day(seed=5))
    write(shelf, lakes.a_day())
    before = lakes.revised(root)
    with pytest.raises(OSError, match="no more"), commit.writing(shelf) as writer:
        writer.stage(lakes.DAY, lakes.a_day(seed=5), lakes.SOURCE)
        raise OSError("no more")
    assert lakes.revised(root) == before


def test_a_day_that_is_taken_away_is_kept_whole(root: Path, shelf: Shelf) -> None:
    with commit.writing(shelf) as writer:
        writer.remove(lakes.DAY)
        writer.publish()
    rows = told(root)
    assert len(rows) == 24 * 3 and {row["new_part"] for row in rows} == {"absent"}


def test_computed_days_are_made_again_and_not_kept(root: Path) -> None:
    labels = lakes.committed(lakes.a_shelf(root, dataset="labels"))
    lakes.committed(labels, seed=1)
    assert not lakes.revised(root)


def test_a_file_that_is_no_revision_is_named(root: Path, shelf: Shelf) -> None:
    write(shelf, lakes.a_day(seed=5))
    (path,) = revisions.folder(shelf).iterdir()
    disk.write_over(path, b"PAR1")
    with pytest.raises(Tampered, match=path.name):
        revisions.read(path)


def test_the_catalog_on_disk_tells_the_same(root: Path, shelf: Shelf) -> None:
    import duckdb

    write(shelf, lakes.a_day(seed=5))
    place, written = catalog.refresh(root)
    assert written
    with duckdb.connect(str(place), read_only=True) as opened:
        assert opened.sql("SELECT count(*) FROM revisions").fetchall() == [(48,)]
