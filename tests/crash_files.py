"""Files that are replaced whole, beside the days: struck at every change, each is the old one or the new one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests import crash, lakes
from tests.crash import Report, Run
from tests.tap import EXCHANGE

Held = dict[str, bytes]


def shown(root: Path) -> Held:
    """Every file people or other commands read: staging, locks and temporary names are the writers' own."""
    files = [path for path in root.rglob("*") if path.is_file()]
    named = {path.relative_to(root).as_posix(): path for path in files}
    return {name: path.read_bytes() for name, path in sorted(named.items()) if not _is_own(name)}


def _is_own(name: str) -> bool:
    parts = name.split("/")
    return any(part.startswith(".") and part != ".lake" for part in parts) or parts[:2] in (
        [".lake", "staging"],
        [".lake", "locks"],
    )


def points(
    run: Run, lake: Path, scratch: Path, *, judged: Callable[[str], bool], mode: str = EXCHANGE, most: int | None = None
) -> Report:
    """Strike the command at its changes to a copy of `lake`; the files that are `judged` are looked at after each."""

    def looked(root: Path) -> Held:
        return {name: data for name, data in shown(root).items() if judged(name)}

    plain = lakes.copied(lake, scratch / "undisturbed")
    ended, calls = crash.strike(run, plain, None, mode)
    assert ended == "done", ended
    before, after = looked(lake), looked(plain)
    assert before != after and set(before) <= set(after), "the command has something to write"
    report = Report(made=set(calls))
    for point in crash.some(crash.all_points(calls), most):
        root = lakes.copied(lake, scratch / "struck")
        ended, _ = crash.strike(run, root, point, mode)
        report.points += 1
        where = f"{mode}, {point.kind} at {point.number} {point.call.function} {point.call.role}"
        if ended.startswith("fault"):
            report.violations.append(f"{where}: no clear line: {ended}")
        found = looked(root)
        torn = [name for name, data in found.items() if data not in (before.get(name), after.get(name))]
        report.violations += [f"{where}: torn: {name}" for name in torn]
        report.violations += [f"{where}: lost: {name}" for name in sorted(before.keys() - found.keys())]
        if ended == "done" and found != after:
            report.violations.append(f"{where}: reported done: and is not")
        ended, _ = crash.strike(run, root, None, mode)
        if ended != "done" or looked(root) != after:
            report.violations.append(f"{where}: next run differs: {ended}")
        if lakes.staged(root):
            report.violations.append(f"{where}: staging not empty: {lakes.staged(root)}")
    return report
