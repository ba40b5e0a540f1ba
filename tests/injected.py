"""A real command is struck from outside, by strace at one of its system calls; its lake is judged as in tests.crash.

    python -m tests.injected               each change to the lake that each command makes: an hour or two
    python -m tests.injected --most 30     so many a command, spread over all of its changes

strace knows nothing of Python: what the harness in tests.tap might overlook, such as what a library writes by itself,
it meets. A command is killed as the call begins, or the call fails.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from lake.settings import PROJECT
from tests import crash, lakes
from tests.mains import command
from tests.phases import PHASES, a_lake, at_a_stand_in
from tests.tap import BREAK, EXCHANGE, Call, Point, Tap

LONGEST = 120  # seconds a command may take
FUNCTIONS = {
    "open": "open", "creat": "open", "openat": "open",
    "write": "write", "writev": "write", "pwrite64": "pwrite", "pwritev": "pwrite", "copy_file_range": "write",
    "ftruncate": "ftruncate", "truncate": "truncate", "fallocate": "ftruncate",
    "fsync": "fsync", "fdatasync": "fsync", "syncfs": "fsync",
    "mkdir": "mkdir", "mkdirat": "mkdir", "rmdir": "rmdir", "unlink": "unlink", "unlinkat": "unlink",
    "rename": "rename", "renameat": "rename", "renameat2": "rename",
    "link": "link", "linkat": "link", "symlink": "symlink", "symlinkat": "symlink",
}  # fmt: skip
KILL = "signal=KILL"
ERRORS = ("EIO", "ENOSPC", "EROFS")
LINE = re.compile(r"(?P<pid>[0-9]+) +(?P<name>\w+)\((?P<args>.*)")
PATH = re.compile(r'(?:<(?P<at>/[^>]*)>(?:, )?)?(?:"(?P<path>(?:[^"\\]|\\.)*)")?')


@dataclass(frozen=True)
class Met:
    """A change to the lake as the kernel saw it: the n-th of its thread's calls of this name."""

    name: str
    number: int
    call: Call


@dataclass(frozen=True)
class Ended:
    """How a command ended: as tests.crash tells it, and what it did to the lake."""

    text: str
    calls: list[Met]
    struck: bool


def missing() -> str | None:
    """Why can nothing be traced here, if so?"""
    try:
        subprocess.run(["strace", "-qq", "-e", "trace=none", "true"], check=True, capture_output=True, timeout=20)
    except FileNotFoundError:
        return "strace is not installed"
    except (subprocess.SubprocessError, OSError):
        return "strace may not trace here"
    return None


def traced(line: str, root: Path, injections: Sequence[str] = ()) -> Ended:
    """Run this command with these injections, each as `write:error=EIO:when=3`."""
    program, *words = line.format(root=root).split()
    names = ",".join(f"?{name}" for name in FUNCTIONS)
    inject = [word for one in injections for word in ("-e", f"inject={one}")]
    with tempfile.NamedTemporaryFile("r", encoding="utf-8", errors="replace") as log:
        fast = [] if any(KILL in one for one in injections) else ["--seccomp-bpf"]  # with it, strace 6.1 kills nobody
        strace = ["strace", "-f", *fast, "-qq", "-y", "-s", "0", "-e", "signal=none", "-o", log.name]
        started = [*strace, "-e", f"trace={names}", *inject, sys.executable, "-m", program, *words]
        code, told = _run(started)
        lines = log.read().splitlines()
    struck = code == -signal.SIGKILL or any("(INJECTED)" in text and str(root) in text for text in lines)
    return Ended(_ended(code, told), list(_met(lines, root)), struck)


def _run(words: list[str]) -> tuple[int, str]:
    with subprocess.Popen(
        words, cwd=PROJECT, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        text=True, start_new_session=True,
    ) as running:  # fmt: skip
        try:
            _, told = running.communicate(timeout=LONGEST)
        except subprocess.TimeoutExpired:
            os.killpg(running.pid, signal.SIGKILL)
            return 0, f"Traceback: none; it did not end within {LONGEST} s"
    return running.returncode, told


def _ended(code: int, told: str) -> str:
    if code == -signal.SIGKILL:
        return "killed"
    lines = [line for line in told.splitlines() if line.startswith("error:")]
    if "Traceback" in told or "fault in perplake" in told or code < 0 or len(lines) > 1 or (code and not lines):
        return f"fault: exit {code}: {told[-2_000:]}"
    return f"refused: {lines[0]}" if code else "done"


def _met(lines: Sequence[str], root: Path) -> Iterator[Met]:
    """Which of these calls change the lake?"""
    tap, count = Tap(root), Counter[tuple[str, str]]()
    for text in lines:
        line = LINE.match(text)
        if line is None:
            continue
        pid, name, args = line["pid"], line["name"], line["args"]
        count[pid, name] += 1
        place = _place(args)
        looks = FUNCTIONS.get(name) == "open" and name != "creat" and not re.search(r"O_CREAT|O_TRUNC", args)
        role = tap.role(place) if place and name in FUNCTIONS and not looks else None
        if role is not None:
            yield Met(name, count[pid, name], Call(FUNCTIONS[name], role))


def _place(args: str) -> str | None:
    """The file a call is about: the last that it names."""
    place = None
    for found in PATH.finditer(args.rpartition(" = ")[0] or args):
        if found["path"] is not None or found["at"] is not None:
            place = os.path.join(found["at"] or "/", found["path"] or "")
    return place


def overlooked(line: str, lake: Path, scratch: Path) -> set[Call]:
    """Which changes to the lake does the kernel see that the harness in Python does not?"""
    known = {_as_seen(call) for call in crash.undisturbed(command(line), lake, scratch, EXCHANGE).calls}
    return {met.call for met in traced(line, lakes.copied(lake, scratch / "traced")).calls} - known


def _as_seen(call: Call) -> Call:
    """A call of Python's as the kernel knows it."""
    function = {"replace": "rename", "exchange": "rename", "remove": "unlink"}.get(call.function, call.function)
    return Call(function, call.role)


def points(name: str, mode: str, scratch: Path, most: int | None = None) -> tuple[crash.Report, int]:
    """Strike this phase's command at its changes to the lake; how many strikes met nothing of the lake's?"""
    work = PHASES[name]
    lake = a_lake(scratch, work.make)
    always = ["renameat2:error=EINVAL"] if mode == BREAK else []
    run, plain = command(work.quick), crash.undisturbed(command(work.quick), lake, scratch, EXCHANGE)
    calls = traced(work.quick, lakes.copied(lake, scratch / "traced"), always).calls
    report, missed = crash.Report(made={met.call for met in calls}), 0
    for turn, (met, what) in enumerate(_some(calls, most)):
        root = lakes.copied(lake, scratch / "struck")
        ended = traced(work.quick, root, [*always, f"{met.name}:{what}:when={met.number}"])
        where = f"{mode}, {what} at {turn} {met.name} {met.call.role}"
        missed += not ended.struck
        report.points += 1
        report.calls[met.call] += 1
        wrong = [
            *crash.after_strike(root, plain, ended.text, Point(turn, what, met.call)),
            *crash.converges(run, root, plain, mode),
        ]
        report.violations += [f"{where}: {text}" for text in wrong]
    return report, missed


def _some(calls: Sequence[Met], most: int | None) -> list[tuple[Met, str]]:
    """At most so many strikes, spread evenly: a kill at each call, and an error by turns."""
    whats = [(KILL, f"error={ERRORS[turn % len(ERRORS)]}") for turn in range(len(calls))]
    every = [(met, what) for met, two in zip(calls, whats, strict=True) for what in two]
    return every if most is None or len(every) <= most else [every[i * len(every) // most] for i in range(most)]


CASES = [(name, mode) for name in PHASES for mode in ((EXCHANGE, BREAK) if "rewrite" in name else (EXCHANGE,))]


@click.command()
@click.option("--most", type=int, help="At most so many strikes of a command; all of them by default.")
@click.option("--only", multiple=True, help="Only this phase, as `P2 rewrite`; may be given again.")
def main(most: int | None, only: tuple[str, ...]) -> None:
    """Strike the commands of each phase from outside, and tell what was wrong afterwards."""
    if reason := missing():
        click.echo(f"{reason}; nothing was tried")
        return
    violations = 0
    for name, mode in CASES:
        if only and name not in only:
            continue
        with lakes.scratch() as scratch, at_a_stand_in():
            report, missed = points(name, mode, scratch, most)
        violations += len(report.violations)
        calls = f"{len(report.calls)} of {len(report.made)} distinct calls"
        click.echo(f"{name}, {mode}: {report.points} points, {calls}, {missed} met no file of the lake")
        for text in [f"{len(report.violations)} violations", *report.violations[:10]]:
            click.echo(f"  {text}")
    raise SystemExit(violations > 0)


if __name__ == "__main__":
    main()
