"""Ctrl-C while a program still loads ends it, and prints no traceback."""

from __future__ import annotations

import fcntl
import re
import signal
import subprocess
import sys

import pytest

from lake.settings import PROJECT

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
