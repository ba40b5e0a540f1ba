"""On a terminal the status is a table that fits, with the numbers of the plain lines, and colour only where wanted."""

from __future__ import annotations

import io
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from lake import board, settings, status
from tests.lakes import a_shelf, committed, the_days

NOW = 1_746_100_000_000


def drawn(root: Path, width: int = 80, **look: bool) -> str:
    out = io.StringIO()
    screen = Console(file=out, width=width, force_terminal=True, color_system="standard", highlight=False, **look)  # type: ignore[arg-type]
    board.show(status.status(root), False, NOW, screen)
    return out.getvalue()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for symbol in ("BTCUSDT", "1000PEPEUSDT"):
        committed(a_shelf(tmp_path, symbol=symbol), the_days(3))
    return tmp_path


def test_every_shelf_stands_in_a_line_of_an_ordinary_terminal(root: Path) -> None:
    lines = drawn(root).splitlines()
    shelves = [line.split()[2:4] for line in lines if line.strip().startswith("bars")]
    assert shelves == [["1000PEPEUSDT", "3"], ["BTCUSDT", "3"]]
    assert "72" in next(line for line in lines if "BTCUSDT" in line).split()
    assert any("no day is stale or damaged" in line for line in lines)


def test_columns_that_say_nothing_are_left_out(root: Path) -> None:
    assert "holes" not in drawn(root)
    shelf = a_shelf(root)
    (shelf.day_folder(the_days(2)[1]) / "_SUCCESS").unlink()
    said = drawn(root)
    assert "holes" in said
    assert "1 days missing between others" in said


def test_damage_is_told_in_red_and_by_name(root: Path) -> None:
    shelf, day = a_shelf(root), the_days(2)[1]
    (shelf.day_folder(day) / shelf.part_name(day)).write_bytes(b"")
    said = drawn(root, 200)
    assert "\x1b[1;31m" in said
    assert f"P1 1h BTCUSDT {day}: damaged: " in said


def test_an_empty_lake_says_how_to_begin(tmp_path: Path) -> None:
    assert "no day yet" in drawn(tmp_path)


def test_no_color_is_heeded_on_a_real_terminal_and_a_pipe_gets_plain_lines(root: Path) -> None:
    words = [sys.executable, "-m", "lake", "status", "--lake", str(root)]
    place = {
        "cwd": settings.PROJECT,
        "env": {**os.environ, "TERM": "xterm-256color", "COLUMNS": "100", "NO_COLOR": "1"},
    }
    ours, theirs = pty.openpty()
    subprocess.run(words, stdout=theirs, stderr=subprocess.DEVNULL, check=True, **place)  # type: ignore[call-overload]
    os.close(theirs)
    said = os.read(ours, 1 << 16).decode()
    os.close(ours)
    assert "BTCUSDT" in said and "─" in said
    assert not [code for code in ("\x1b[3", "\x1b[9") if code in said]
    piped = subprocess.run(words, capture_output=True, text=True, check=True, **place).stdout  # type: ignore[call-overload]
    assert piped.splitlines()[1].split()[:3] == ["dataset", "tf", "symbol"]
    assert "\x1b" not in piped
