"""Commands as a shell would call them, through their own main, in this process: a traceback is an error here."""

from __future__ import annotations

import contextlib
import functools
import io
from pathlib import Path

from lake import ending
from lake.commands import commands as lake
from p1_ingest.cli import commands as p1
from p2_features.cli import commands as p2
from p3_labels.cli import commands as p3
from reports.cli import commands as reports
from tests.crash import Run

GROUPS = {"p1_ingest": p1, "p2_features": p2, "p3_labels": p3, "lake": lake, "reports": reports}


def called(line: str) -> tuple[int, str]:
    """With which exit code does this command line end, and what does it say? One line tells a failure, and no fault."""
    name, *words = line.split()
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = ending.status(GROUPS[name], name, words)
    told = err.getvalue()
    failures = [text for text in told.splitlines() if text.startswith("error:")]
    assert "Traceback" not in told and "fault in perplake" not in told, told
    assert bool(failures) == (code in (1, 2, 3, 75, 130)), f"exit {code}: {told}"
    return code, out.getvalue() + told


def command(line: str) -> Run:
    """The command as the harness runs it; {root} in the line is the lake."""
    return functools.partial(_run, line)


def _run(line: str, root: Path) -> int:
    return called(line.format(root=root))[0]
