"""What a writer refuses, what it tells, and what it leaves: nothing."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow as pa
import pytest

from lake import commit, days, disk, fresh, locks, log, parts, recover
from lake.layout import MANIFEST, SUCCESS, Shelf, shelf_at
from lake.manifest import Entry, Provenance, digest, parsed, written
from meta.columns import BARS
from meta.datasets import DATASETS
from meta.errors import DurabilityUnknown, PerplakeError, Refused, Tampered
from tests import crash, lakes
from tests.tap import EXCHANGE, MODES, Point, Tap, tapped


@pytest.fixture
def shelf() -> Iterator[Shelf]:
    with lakes.scratch() as folder:
        yield lakes.a_shelf(folder)


def write(shelf: Shelf, table: pa.Table, day: date = lakes.DAY, **options: bool) -> bool:
    with commit.writing(shelf) as writer:
        staged = writer.stage(day, table, lakes.SOURCE, **options)
        writer.publish()
    return staged


def a_rewrite(root: Path) -> None:
    lakes.committed(lakes.a_shelf(root), seed=2)


def test_a_batch_is_told_line_by_line(shelf: Shelf) -> None:
    wanted = lakes.the_days(2)
    lakes.committed(shelf, wanted, seed=1)
    first = [lakes.entry(shelf, day).sha256 for day in wanted]
    lakes.committed(shelf, wanted, seed=2)
    second = [lakes.entry(shelf, day).sha256 for day in wanted]
    named = [("bars", "1h", "BTCUSDT", day.isoformat()) for day in wanted]
    old = [(*n, "absent", sha) for n, sha in zip(named, first, strict=True)]
    new = [(*n, was, sha) for n, was, sha in zip(named, first, second, strict=True)]
    assert lakes.told(shelf.root) == old + new
    last = log.generation(shelf)
    assert last and last.new == second[1] and log.generation(shelf.sibling(DATASETS["labels"])) is None
    for line in log.lines(shelf.root):
        assert datetime.strptime(line.time, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC) <= datetime.now(UTC)


def test_what_was_staged_and_not_published_is_gone(shelf: Shelf) -> None:
    with commit.writing(shelf) as writer:
        writer.stage(lakes.DAY, lakes.a_day(), lakes.SOURCE)
        assert len(lakes.staged(shelf.root)) == 1
    assert not lakes.staged(shelf.root) and not days.is_committed(shelf, lakes.DAY)


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, ValueError, Refused])
def test_a_writer_that_is_interrupted_leaves_nothing_staged(error: type[BaseException], shelf: Shelf) -> None:
    with pytest.raises(error), commit.writing(shelf) as writer:
        writer.stage(lakes.DAY, lakes.a_day(), lakes.SOURCE)
        raise error
    assert not lakes.staged(shelf.root) and not days.is_committed(shelf, lakes.DAY)
    lakes.committed(shelf)


def test_an_empty_day_is_a_day(shelf: Shelf) -> None:
    write(shelf, lakes.a_day(rows=0))
    assert lakes.entry(shelf).rows == 0 and days.need(shelf, lakes.DAY).table().num_rows == 0


def test_another_source_or_code_is_another_day(shelf: Shelf) -> None:
    write(shelf, lakes.a_day())
    for provenance in (
        Provenance("binance", *2 * [digest(b"")]),
        Provenance("sim:bars", digest(b"x"), digest(b"code")),
    ):
        with commit.writing(shelf) as writer:
            assert writer.stage(lakes.DAY, lakes.a_day(), provenance)
            writer.publish()
        assert lakes.entry(shelf).source == provenance.source


def test_a_day_is_staged_once(shelf: Shelf) -> None:
    with commit.writing(shelf) as writer:
        writer.stage(lakes.DAY, lakes.a_day(seed=1), lakes.SOURCE)
        for seed in (1, 2):
            with pytest.raises(Refused, match="staged already"):
                writer.stage(lakes.DAY, lakes.a_day(seed=seed), lakes.SOURCE)
        writer.publish()
        writer.stage(lakes.DAY, lakes.a_day(seed=2), lakes.SOURCE)
        writer.publish()
    assert days.need(shelf, lakes.DAY).table().equals(lakes.a_day(seed=2))
    assert len(lakes.told(shelf.root)) == 2


def test_a_table_of_another_day_is_refused_before_anything_is_written(shelf: Shelf) -> None:
    with commit.writing(shelf) as writer:
        with tapped(Tap(shelf.root), EXCHANGE) as tap, pytest.raises(Refused, match="grid"):
            writer.stage(date(2025, 5, 2), lakes.a_day(), lakes.SOURCE)
        assert not tap.calls
    assert not lakes.staged(shelf.root)


@pytest.mark.parametrize("what", ["file", "link", "no marker", "a stranger's file"])
def test_files_no_commit_made_are_not_replaced(what: str, shelf: Shelf) -> None:
    folder = shelf.day_folder(lakes.DAY)
    folder.parent.mkdir(parents=True)
    if what == "file":
        folder.touch()
    elif what == "link":
        (shelf.root / "elsewhere").mkdir()
        folder.symlink_to(shelf.root / "elsewhere")
    else:
        folder.mkdir()
        (folder / ("part-20250501.parquet" if what == "no marker" else "notes.txt")).touch()
    with pytest.raises(Refused, match="move them away first"):
        write(shelf, lakes.a_day())
    assert folder.exists()


def test_a_strangers_file_beside_a_committed_day_is_not_taken_along(shelf: Shelf) -> None:
    lakes.committed(shelf, seed=1)
    stranger = shelf.day_folder(lakes.DAY) / "notes.txt"
    stranger.write_text("mine")
    with pytest.raises(Refused, match=r"also holds 'notes\.txt', which is not ours; move it away first"):
        write(shelf, lakes.a_day(seed=2))
    with pytest.raises(Refused, match=r"also holds 'notes\.txt'"), commit.writing(shelf) as writer:
        writer.remove(lakes.DAY)
    assert stranger.read_text() == "mine" and days.is_committed(shelf, lakes.DAY)
    assert not write(shelf, lakes.a_day(seed=1)), "the same again is nothing to write"


@pytest.mark.parametrize("above", [0, 1, 2, 3])
def test_no_writer_follows_a_link_out_of_the_lake(above: int, shelf: Shelf, tmp_path: Path) -> None:
    """The link is the month's folder, the year's, the symbol's or the timeframe's."""
    link = shelf.day_folder(lakes.DAY).parents[above]
    link.parent.mkdir(parents=True)
    link.symlink_to(tmp_path)
    with pytest.raises(Refused, match="leads out of the lake by a link"):
        write(shelf, lakes.a_day())
    with pytest.raises(Refused, match="leads out of the lake by a link"), commit.writing(shelf) as writer:
        writer.remove(lakes.DAY)
    if above >= 2:  # known before anything is staged
        with pytest.raises(Refused, match="leads out of the lake by a link"), commit.writing(shelf):
            raise AssertionError("it began")
    assert not list(tmp_path.iterdir())


def test_an_empty_day_folder_is_in_nobodys_way(shelf: Shelf) -> None:
    shelf.day_folder(lakes.DAY).mkdir(parents=True)
    assert write(shelf, lakes.a_day())


def test_a_damaged_day_is_not_written_over_unseen(shelf: Shelf) -> None:
    lakes.committed(shelf)
    (shelf.day_folder(lakes.DAY) / MANIFEST).unlink()
    with pytest.raises(Tampered, match="lake repair"):
        write(shelf, lakes.a_day(seed=2))


def _holes(table: pa.Table, name: str, count: int, hole: float | None) -> pa.Table:
    values = [hole if i < count else 1.0 for i in range(table.num_rows)]
    return table.set_column(table.column_names.index(name), name, pa.array(values, pa.float64()))


SHRUNK = {
    "23 bars": lakes.a_day(seed=2, rows=23),
    "23 values of oi_now": _holes(lakes.a_day(seed=2), "oi_now", 1, float("nan")),
    "22 values of oi_now": _holes(lakes.a_day(seed=2), "oi_now", 2, None),
    "0 values of oi_now": lakes.a_day(seed=2).drop_columns(["oi_now"]),
}


@pytest.mark.parametrize("what", SHRUNK)
def test_a_day_does_not_shrink_unless_told_to(what: str, shelf: Shelf) -> None:
    write(shelf, lakes.a_day(seed=1))
    with pytest.raises(Refused, match=f"holds {what}, the committed day 24; --force"):
        write(shelf, SHRUNK[what], guard=True)
    assert days.need(shelf, lakes.DAY).table().equals(lakes.a_day(seed=1)) and not lakes.staged(shelf.root)
    assert write(shelf, SHRUNK[what], guard=True, allow_shrink=True)
    assert days.need(shelf, lakes.DAY).entry.rows == SHRUNK[what].num_rows


@pytest.mark.parametrize(("kind", "hole"), [(pa.float64(), None), (pa.float64(), float("nan")), (pa.int64(), None)])
def test_the_last_value_of_a_column_is_not_lost_unseen(kind: pa.DataType, hole: float | None, shelf: Shelf) -> None:
    def of(first: float | None) -> pa.Table:
        values = pa.array([first, *[None] * 23], kind)
        return lakes.a_day().append_column("trades", values)

    write(shelf, of(1))
    with pytest.raises(Refused, match="holds 0 values of trades, the committed day 1; --force"):
        write(shelf, of(hole), guard=True)
    assert write(shelf, of(2), guard=True)


def test_a_day_may_grow_and_change(shelf: Shelf) -> None:
    write(shelf, _holes(lakes.a_day(rows=20), "oi_now", 5, None), guard=True)
    assert write(shelf, lakes.a_day(seed=2, columns=BARS), guard=True)


def test_what_the_disk_gives_back_must_be_what_was_written(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    real = disk.create
    for name in (shelf.part_name(lakes.DAY), MANIFEST):

        def lying(path: Path, data: bytes, name: str = name) -> None:
            real(path, bytes(reversed(data)) if path.name == name else data)

        monkeypatch.setattr(disk, "create", lying)
        with pytest.raises(PerplakeError):
            write(shelf, lakes.a_day())
        assert not lakes.staged(shelf.root) and not days.is_committed(shelf, lakes.DAY)


def test_a_manifest_that_reads_back_as_another_is_not_published(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    real = disk.create

    def lying(path: Path, data: bytes) -> None:
        other = [entry._replace(bytes=1) for entry in parsed(data, "")] if path.name == MANIFEST else []
        real(path, written(other) if other else data)

    monkeypatch.setattr(disk, "create", lying)
    with pytest.raises(Refused, match="disk gave back other bytes"):
        write(shelf, lakes.a_day())
    assert not days.is_committed(shelf, lakes.DAY)


def test_what_reads_back_as_another_table_is_not_published(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    real = parts.entry_of
    for change in ({"rows": 23}, {"schema": digest(b"")}, {"sha256": digest(b"")}):

        def lying(*args: object, change: dict[str, object] = change) -> Entry:
            return real(*args)._replace(**change)  # type: ignore[arg-type]

        monkeypatch.setattr(parts, "entry_of", lying)
        with pytest.raises(Refused, match=r"disk gave back|reads back as another"):
            write(shelf, lakes.a_day())
        assert not days.is_committed(shelf, lakes.DAY)


def test_a_part_that_reads_back_as_another_days_is_not_published(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    keys, schema = parts.keys_of(parts.encoded(lakes.a_day(lakes.the_days(2)[1])), "")
    monkeypatch.setattr(parts, "keys_of", lambda *_: (keys, schema))
    with pytest.raises(Refused, match="2025-05-01"):
        write(shelf, lakes.a_day())
    assert not days.is_committed(shelf, lakes.DAY)


def test_a_disk_that_fails_to_exchange_is_told_and_tried_no_other_way(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    lakes.committed(shelf, seed=1)
    before = lakes.day_folders(shelf.root)
    with monkeypatch.context() as failing:
        failing.setattr(disk, "exchange", fails)
        with pytest.raises(OSError, match="Input/output"):
            a_rewrite(shelf.root)
    assert lakes.day_folders(shelf.root) == before and not lakes.staged(shelf.root)


def test_a_day_is_taken_away_whole_and_told(shelf: Shelf) -> None:
    one, other = lakes.the_days(2)
    lakes.committed(shelf, [one, other])
    gone = lakes.entry(shelf, one).sha256
    with commit.writing(shelf) as writer:
        assert writer.remove(one) and writer.publish() == [one]
    assert [*lakes.day_folders(shelf.root)] == [str(shelf.day_folder(other).relative_to(shelf.root))]
    assert lakes.told(shelf.root)[-1] == ("bars", "1h", "BTCUSDT", one.isoformat(), gone, "absent")
    with commit.writing(shelf) as writer:
        assert not writer.remove(one) and writer.publish() == []


def test_a_disk_that_does_not_confirm_is_told_and_the_day_stands(shelf: Shelf, tmp_path: Path) -> None:
    lakes.committed(shelf, seed=1)
    calls = crash.undisturbed(a_rewrite, shelf.root, tmp_path, EXCHANGE).calls
    after = next(i for i, call in enumerate(calls) if call.function == "exchange") + 1
    failing = tapped(Tap(shelf.root, Point(after, "EIO", calls[after])), EXCHANGE)
    with failing, pytest.raises(DurabilityUnknown, match="run the same command again"):
        a_rewrite(shelf.root)
    assert days.need(shelf, lakes.DAY).table().equals(lakes.a_day(seed=2))
    a_rewrite(shelf.root)
    assert len(lakes.told(shelf.root)) == 2


def test_an_error_of_the_disk_is_not_hidden_by_the_clean_up(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    def read_only(*_: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    with pytest.raises(OSError, match="No space left"), commit.writing(shelf) as writer:
        monkeypatch.setattr(disk, "create", full)
        monkeypatch.setattr(disk, "remove_tree", read_only)
        writer.stage(lakes.DAY, lakes.a_day(), lakes.SOURCE)


def test_a_lake_of_one_symbol_takes_no_other(shelf: Shelf) -> None:
    place = shelf.root / "out"
    mine = lakes.committed(shelf_at(place, shelf.dataset, shelf.tf, "BTCUSDT"))
    other = shelf_at(place, shelf.dataset, shelf.tf, "ETHUSDT")
    with pytest.raises(Refused, match="is the lake of bars 1h BTCUSDT"), commit.writing(other):
        pass
    assert write(mine, lakes.a_day(seed=2))


def test_recovery_leaves_other_jobs_alone(shelf: Shelf) -> None:
    staging = shelf.root / ".lake" / "staging"
    theirs = (
        "parquet~1h~ETHUSDT~20250501~none~0123456789abcdef", "features~1h~BTCUSDT~20250501~none~0123456789abcdef",
        "parquet~1h~BTCUSDT~99999999~none~0123456789abcdef", "parquet~1h~BTCUSDT~notes", "parquet~1h~BTCUSDT",
        "parquet~1h~BTCUSDT~x~20250501~none~0123456789abcdef",
    )  # fmt: skip
    for name in theirs:
        (staging / name / "new").mkdir(parents=True)
    mine = staging / "parquet~1h~BTCUSDT~20250501~none~0123456789abcdef" / "new"
    mine.mkdir(parents=True)
    (mine / "half").write_bytes(b"x")
    assert recover.shelf(shelf) == [lakes.DAY]
    assert lakes.staged(shelf.root) == sorted(theirs) and not lakes.told(shelf.root)


def test_recovery_leaves_damage_to_repair(shelf: Shelf) -> None:
    lakes.committed(shelf)
    (shelf.day_folder(lakes.DAY) / MANIFEST).unlink()
    before = lakes.day_folders(shelf.root)
    (shelf.root / ".lake" / "staging" / f"{locks.job_name(shelf)}~20250501~{'0' * 16}~{'1' * 16}").mkdir()
    assert recover.shelf(shelf) == [lakes.DAY]
    assert lakes.day_folders(shelf.root) == before and not lakes.staged(shelf.root)


@pytest.mark.parametrize("mode", MODES)
def test_both_ways_of_publishing_end_alike(mode: str, shelf: Shelf) -> None:
    with tapped(Tap(shelf.root), mode):
        for seed in (1, 2, 1):
            lakes.committed(shelf, lakes.the_days(2), seed=seed)
    assert days.need(shelf, lakes.DAY).table().equals(lakes.a_day(seed=1))
    assert len(lakes.told(shelf.root)) == 6 and not lakes.staged(shelf.root)
    assert sorted(lakes.day_folders(shelf.root)["parquet/1h/BTCUSDT/y=2025/m=05/d=01"]) == sorted(
        [MANIFEST, SUCCESS, shelf.part_name(lakes.DAY)]
    )


def test_a_line_that_lacks_only_its_break_is_told(shelf: Shelf) -> None:
    lakes.committed(shelf)
    path, line = log.path(shelf.root), next(log.lines(shelf.root))
    path.write_bytes(path.read_bytes()[:-1])
    assert list(log.lines(shelf.root)) == [line]
    assert not log.complete(shelf.root, line)
    assert log.complete(shelf.root, line._replace(old=line.new, new=digest(b"next")))
    assert len(lakes.told(shelf.root)) == 2


def test_a_torn_line_is_passed_over_and_told_again(shelf: Shelf) -> None:
    lakes.committed(shelf)
    path, line = log.path(shelf.root), next(log.lines(shelf.root))
    for cut in (2, 30, 64, 70, 150):
        path.write_bytes("\t".join(line).encode()[:-cut])
        assert list(log.lines(shelf.root)) == []
        assert log.complete(shelf.root, line) and lakes.told(shelf.root) == [line[1:]]


def test_a_log_that_is_not_text_is_passed_over(shelf: Shelf) -> None:
    lakes.committed(shelf)
    with open(log.path(shelf.root), "ab") as file:
        file.write(b"\xff\xfe\x00\n\t\t\t\t\t\t\n" + os.urandom(50).replace(b"\n", b"") + b"\n")
    assert len(lakes.told(shelf.root)) == 1
    assert list(log.lines(shelf.root / "nowhere")) == []


def test_freshness_is_told_by_content(shelf: Shelf) -> None:
    inputs = fresh.inputs_digest([("bars", lakes.DAY, digest(b"a")), ("bars", date(2025, 5, 2), None)])
    others = [
        fresh.inputs_digest([("bars", lakes.DAY, digest(b"b")), ("bars", date(2025, 5, 2), None)]),
        fresh.inputs_digest([("bars", lakes.DAY, digest(b"a"))]),
        fresh.inputs_digest([("bars", lakes.DAY, digest(b"a")), ("bars", date(2025, 5, 2), None)], also="{}"),
        fresh.NO_INPUTS,
    ]
    assert len({inputs, *others}) == 5 and fresh.inputs_digest([]) == fresh.NO_INPUTS
    dataset = DATASETS["features"]
    code = fresh.code_digest(dataset, "schema", {"a": 1, "b": 2.5})
    assert code == fresh.code_digest(dataset, "schema", {"b": 2.5, "a": 1})
    assert code != fresh.code_digest(dataset, "schema", {"a": 1, "b": 2.0})
    assert code != fresh.code_digest(replace(dataset, version=99), "schema", {"a": 1, "b": 2.5})
    known = lakes.entry(lakes.committed(shelf))._replace(inputs=inputs, code=code)
    assert fresh.is_fresh(known, inputs, code) and not fresh.is_fresh(None, inputs, code)
    assert not fresh.is_fresh(known, others[0], code) and not fresh.is_fresh(known, inputs, others[0])


def test_the_logs_last_word_is_of_the_shelf_that_was_asked_about_and_of_days_that_are_there(shelf: Shelf) -> None:
    one, other = lakes.the_days(2)
    lakes.committed(shelf, [one, other])
    lakes.committed(lakes.a_shelf(shelf.root, symbol="ETHUSDT"), [one], seed=3)
    lakes.committed(shelf, [one], seed=1)
    with commit.writing(shelf) as writer:
        writer.remove(other)
        writer.publish()
    assert log.last_words(shelf) == {one: lakes.entry(shelf, one).sha256}


@pytest.mark.parametrize("day", ["2025-99-99", "20250501", "never"])
def test_a_line_of_the_log_that_tells_of_no_day_is_passed_over(shelf: Shelf, day: str) -> None:
    lakes.committed(shelf)
    (line,) = log.lines(shelf.root)
    log.append(shelf.root, [line._replace(day=day)])
    assert list(log.lines(shelf.root)) == [line]
