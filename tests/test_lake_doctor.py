"""The doctor tells what has to be mended before a lake is written, and changes nothing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from lake import doctor, log
from lake.commands import commands
from lake.doctor import ODD, OK, WRONG, Finding
from tests import lakes


def of(found: list[Finding], what: str) -> Finding:
    return next(one for one in found if one.what == what)


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    return lakes.committed(lakes.a_shelf(tmp_path / "lake")).root


def test_a_sound_lake_has_nothing_wrong_and_is_not_changed(lake: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in lake.rglob("*") if path.is_file()}
    found = doctor.look(lake)
    assert not [one for one in found if one.state == WRONG], found
    named = {"python", "packages", "clock", "disk", "rights", "publishing", "kernels", "conf"}
    assert named <= {one.what for one in found}
    assert {path: path.stat().st_mtime_ns for path in lake.rglob("*") if path.is_file()} == before


def test_a_clock_behind_the_lakes_last_commit_or_our_time_is_wrong(lake: Path) -> None:
    last = doctor._last_told(lake)
    assert last is not None and log.path(lake).exists()
    assert of(doctor.look(lake, last - 60), "clock").state == WRONG
    assert of(doctor.look(lake, last + 1), "clock").state in (OK, ODD)
    assert of(doctor.look(lake, 0.0), "clock").state == WRONG


def test_another_version_than_locked_is_told(tmp_path: Path) -> None:
    lock = tmp_path / "requirements.txt"
    lock.write_text("click==0.1\nno-such-package==1.0\n", encoding="utf-8")
    (found,) = doctor._packages(lock)
    assert found.state == ODD and "click" in found.fact and "no-such-package none" in found.fact


def test_a_lake_that_is_not_there_yet_can_be_made_or_not(tmp_path: Path) -> None:
    assert of(doctor.look(tmp_path / "new" / "lake"), "rights").state == OK


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_wrong(lake: Path) -> None:
    shelf = lakes.a_shelf(lake)
    shelf.folder.chmod(0o500)
    try:
        assert of(doctor.look(lake), "rights").state == WRONG
    finally:
        shelf.folder.chmod(0o700)


def test_a_dead_writers_leftovers_are_told(lake: Path) -> None:
    (lake / ".lake" / "staging" / "parquet~1h~BTCUSDT~20250501~none~0123456789abcdef").mkdir(parents=True)
    assert of(doctor.look(lake), "leftovers").state == ODD


def test_the_command_ends_with_3_where_something_is_wrong(lake: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sound = CliRunner().invoke(commands, ["doctor", "--lake", str(lake)], standalone_mode=False)
    assert sound.return_value == 0 and "publishing" in sound.output
    monkeypatch.setattr(doctor, "look", lambda root: [Finding("clock", WRONG, "is slow", "set it")])
    result = CliRunner().invoke(commands, ["doctor", "--lake", str(lake)], standalone_mode=False)
    assert getattr(result.exception, "exit_code", None) == 3 and "clock" in str(result.exception)
