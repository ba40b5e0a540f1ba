"""A folder people take away is whole under its name, or what stood there before, or not there."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from lake import disk, folders, locks
from meta.errors import Busy, Refused

MARK = "report.json"


def fill(path: Path, text: str) -> None:
    with folders.whole(path, MARK) as place:
        (place / "inner").mkdir()
        (place / "inner" / "a").write_text(text)
        (place / MARK).write_text(text)


def held(path: Path) -> dict[str, str]:
    return {str(file.relative_to(path)): file.read_text() for file in sorted(path.rglob("*")) if file.is_file()}


def test_it_is_there_once_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "above" / "it"
    with folders.whole(path, MARK) as place:
        (place / MARK).write_text("x")
        assert not path.exists()
    assert held(tmp_path) == {"above/it/report.json": "x"}


@pytest.mark.parametrize("exchanges", [True, False])
def test_it_takes_the_place_of_an_earlier_one_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, exchanges: bool
) -> None:
    def refuses(one: Path, other: Path) -> None:
        raise OSError(errno.EINVAL, "no")

    if not exchanges:
        monkeypatch.setattr(disk, "exchange", refuses)
    with folders.whole(tmp_path / "it", MARK) as place:
        (place / MARK).write_text("old")
        (place / "gone").write_text("old")
    fill(tmp_path / "it", "new")
    assert held(tmp_path) == {"it/inner/a": "new", "it/report.json": "new"}


def test_what_fails_leaves_the_earlier_one(tmp_path: Path) -> None:
    fill(tmp_path / "it", "old")
    with pytest.raises(RuntimeError), folders.whole(tmp_path / "it", MARK) as place:
        (place / MARK).write_text("half")
        raise RuntimeError
    assert held(tmp_path) == {"it/inner/a": "old", "it/report.json": "old"}


def test_what_a_struck_writer_left_is_removed(tmp_path: Path) -> None:
    left = tmp_path / ".it.part" / "inner"
    left.mkdir(parents=True)
    (left / "half").write_text("half")
    fill(tmp_path / "it", "new")
    assert held(tmp_path) == {"it/inner/a": "new", "it/report.json": "new"}


@pytest.mark.parametrize("kind", ["a file", "a folder of files", "a link"])
def test_what_is_somebody_elses_is_left_alone(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "it"
    if kind == "a file":
        path.write_text("mine")
    elif kind == "a link":
        (tmp_path / "elsewhere").mkdir()
        os.symlink(tmp_path / "elsewhere", path)
    else:
        path.mkdir()
        (path / "thesis.txt").write_text("mine")
    with pytest.raises(Refused, match="move it away, or go elsewhere"):
        fill(path, "new")
    assert "new" not in held(tmp_path).values()


def test_two_do_not_fill_one_folder(tmp_path: Path) -> None:
    with locks.filling(tmp_path / ".it.part"), pytest.raises(Busy, match="is being filled by another process"):
        fill(tmp_path / "it", "new")
