"""How far a long work is: one line rewritten on a terminal, plain lines elsewhere, nothing for what is quickly over."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from click.testing import CliRunner

from lake import progress, settings
from p1_ingest.cli import commands as p1_commands
from tests import lakes

WORKING = """
from lake import cli, progress
clock = iter(range(0, 10_000, 3))
meter = progress.Meter("verifying", 4, "days", lambda: next(clock))
for _ in range(4):
    meter.add()
progress.results(["done"])
cli.say("said")
"""


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_the_time_left_is_that_of_the_pace_so_far() -> None:
    clock = Clock()
    pace = progress.Pace(1_080, "days", clock)
    clock.now += 30
    assert pace.at(80) == "80 of 1,080 days, 6 min left"
    assert pace.at(1_080) == "1,080 of 1,080 days, 0 s left"


def test_times_are_told_as_people_tell_them() -> None:
    assert [progress.spoken(s) for s in (0.4, 99, 100, 5_940, 6_000, 90_000)] == [
        "0 s", "99 s", "2 min", "99 min", "1 h 40 min", "25 h 0 min",
    ]  # fmt: skip


def test_what_is_over_within_two_seconds_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    for _ in progress.told(range(1_000), "looking", "symbols", clock):
        clock.now += 0.0019
    assert capsys.readouterr() == ("", "")


def test_a_log_gets_a_plain_line_every_ten_seconds(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    for _ in progress.told(range(30), "looking", "symbols", clock):
        clock.now += 1
    said = capsys.readouterr().err
    assert said.splitlines() == [
        "looking: 2 of 30 symbols, 28 s left", "looking: 12 of 30 symbols, 18 s left",
        "looking: 22 of 30 symbols, 8 s left",
    ]  # fmt: skip
    assert "\x1b" not in said


def test_steps_within_a_work_are_told_where_a_command_watches(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()

    def work() -> None:
        for _ in progress.counted(iter(range(4)), 4, "checks", clock):
            clock.now += 3

    work()
    assert capsys.readouterr().err == ""
    with progress.watched("P1 5m BTCUSDT"):
        work()
        silent = threading.Thread(target=work)  # a worker's own steps are not the command's
        silent.start()
        silent.join(30)
    work()
    assert capsys.readouterr().err.splitlines() == ["P1 5m BTCUSDT: 1 of 4 checks, 9 s left"]


def test_the_checks_of_one_symbol_tell_how_far_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lakes.committed(lakes.a_shelf(tmp_path), lakes.the_days(9))
    monkeypatch.setattr(progress, "WORTH_TELLING", 0.0)
    monkeypatch.setattr(progress, "SELDOM", 0.0)
    span = ["--start", str(lakes.the_days(9)[0]), "--end", str(lakes.the_days(9)[-1])]
    told = CliRunner().invoke(p1_commands, ["qa", "--tf", "1h", "--lake", str(tmp_path), *span]).stderr
    assert "P1 1h BTCUSDT: 5 of 9 days of bars read, " in told
    assert re.search(r"P1 1h BTCUSDT: \d+ of \d+ checks of bars, \d+ s left", told)


def on_a_terminal(**env: str) -> str:
    """What does a terminal get to see of the work?"""
    ours, theirs = pty.openpty()
    place = {"cwd": settings.PROJECT, "env": {**os.environ, "TERM": "xterm", "COLUMNS": "30", **env}}
    subprocess.run([sys.executable, "-c", WORKING], stdout=theirs, stderr=theirs, check=True, **place)  # type: ignore[call-overload]
    os.close(theirs)
    said = os.read(ours, 1 << 16).decode()
    os.close(ours)
    return said


def test_a_terminal_gets_one_line_that_is_rewritten_never_wraps_and_makes_room() -> None:
    *drawn, results = on_a_terminal().split(progress.CLEAR)[1:]
    told = [
        f"verifying: {line}"[:29]
        for line in ("1 of 4 days, 18 s left", "2 of 4 days, 12 s left", "3 of 4 days, 6 s left")
    ]
    assert (drawn, results) == (told, "done\r\nsaid\r\n")


@pytest.mark.parametrize("env", [{"TERM": "dumb"}, {"NO_COLOR": "1"}], ids=str)
def test_nothing_is_coloured_and_a_dumb_terminal_gets_lines(env: dict[str, str]) -> None:
    said = on_a_terminal(**env)
    assert "\x1b[3" not in said and "\x1b[1" not in said
    assert ("\x1b" in said) == ("NO_COLOR" in env)
