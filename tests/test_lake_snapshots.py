"""A named snapshot is whole, the old one or the new one, whatever strikes its writer; damage is told by name."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from lake import disk, locks, snapshots
from lake.layout import Shelf
from meta.errors import Busy, DurabilityUnknown, NotReady, Refused, Tampered, Usage
from meta.timeframes import timeframe
from tests import crash, lakes
from tests.tap import BREAK, EXCHANGE, MODES, Tap, tapped

HOUR = timeframe("1h")
FILES = [{name: f"{name} {n}".encode() for name in ("folds.parquet", "rows.parquet")} for n in range(2)]


@pytest.fixture
def root() -> Iterator[Path]:
    with lakes.scratch() as folder:
        yield folder / "lake"


def place(root: Path, name: str = "main") -> Shelf:
    return snapshots.folds(root, HOUR, name)


def write(root: Path, n: int = 0) -> Shelf:
    snapshots.publish(place(root), FILES[n], {"n": n})
    return place(root)


def held(root: Path) -> int | None:
    """Which of the two snapshots does a reader find, whole? None where there is none."""
    try:
        said = snapshots.meta(place(root))
    except NotReady:
        return None
    assert {name: snapshots.read(place(root), name, said) for name in said["files"]} == FILES[said["n"]]
    return int(said["n"])


def test_what_is_published_is_read_back_and_its_lock_is_let_go(root: Path) -> None:
    assert held(root) is None
    for n in (0, 1):
        write(root, n)
        assert held(root) == n and lakes.staged(root) == []
    said = snapshots.meta(place(root))
    assert set(said) == {"n", "files"} and set(said["files"]) == set(FILES[1])


def changed(root: Path, first: bool, mode: str) -> tuple[Path, list[crash.Point]]:
    """A lake with the old snapshot, or none, and everything that can happen while the new one is written."""
    root.mkdir()
    if not first:
        write(root, 0)
    copy = lakes.copied(root, root.parent / "undisturbed")
    ended, calls = crash.strike(lambda where: write(where, 1), copy, None, mode)
    assert ended == "done" and held(copy) == 1
    return root.parent / "struck", crash.all_points(calls)


@pytest.mark.parametrize("most", [60, pytest.param(None, marks=pytest.mark.long)])
@pytest.mark.parametrize(("first", "mode"), [(True, EXCHANGE), (False, EXCHANGE), (False, BREAK)])
def test_struck_anywhere_it_is_the_old_or_the_new_one_and_the_next_run_ends_alike(
    root: Path, first: bool, mode: str, most: int | None
) -> None:
    struck, points = changed(root, first, mode)
    old = None if first else 0
    may = {old, 1} | ({None} if mode == BREAK else set())  # two renames: between them it is absent, and says so
    for point in crash.some(points, most):
        where = lakes.copied(root, struck)
        ended, _ = crash.strike(lambda lake: write(lake, 1), where, point, mode)
        assert not ended.startswith("fault"), f"{point}: {ended}"
        assert held(where) in may, point
        assert ended != "done" or held(where) == 1, point
        ended, _ = crash.strike(lambda lake: write(lake, 1), where, None, mode)
        assert (ended, held(where), lakes.staged(where)) == ("done", 1, []), point
    if most is None:
        print(f"B1 snapshot, {'first' if first else 'rewrite'}, {mode}: {len(points)} points, 0 violations")
    assert len(points) >= 60


@pytest.mark.parametrize("mode", MODES)
def test_all_is_durable_before_it_is_published(root: Path, mode: str) -> None:
    write(root, 0)
    with tapped(Tap(root), mode) as tap:
        write(root, 1)
    calls = [(call.function, call.role) for call in tap.calls]
    tx = ".lake/staging/folds~#h~main/new"
    published = next(i for i, (function, _) in enumerate(calls) if function in ("exchange", "rename"))
    for name in (*FILES[1], snapshots.META):
        assert calls.index(("fsync", f"{tx}/{name}")) < published
    assert calls.index(("fsync", tx)) < published < calls.index(("fsync", "folds/#h"))


def test_another_writers_snapshot_is_left_to_it(root: Path) -> None:
    write(root, 0)
    with locks.job(place(root)), pytest.raises(Busy, match="is being written by"):
        write(root, 1)
    assert held(root) == 0


def test_what_a_dead_writer_left_in_staging_is_cleared_by_the_next(root: Path) -> None:
    left = root / ".lake" / "staging" / "folds~1h~main" / "new"
    left.mkdir(parents=True)
    (left / "rows.parquet").write_bytes(b"half")
    write(root, 1)
    assert held(root) == 1 and lakes.staged(root) == []


def test_a_strangers_file_is_not_exchanged_away(root: Path) -> None:
    (write(root, 0).folder / "notes.txt").write_text("mine")
    with pytest.raises(Refused, match=r"also holds 'notes.txt', which is not ours"):
        write(root, 1)
    assert held(root) == 0 and (place(root).folder / "notes.txt").read_text() == "mine"


def test_a_disk_that_gives_back_other_bytes_is_not_believed(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(root, 0)
    create = disk.create
    monkeypatch.setattr(disk, "create", lambda path, data: create(path, data[:-1] + b"?"))
    with pytest.raises(Refused, match="gave back other bytes"):
        write(root, 1)
    assert held(root) == 0 and lakes.staged(root) == []


def test_an_error_of_the_disk_is_not_taken_for_a_file_system_that_cannot(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(root, 0)

    def exchange(one: Path, other: Path) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO), str(one))

    monkeypatch.setattr(disk, "exchange", exchange)
    with pytest.raises(OSError, match="Input/output"):
        write(root, 1)
    assert held(root) == 0 and lakes.staged(root) == []


def test_what_the_disk_did_not_confirm_stands_and_is_told(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(root, 0)

    def sync_folder(path: Path) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO), str(path))

    monkeypatch.setattr(disk, "sync_folder", sync_folder)
    with pytest.raises(DurabilityUnknown, match=r"P3 folds 1h main: published and valid, .*\(Input/output error\)"):
        write(root, 1)
    assert held(root) == 1 and lakes.staged(root) == []


@pytest.mark.parametrize("damage", [b"{}", b"[]", b"not json", b'{"n": 1, "files": {}, "digest": ""}'])
def test_a_meta_that_was_not_written_is_told_with_the_command_that_makes_it(root: Path, damage: bytes) -> None:
    (write(root).folder / snapshots.META).write_bytes(damage)
    with pytest.raises(Tampered, match=f"is not what was written; run `.*folds --name main --tf 1h --lake {root}`"):
        snapshots.meta(place(root))
    ((path, fact, heals, wrong),) = snapshots.faults(root)
    assert path == place(root).folder / snapshots.META and "(Tampered)" in fact and wrong
    assert "--name main" in heals


def test_one_that_is_not_there_is_told_with_the_command_that_makes_it(root: Path) -> None:
    for make in (lambda: None, lambda: place(root).folder.parent.mkdir(parents=True), place(root).folder.touch):
        make()
        with pytest.raises(NotReady, match="P3 folds 1h main is not there; run `python -m p3_labels folds --name main"):
            snapshots.meta(place(root))


def test_a_file_that_is_gone_or_another_is_told(root: Path) -> None:
    path = write(root).folder / "rows.parquet"
    said = snapshots.meta(place(root))
    for damage in (lambda: path.write_bytes(b"other"), path.unlink):
        damage()
        with pytest.raises(Tampered, match=r"rows.parquet is missing or not what its meta.json describes"):
            snapshots.read(place(root), "rows.parquet", said)
        assert [(at, wrong) for at, _, _, wrong in snapshots.faults(root)] == [(path, True)]


def test_all_that_is_no_snapshot_is_told_and_the_rest_is_still_read(root: Path) -> None:
    folder = write(root).folder
    (folder / "notes.txt").write_text("mine")
    for name in ("a..b", "file", "link"):
        path = folder.parent / name
        {"file": path.touch, "link": lambda path=path: path.symlink_to(folder)}.get(name, path.mkdir)()
    (folder.parent / "zz").mkdir()  # comes after the others, so that none of them ended the round
    (folder.parent.parent / "7h" / "main").mkdir(parents=True)
    told = {path.relative_to(root / "folds").as_posix(): wrong for path, _, _, wrong in snapshots.faults(root)}
    assert told == {
        "1h/a..b": False,
        "1h/file": False,
        "1h/link": False,
        "1h/main/notes.txt": False,
        "1h/zz/meta.json": True,
        "7h/main": False,
    }


@pytest.mark.parametrize("name", ["", "../main", "a/b", "-x", "_x", "a b", "x" * 64, "ä", "a\n", ".", "main\x00"])
def test_a_name_that_could_leave_its_folder_is_none(root: Path, name: str) -> None:
    with pytest.raises(Usage, match="is no name for a snapshot"):
        place(root, name)
    assert snapshots.named(root, f"folds~1h~{name}") is None


def test_a_staging_folders_name_tells_whose_it_is(root: Path) -> None:
    assert snapshots.named(root, "folds~1h~main") == place(root)
    assert place(root, "x" * 63).symbol == "x" * 63
    for job in ("folds~1h", "folds~7h~main", "labels~1h~main", "folds~1h~main~1", "", "~~", "folds"):
        assert snapshots.named(root, job) is None, job


def test_the_training_table_joins_the_folds_that_conf_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "labels.yaml"
    monkeypatch.setattr(snapshots.settings, "conf_path", lambda name: tmp_path / name)
    for text, name in (("folds: {name: mine}", "mine"), ("folds: {}", "main"), ("H: 12", "main"), ("folds: 3", "main")):
        path.write_text(text)
        assert snapshots.joined() == name
