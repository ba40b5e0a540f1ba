"""Ctrl-C and SIGTERM end a program at once, with no traceback, and nothing half done."""

from __future__ import annotations

import fcntl
import re
import signal
import subprocess
import sys

import click
import pytest

from lake import cli, ending
from lake.settings import PROJECT
from tests import interrupted, lakes

PIPE = 4096  # bytes; what loading tells of is more, so that the program waits in the middle of it


@pytest.mark.parametrize("program", ["lake", "p1_ingest", "p2_features", "p3_labels", "reports"])
def test_an_interrupt_while_modules_load_is_no_traceback(program: str) -> None:
    words = [sys.executable, "-X", "importtime", "-m", program, "--help"]
    with subprocess.Popen(words, cwd=PROJECT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as started:
        assert started.stderr is not None
        fcntl.fcntl(started.stderr, 1031, PIPE)  # F_SETPIPE_SZ
        while not re.search(rb"\| +click\b", line := started.stderr.readline()):
            assert line
        started.send_signal(signal.SIGINT)
        told = started.stderr.read()
    assert started.returncode == -signal.SIGINT
    assert b"Traceback" not in told


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_that_a_library_makes_an_error_of_its_own_is_told_as_the_signal(
    number: signal.Signals, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """DuckDB does: what our handler raises is lost, and `Query interrupted` comes instead."""

    @click.group(cls=cli.Commands)
    def commands() -> None:
        """Nothing but a query."""

    @commands.command()
    def query() -> None:
        try:
            signal.raise_signal(number)
        except BaseException:  # noqa: BLE001 — any of them
            raise RuntimeError("Query interrupted") from None

    before = {one: signal.getsignal(one) for one in ending.SIGNALS}
    try:
        assert ending.status(commands, "lake", ["query"]) == code
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
    told = capsys.readouterr().err
    assert told.startswith("error: ") and told.count("\n") == 1 and "what was committed stays" in told


def test_the_suite_runs_as_well_where_ctrl_c_is_ignored() -> None:
    """As in the background of a script, under nohup: the commands it starts would inherit that, and ignore it too."""
    asked = "from tests import conftest; import signal; print(signal.getsignal(signal.SIGINT).__name__)"
    words = ["/bin/sh", "-c", 'trap \'\' INT; exec "$0" -c "$1"', sys.executable, asked]
    ended = subprocess.run(words, cwd=PROJECT, capture_output=True, text=True, timeout=50)
    assert ended.stdout == "default_int_handler\n", ended.stderr


LOADING = """
import enum, signal, sys, threading
import click
from lake import cli, ending

def called(frame, event, _):
    loads = frame.f_code.co_filename == enum.__file__ and ending._loads_a_library(frame)
    if event == "call" and loads:
        sys.setprofile(None)
        signal.raise_signal(int(sys.argv[1]))

@click.group(cls=cli.Commands)
def commands():
    "Nothing but DuckDB."

@commands.command()
def query():
    sys.setprofile(called)
    import duckdb
    threading.Event().wait(30)
    print("no signal came")

ending.main(commands, "lake", ["query"])
"""


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_while_duckdb_is_loaded_ends_as_any_other(number: signal.Signals, code: int) -> None:
    """Its module in C calls Python as it begins, and aborts the process if that raises."""
    words = [sys.executable, "-c", LOADING, str(int(number))]
    ended = subprocess.run(words, cwd=PROJECT, capture_output=True, text=True, timeout=50)
    assert ended.returncode == code, ended.stderr
    told = ended.stderr.split("\n")  # after ^C click begins a new line
    assert [line[:7] for line in told if line] == ["error: "] and not ended.stdout


QUICK = ["P1 rewrite", "P3 first", "export"]


@pytest.mark.parametrize(
    "name", [pytest.param(one, marks=[] if one in QUICK else pytest.mark.long) for one in interrupted.MADE]
)
def test_a_command_interrupted_anywhere_ends_in_one_line_and_is_finished_by_the_next(name: str) -> None:
    """One instant early in its work; `make test-signals` tries as many as one likes."""
    with lakes.scratch() as scratch, interrupted.venues(scratch):
        report = interrupted.points(name, 1, list(interrupted.MADE).index(name), scratch, lasts=0.2)
    assert not report.violations, report.violations
