"""Do the tests of commit, recovery and verification see a fault in them? Each mutant is run in a process of its own.

python -m scripts.mutate                     every mutant of every module: hours
python -m scripts.mutate --sample 200        so many of them, chosen by --seed
python -m scripts.mutate --only lake.commit  one module's

The source on disk is never changed: a child of this process imports the mutant in the module's place, and runs the
module's own quick tests until one fails. Mutants that change nothing anybody can see are named, with the reason, in
scripts/equivalent.tsv.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.abc
import importlib.util
import os
import random
import signal
import sys
import time
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

import click

from scripts.mutations import Mutant, mutants

PROJECT = Path(__file__).resolve().parent.parent
EQUIVALENT = PROJECT / "scripts" / "equivalent.tsv"
LONGEST = 300  # seconds; what ends no sooner has been made to run for ever, which a test sees as well
WARM = ("duckdb", "msgspec", "numba", "numpy", "polars", "pyarrow.compute", "pyarrow.parquet", "pytest")
SAME = "does no other thing: "

COMMIT = ("test_lake_commit", "test_lake_days", "test_lake_crash")
TESTS = {
    "lake.commit": COMMIT,
    "lake.recover": COMMIT,
    "lake.days": ("test_lake_days", "test_lake_regular", "test_lake_commit"),
    "lake.disk": ("test_lake_disk", "test_lake_commit", "test_lake_crash"),
    "lake.locks": ("test_lake_locks", "test_lake_folders"),
    "lake.log": ("test_lake_commit", "test_lake_regular", "test_lake_crash"),
    "lake.manifest": ("test_lake_manifest", "test_lake_days"),
    "lake.orphans": ("test_lake_orphans",),
    "lake.repair": ("test_lake_repair",),
    "lake.snapshots": ("test_lake_snapshots",),
    "lake.verify": ("test_lake_verify",),
}


class _Import(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds the mutant where its module is asked for."""

    def __init__(self, mutant: Mutant) -> None:
        self.mutant = mutant

    def find_spec(self, name: str, path: Any = None, target: ModuleType | None = None) -> ModuleSpec | None:
        if name != self.mutant.module:
            return None
        return importlib.util.spec_from_file_location(name, _file(name), loader=self)

    def exec_module(self, module: ModuleType) -> None:
        exec(compile(self.mutant.tree, str(_file(self.mutant.module)), "exec"), module.__dict__)


def _file(module: str) -> Path:
    return PROJECT / f"{module.replace('.', '/')}.py"


def survives(mutant: Mutant | None, tests: Sequence[str]) -> bool:
    """Do all of these tests pass with this mutant in its module's place (None: with nothing changed)?"""
    child = os.fork()
    if child == 0:
        os.setsid()
        signal.alarm(LONGEST)
        silent = os.open(os.devnull, os.O_RDWR)
        for fd in (0, 1, 2):
            os.dup2(silent, fd)
        os._exit(_passed(mutant, tests))
    _, status = os.waitpid(child, 0)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)  # what its tests had started
    return status == 0


def _passed(mutant: Mutant | None, tests: Sequence[str]) -> int:
    import pytest

    if mutant:
        sys.meta_path.insert(0, _Import(mutant))
    files = [f"tests/{name}.py" for name in tests]
    try:
        return int(pytest.main(["-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", *files]))
    except BaseException:  # noqa: BLE001 — a mutant may raise anything anywhere
        return 1


def equivalent() -> dict[str, str]:
    """Which mutants change nothing that anybody can see, and why?"""
    lines = EQUIVALENT.read_text(encoding="utf-8").splitlines()
    return dict(line.split("\t") for line in lines if line and not line.startswith("#"))


@click.command()
@click.option("--only", multiple=True, help="Only this module, as `lake.commit`; may be given again.")
@click.option("--sample", type=int, help="Only so many mutants.")
@click.option("--seed", type=int, default=1, help="Another seed, another sample.")
def main(only: tuple[str, ...], sample: int | None, seed: int) -> None:
    """Count the mutants the tests kill, and name those that survive."""
    os.chdir(PROJECT)
    for name in WARM:
        importlib.import_module(name)
    chosen = [name for name in TESTS if not only or name in only]
    every = [mutant for name in chosen for mutant in mutants(name, _file(name).read_text(encoding="utf-8"))]
    known = equivalent()
    tried = [mutant for mutant in every if mutant.name not in known]
    if sample:
        tried = sorted(random.Random(seed).sample(tried, min(sample, len(tried))), key=every.index)
    for name in chosen:
        if not survives(None, TESTS[name]):
            raise click.ClickException(f"the tests of {name} fail with nothing changed; mend them first")
    raise SystemExit(_told(tried, len(every), len(every) - len(tried) if not sample else None))


def _told(tried: Sequence[Mutant], total: int, left_out: int | None) -> int:
    started, alive = time.monotonic(), 0
    for mutant in tried:
        if survives(mutant, TESTS[mutant.module]):
            alive += 1
            click.echo(f"survives: {mutant.name} (line {mutant.line})")
    score = 100 * (len(tried) - alive) / max(len(tried), 1)
    taken = time.monotonic() - started
    click.echo(f"{len(tried) - alive} of {len(tried)} killed, {score:.1f} %; {total} in all, {taken:.0f} s")
    return int(score < 90)


if __name__ == "__main__":
    main()
