"""Many days are staged at once: encoded ahead and read back by threads, written by one, all of them or none."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path

import pyarrow as pa
import pytest

from lake import commit, days, disk, drafts, parts, staging
from lake.layout import MANIFEST, Shelf
from lake.manifest import digest
from meta.errors import Refused
from tests import lakes
from tests.tap import EXCHANGE, Call, Tap, tapped

SOME = lakes.the_days(12)
THERE, NEW = SOME[:6], SOME[4:]  # committed before; written now, two of them over others, and two as they are


@pytest.fixture
def shelf() -> Iterator[Shelf]:
    with lakes.scratch() as folder:
        yield lakes.a_shelf(folder)


def made(wanted: list[date], seed: int = 2) -> list[commit.Made]:
    return [(day, lakes.a_day(day, seed=seed), lakes.SOURCE) for day in wanted]


def written(shelf: Shelf, threads: int | None, monkeypatch: pytest.MonkeyPatch) -> tuple[list[bool], list[Call]]:
    """Over six days, write eight of which two are new to them and two the same; None: day by day."""
    lakes.committed(shelf, THERE[:5], seed=1)
    lakes.committed(shelf, THERE[5:], seed=2)
    with tapped(Tap(shelf.root), EXCHANGE) as tap, commit.writing(shelf) as writer:
        if threads is None:
            staged = [writer.stage(*one) for one in made(NEW)]
        else:
            monkeypatch.setattr(commit, "THREADS", threads)
            staged = writer.stage_all(iter(made(NEW)))
        assert [one.day for one in writer.staged] == [day for day, new in zip(NEW, staged, strict=True) if new]
        calls = list(tap.calls)
        writer.publish()
    return staged, calls


@pytest.mark.parametrize("threads", [1, 2, 8])
def test_any_number_of_threads_makes_the_changes_of_none_in_their_order(
    threads: int, shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = lakes.a_shelf(tmp_path / "alone")
    staged, calls = written(alone, None, monkeypatch)
    assert staged == [True, False, *[True] * 6]
    assert written(shelf, threads, monkeypatch) == (staged, calls)
    assert lakes.day_folders(shelf.root) == lakes.day_folders(alone.root)
    assert lakes.told(shelf.root) == lakes.told(alone.root) and lakes.revised(shelf.root) == lakes.revised(alone.root)


def of_another_day(monkeypatch: pytest.MonkeyPatch) -> list[commit.Made]:
    return [*made(SOME[:8]), (SOME[8], lakes.a_day(SOME[9]), lakes.SOURCE), *made(SOME[9:])]


def twice(monkeypatch: pytest.MonkeyPatch) -> list[commit.Made]:
    return [*made(SOME[:8]), *made(SOME[6:])]


def torn_by_the_disk(monkeypatch: pytest.MonkeyPatch) -> list[commit.Made]:
    real, torn = disk.create, Shelf.part_name(SOME[7])
    monkeypatch.setattr(disk, "create", lambda path, data: real(path, data[:-1] if path.name == torn else data))
    return made(SOME)


def no_room(monkeypatch: pytest.MonkeyPatch) -> list[commit.Made]:
    real, last = disk.create, Shelf.part_name(SOME[9])

    def create(path: Path, data: bytes) -> None:
        if path.name == last:
            raise Refused("no room")
        real(path, data)

    monkeypatch.setattr(disk, "create", create)
    return made(SOME)


def interrupted(monkeypatch: pytest.MonkeyPatch) -> Iterator[commit.Made]:
    yield from made(SOME[:9])
    raise KeyboardInterrupt


FAILS = {
    of_another_day: (Refused, "grid"), twice: (Refused, "staged already"), no_room: (Refused, "no room"),
    torn_by_the_disk: (Refused, "disk gave back other bytes"), interrupted: (KeyboardInterrupt, "^$"),
}  # fmt: skip


@pytest.mark.parametrize("batch", FAILS, ids=lambda batch: batch.__name__)
def test_a_day_that_fails_leaves_none_of_its_batch_staged(
    batch: object, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    error, told = FAILS[batch]  # type: ignore[index]
    before = date(2025, 4, 30)
    with commit.writing(shelf) as writer:
        writer.stage(before, lakes.a_day(before), lakes.SOURCE)
        with monkeypatch.context() as patched, pytest.raises(error, match=told):
            writer.stage_all(batch(patched))  # type: ignore[operator]
        assert [one.day for one in writer.staged] == [before] and len(lakes.staged(shelf.root)) == 1
        assert writer.publish() == [before]
    assert list(days.committed(shelf)) == [before]


def test_what_failed_is_not_published_even_where_it_cannot_be_removed(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_only(path: Path) -> None:
        raise OSError(30, "Read-only file system")

    with commit.writing(shelf) as writer:
        with monkeypatch.context() as patched, pytest.raises(Refused, match="grid"):
            patched.setattr(disk, "remove_tree", read_only)
            writer.stage_all(of_another_day(patched))
        assert writer.staged == [] and writer.publish() == [] and lakes.staged(shelf.root)
    assert lakes.staged(shelf.root) == [] and days.committed(shelf) == {}


def test_no_more_days_are_in_memory_than_the_threads_have_in_hand(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commit, "THREADS", 2)
    ahead: list[int] = []
    done = 0
    real = staging.write

    def write(*args: object) -> staging.Staged:
        nonlocal done
        done += 1
        return real(*args)  # type: ignore[arg-type]

    def endless() -> Iterator[commit.Made]:
        for i, one in enumerate(made(lakes.the_days(40))):
            ahead.append(i + 1 - done)
            yield one

    monkeypatch.setattr(staging, "write", write)
    with commit.writing(shelf) as writer:
        assert writer.stage_all(endless()) == [True] * 40
        writer.publish()
    assert 2 <= max(ahead) <= 4, "one for each thread, one waiting, one being written"
    assert len(days.committed(shelf)) == 40


def test_a_batch_shrinks_no_day_unless_told_to(shelf: Shelf) -> None:
    lakes.committed(shelf, SOME, seed=1)
    smaller = [*made(SOME[:11]), (SOME[11], lakes.a_day(SOME[11], rows=20), lakes.SOURCE)]
    with commit.writing(shelf) as writer:
        with pytest.raises(Refused, match="holds 20 bars, the committed day 24"):
            writer.stage_all(smaller, guard=True)
        assert writer.staged == []
        assert writer.stage_all(smaller, guard=True, allow_shrink=True) == [True] * 12
        writer.publish()
    assert days.need(shelf, SOME[11]).entry.rows == 20


def test_no_day_at_all_is_no_batch(shelf: Shelf) -> None:
    with commit.writing(shelf) as writer:
        assert writer.stage_all([]) == [] and writer.publish() == []


def test_a_draft_changes_nothing(shelf: Shelf) -> None:
    lakes.committed(shelf, SOME[:1], seed=1)
    with tapped(Tap(shelf.root), EXCHANGE) as tap:
        for day, table, source in made(SOME[:2]):
            assert drafts.of(shelf, day, table, source, True, {}).data == parts.encoded(table)
        assert drafts.removal(shelf, SOME[0]).new is None
        assert drafts.removal(shelf, SOME[1]) == drafts.Draft(SOME[1], None, None)
    assert tap.calls == []


def test_a_manifest_that_was_written_over_is_seen_by_the_reading_back(shelf: Shelf) -> None:
    day, table, source = made(SOME)[0]
    with commit.writing(shelf) as writer:
        writer.stage(day, table, source)
        staged = writer.staged[0]
        staging.check(shelf, staged)
        assert staged.new is not None
        other = staged.new._replace(inputs=digest(b"others"))
        with pytest.raises(Refused, match="disk gave back other bytes"):
            staging.check(shelf, replace(staged, new=other))
        assert (staged.folder / "new" / MANIFEST).read_bytes()


def test_text_alone_is_in_a_dictionary() -> None:
    from pyarrow import parquet

    with parquet.ParquetFile(pa.BufferReader(parts.encoded(lakes.a_day()))) as file:
        row = file.metadata.row_group(0)
        of = {row.column(i).path_in_schema: row.column(i).has_dictionary_page for i in range(row.num_columns)}
    assert of.pop("symbol") and not any(of.values()) and of
