"""Real commands are interrupted at random instants; each ends at once in one line, and the next run finishes its work.

python -m tests.interrupted --count 20 --seed 1     so many a command, Ctrl-C and SIGTERM by turns
"""

from __future__ import annotations

import contextlib
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import click

from lake.settings import PROJECT
from tests import cast, crash, crash_files, lakes, universe_round
from tests.mains import command
from tests.phases import PHASES, a_lake, after, at_a_stand_in, bars
from tests.tap import EXCHANGE

LONGEST = 60  # seconds until a command has begun, and until one that was interrupted has ended
BESIDE = ("u.json", ".csv")
CODES = {signal.SIGINT: 130, signal.SIGTERM: 143}
EXPORT = "reports export candles --coin BTC --intervals 1d --format both --output {root}/exports --lake {root}"
DEFINE = (
    f"p1_ingest universe define --symbols S00USDT,S01USDT,LATEUSDT --start {cast.on(0)} --end {cast.on(2)} "
    "--interval 1h --output {root}/u.json --force --lake {root}"
)
DOWNLOAD = "p1_ingest universe download --universe-file {root}/u.json --interval 1h --lake {root}"

MADE: dict[str, tuple[Callable[[Path], Path], str]] = {
    **{name: (work.make, work.quick) for name, work in PHASES.items()},
    "export": (bars, EXPORT),
    "universe define": (lambda root: root, DEFINE),
    "universe download": (lambda root: after(root, DEFINE), DOWNLOAD),
}


@dataclass
class Report:
    """How the commands ended, and what was wrong."""

    ends: Counter[str] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)


@contextlib.contextmanager
def venues(scratch: Path) -> Iterator[None]:
    """Every host the commands speak to, on loopback."""
    with at_a_stand_in(), universe_round.archive(scratch / "archive", length=3, steady=2):
        yield


def interrupted(line: str, root: Path, by: signal.Signals, at: float) -> tuple[float, int | None, str]:
    """Run a command, interrupt it `at` seconds after its first words: how long it went on, its code, what it told."""
    program, *words = line.format(root=root).split()
    with tempfile.TemporaryFile("w+", encoding="utf-8") as told:
        running = subprocess.Popen(
            [sys.executable, "-m", program, *words], cwd=PROJECT, stdin=subprocess.DEVNULL, stdout=told, stderr=told
        )
        try:
            until = time.monotonic() + LONGEST
            while os.fstat(told.fileno()).st_size == 0 and time.monotonic() < until and _lasts(running, 0.005):
                pass
            began = time.monotonic()
            if _lasts(running, at):
                running.send_signal(by)
            _lasts(running, LONGEST)
        finally:
            running.kill()
        told.seek(0)
        return time.monotonic() - began, running.poll(), told.read()


def _lasts(running: subprocess.Popen[bytes], seconds: float) -> bool:
    try:
        running.wait(seconds)
    except subprocess.TimeoutExpired:
        return True
    return False


def wrong_end(code: int | None, told: str, by: signal.Signals) -> str | None:
    """What is wrong with how it ended, if anything? It may have been done already."""
    lines = [line for line in told.splitlines() if line.startswith("error:")]
    if code is None:
        return f"did not end within {LONGEST} s: {told[-500:]}"
    fair = {0: 0, CODES[by]: 1, -by: 0}  # code -> lines; by the signal itself once Python has let go of its handlers
    if "Traceback" in told or "Exception ignored" in told or fair.get(code) != len(lines):
        return f"exit {code}: {told[-2_000:]}"
    return None


def points(name: str, count: int, seed: int, scratch: Path, lasts: float | None = None) -> Report:
    """Interrupt this command at so many instants, the lake looked at after each, and the command run again.

    lasts : for how many seconds it goes on after its first words; None finds out.
    """
    make, line = MADE[name]
    rng, report, run = random.Random(seed), Report(), command(line)
    lake = a_lake(scratch, make)
    plain = crash.undisturbed(run, lake, scratch, EXCHANGE)
    files = _beside(scratch / "undisturbed")
    if lasts is None:
        lasts, code, told = interrupted(line, lakes.copied(lake, scratch / "struck"), signal.SIGINT, LONGEST)
        assert code == 0, told
    for turn in range(count):
        root, by = lakes.copied(lake, scratch / "struck"), list(CODES)[(turn + seed) % 2]
        at = rng.uniform(0, lasts)
        _, code, told = interrupted(line, root, by, at)
        report.ends[str(code)] += 1
        where = f"{name}, {by.name} after {at:.3f} s"
        if wrong := wrong_end(code, told, by):
            report.violations.append(f"{where}: no clear end: {wrong}")
        found = _beside(root)
        report.violations += [f"{where}: torn: {path}" for path in found if found[path] != files.get(path)]
        report.violations += [f"{where}: {text}" for text in crash.seen(root, plain.before, plain.after)]
        report.violations += [f"{where}: {text}" for text in crash.converges(run, root, plain, EXCHANGE)]
        if _beside(root) != files:
            report.violations.append(f"{where}: next run differs: in exports or the universe")
    return report


def _beside(root: Path) -> dict[str, bytes]:
    """Tables that were exported, and the universe, by names without the hour that stands in them."""
    every = crash_files.shown(root)
    return {re.sub(r"[0-9]{8}_[0-9]{6}", "#", name): data for name, data in every.items() if name.endswith(BESIDE)}


@click.command()
@click.option("--count", type=int, default=20, show_default=True, help="Interruptions of each command.")
@click.option("--seed", type=int, default=1, show_default=True, help="Another seed, other instants.")
@click.option("--only", multiple=True, help="Only this command, as `P2 rewrite`; may be given again.")
def main(count: int, seed: int, only: tuple[str, ...]) -> None:
    """Interrupt commands at random instants, and tell how they ended and what was wrong afterwards."""
    violations = 0
    signal.signal(
        signal.SIGINT, signal.default_int_handler
    )  # in the background of a script it is ignored, and inherited
    for name in only or MADE:
        with lakes.scratch() as scratch, venues(scratch):
            report = points(name, count, seed, scratch)
        violations += len(report.violations)
        ends = ", ".join(f"{n} with {code}" for code, n in sorted(report.ends.items()))
        click.echo(f"{name}: {count} interruptions, {ends}; {len(report.violations)} violations")
        for text in report.violations[:10]:
            click.echo(f"  {text}")
    raise SystemExit(violations > 0)


if __name__ == "__main__":
    main()
