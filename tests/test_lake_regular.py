"""A pipe or a device in a file's place is named in one line, and nothing waits for it."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lake import advice, disk, ending, log, notes, raw, regular, settings
from lake.commands import commands as lake_commands
from lake.layout import MANIFEST, Shelf
from meta.errors import Tampered
from p2_features import state
from tests import lakes


@pytest.fixture
def shelf() -> Iterator[Shelf]:
    with lakes.scratch() as root:
        place = lakes.a_shelf(root)
        lakes.committed(place, lakes.the_days(2))
        notes.write(place, notes.OFFERED, {"source": "binance", "columns": {}})
        yield place


READERS: dict[str, tuple[Callable[[Shelf], Path], Callable[[Shelf], object]]] = {
    "the log": (lambda shelf: log.path(shelf.root), lambda shelf: list(log.lines(shelf.root))),
    "a note": (lambda shelf: notes.path(shelf, notes.OFFERED), lambda shelf: notes.read(shelf, notes.OFFERED)),
    "a note about to be written": (
        lambda shelf: notes.path(shelf, notes.OFFERED),
        lambda shelf: notes.write(shelf, notes.OFFERED, {}),
    ),
    "the index of raw bodies": (lambda shelf: raw.index(shelf.root), lambda shelf: list(raw.lines(shelf.root))),
    "a stream's state": (
        lambda shelf: shelf.root / "s.state",
        lambda shelf: state.load(shelf.root / "s.state", shelf.tf),
    ),
}


def put(path: Path, kind: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")  # read to its end it would fill the memory
    else:
        path.mkdir()


@pytest.mark.parametrize("kind", ["pipe", "device", "folder"])
@pytest.mark.parametrize("what", READERS)
def test_what_is_no_regular_file_is_named_and_not_waited_for(shelf: Shelf, what: str, kind: str) -> None:
    where, reads = READERS[what]
    put(where(shelf), kind)
    with pytest.raises(Tampered, match=f"{re.escape(str(where(shelf)))} is no regular file; move it away"):
        reads(shelf)


def test_a_raw_body_that_is_a_pipe_is_a_fault_of_it(shelf: Shelf) -> None:
    sha = "ab" * 32
    put(raw.path(shelf.root, sha), "pipe")
    assert "regular" in (raw.fault(shelf.root, sha) or "")


@pytest.mark.parametrize("kind", ["pipe", "device"])
def test_nothing_is_appended_to_what_is_no_file(tmp_path: Path, kind: str) -> None:
    put(tmp_path / "log", kind)
    with pytest.raises(OSError, match="is no regular file"):
        disk.append(tmp_path / "log", b"line\n")


def test_a_file_is_read_whole_and_its_absence_is_told_as_such(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"\x00" * 99_999)
    assert regular.read(tmp_path / "file") == b"\x00" * 99_999
    with pytest.raises(FileNotFoundError):
        regular.read(tmp_path / "none")


def test_advice_names_the_lake_unless_commands_find_it_by_themselves() -> None:
    assert advice.repair(settings.PROJECT / "data") == "run `python -m lake repair`"
    assert advice.at(settings.PROJECT / "data-sim") == ""
    assert advice.repair(Path("/a/my lake")) == "run `python -m lake repair --lake '/a/my lake'`"
    assert advice.first(Path("/a/lake")) == "`make p1 LAKE=/a/lake`"


def test_damage_is_told_with_a_command_that_heals_this_lake(shelf: Shelf, capsys: pytest.CaptureFixture[str]) -> None:
    day = lakes.the_days(2)[0]
    (shelf.day_folder(day) / MANIFEST).write_bytes(b"nonsense")
    assert (
        ending.status(
            lake_commands, "lake", ["why", "BTCUSDT", f"{day}T12:00", "--tf", "1h", "--lake", str(shelf.root)]
        )
        == 0
    )
    assert f"run `python -m lake repair --lake {shelf.root}`" in capsys.readouterr().out
