"""Do the tests of commit, recovery and verification see a fault in them? Each mutant is run in a process of its own.

python -m scripts.mutate                     every mutant of every module: hours
python -m scripts.mutate --sample 200        so many of them, chosen by --seed
python -m scripts.mutate --only lake.commit  one module's
python -m scripts.mutate --only lake.disk --named "link: " --named syncfs      those of one module with such names

A copy of the project holds the mutant in the module's place, so that every process of a test meets it, and the module's
own quick tests run there until one fails, those that saw an earlier mutant soonest going first. Mutants that change
nothing anybody can see are named, with the reason, in scripts/equivalent.tsv.
"""

from __future__ import annotations

import ast
import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from scripts.mutations import Mutant, mutants

PROJECT = Path(__file__).resolve().parent.parent
EQUIVALENT = PROJECT / "scripts" / "equivalent.tsv"
PATIENCE = 5  # times the tests' own time, and LEAST seconds: what ends no sooner has been made to run for ever
LEAST = 30
LEFT_OUT = {".git", ".venv", "data", "data-sim", "exports", "secrets"}

COMMIT = ("test_lake_commit", "test_lake_staging", "test_lake_days", "test_lake_crash")
TESTS = {
    "lake.commit": COMMIT,
    "lake.drafts": (*COMMIT, "test_lake_revised"),
    "lake.publishing": COMMIT,
    "lake.staging": COMMIT,
    "lake.recover": COMMIT,
    "lake.days": ("test_lake_days", "test_lake_regular", "test_lake_commit"),
    "lake.disk": ("test_lake_disk", "test_lake_commit", "test_lake_crash"),
    "lake.locks": ("test_lake_locks", "test_lake_folders"),
    "lake.log": ("test_lake_commit", "test_lake_regular", "test_lake_crash"),
    "lake.manifest": ("test_lake_manifest", "test_lake_days"),
    "lake.orphans": ("test_lake_orphans",),
    "lake.repair": ("test_lake_repair",),
    "lake.snapshots": ("test_lake_snapshots",),
    "lake.strangers": ("test_lake_verify",),
    "lake.verify": ("test_lake_verify",),
}


def _file(module: str) -> Path:
    return Path(f"{module.replace('.', '/')}.py")


@contextlib.contextmanager
def _copied() -> Iterator[Path]:
    """A copy of the project to change, gone afterwards."""
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch) / PROJECT.name
        yield shutil.copytree(PROJECT, copy, ignore=lambda at, names: LEFT_OUT & {*names} if at == str(PROJECT) else ())


@contextlib.contextmanager
def _changed(copy: Path, mutant: Mutant) -> Iterator[None]:
    """The mutant in its module's place."""
    file = copy / _file(mutant.module)
    source = file.read_text(encoding="utf-8")
    _put(file, ast.unparse(mutant.tree))
    try:
        yield
    finally:
        _put(file, source)


def _put(file: Path, source: str) -> None:
    """Write a module; what was compiled of it goes, since the next one's time and size may be the same."""
    for compiled in file.parent.glob(f"__pycache__/{file.stem}.*.pyc"):
        compiled.unlink()
    file.write_text(source, encoding="utf-8")


def passes(copy: Path, tests: Sequence[str], longest: float) -> bool:
    """Do all of these tests of the copy pass, within this many seconds?"""
    files = [f"tests/{name}.py" for name in tests]
    words = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", *files]
    words += ["-p", "scripts.soonest", f"--soonest={copy.with_name('soonest.json')}"]
    none = subprocess.DEVNULL
    with subprocess.Popen(words, cwd=copy, stdin=none, stdout=none, stderr=none, start_new_session=True) as running:
        try:
            return running.wait(longest) == 0
        except subprocess.TimeoutExpired:
            return False
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(running.pid, signal.SIGKILL)  # and what its tests had started


def equivalent() -> dict[str, str]:
    """Which mutants change nothing that anybody can see, and why?"""
    lines = EQUIVALENT.read_text(encoding="utf-8").splitlines()
    return dict(line.split("\t") for line in lines if line and not line.startswith("#"))


@click.command()
@click.option("--only", multiple=True, help="Only this module, as `lake.commit`; may be given again.")
@click.option("--named", multiple=True, help="Only mutants with these words in their name; may be given again.")
@click.option("--sample", type=int, help="Only so many mutants.")
@click.option("--seed", type=int, default=1, help="Another seed, another sample.")
def main(only: tuple[str, ...], named: tuple[str, ...], sample: int | None, seed: int) -> None:
    """Count the mutants the tests kill, and name those that survive."""
    chosen = [name for name in TESTS if not only or name in only]
    every = [mutant for name in chosen for mutant in mutants(name, (PROJECT / _file(name)).read_text(encoding="utf-8"))]
    known = equivalent()
    tried = [mutant for mutant in every if mutant.name not in known]
    tried = [mutant for mutant in tried if not named or any(words in mutant.name for words in named)]
    if sample:
        tried = sorted(random.Random(seed).sample(tried, min(sample, len(tried))), key=every.index)
    with _copied() as copy:
        longest = {name: PATIENCE * _unchanged(copy, name) + LEAST for name in chosen}
        raise SystemExit(_told(copy, tried, longest, len(every)))


def _unchanged(copy: Path, module: str) -> float:
    """How many seconds do a module's tests take?"""
    started = time.monotonic()
    if not passes(copy, TESTS[module], 600):
        raise click.ClickException(f"the tests of {module} fail with nothing changed; mend them first")
    return time.monotonic() - started


def _told(copy: Path, tried: Sequence[Mutant], longest: dict[str, float], total: int) -> int:
    started, alive = time.monotonic(), 0
    for mutant in tried:
        with _changed(copy, mutant):
            survives = passes(copy, TESTS[mutant.module], longest[mutant.module])
        if survives:
            alive += 1
            click.echo(f"survives: {mutant.name} (line {mutant.line})")
    score = 100 * (len(tried) - alive) / max(len(tried), 1)
    taken = time.monotonic() - started
    click.echo(f"{len(tried) - alive} of {len(tried)} killed, {score:.1f} %; {total} in all, {taken:.0f} s")
    return int(score < 90)


if __name__ == "__main__":
    main()
