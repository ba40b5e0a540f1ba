"""A command is killed, starved or lied to at every one of its changes to the disk, and the lake looked at after each.

    report = points(run, lake, scratch)     run(root) is any callable that works on the lake under `root`
    assert not report.violations

The calls are caught in `os` itself (and in disk's renameat2), wherever they come from, as long as they concern files
under the root. fsync is counted and made to fail like the others, but not carried out: only a power cut could tell.
"""

from __future__ import annotations

import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from lake import days, log, revisions
from lake.layout import MANIFEST, SUCCESS, Shelf, shelf_at
from lake.manifest import parsed
from meta.datasets import DATASETS, FOLDERS
from meta.errors import PerplakeError
from meta.timeframes import timeframe
from tests import children, lakes
from tests.tap import DEAD, EXCHANGE, KILLS, KINDS, Call, Killed, Point, Tap, applies, tapped

Run = Callable[[Path], object]
Files = dict[str, dict[str, bytes]]


@dataclass
class Report:
    """How many points were tried, which distinct calls they hit, and what went wrong."""

    points: int = 0
    forks: int = 0
    calls: Counter[Call] = field(default_factory=Counter)
    made: set[Call] = field(default_factory=set)
    violations: list[str] = field(default_factory=list)

    def kinds(self) -> Counter[str]:
        """What went wrong how often, by its first words?"""
        return Counter(text.split(": ")[1] for text in self.violations)


def strike(run: Run, root: Path, point: Point | None, mode: str, forked: bool = False) -> tuple[str, list[Call]]:
    """How does the command end when this happens to it: done, killed, refused, or a fault (with what it was)?

    The calls it made are known only where it was not forked. What is forked has to be picklable.
    """
    if forked:
        return _forked(run, root, point, mode), []
    with tapped(Tap(root, point), mode) as tap:
        return _ended(run, root), tap.calls


def _ended(run: Run, root: Path) -> str:
    try:
        status = run(root)
    except Killed:
        return "killed"
    except (PerplakeError, OSError) as error:
        return f"refused: {type(error).__name__}: {error}"
    except Exception:  # noqa: BLE001 — what is no clear line is what the harness is here to find
        return f"fault: {traceback.format_exc()}"
    return "refused" if isinstance(status, int) and not isinstance(status, bool) and status else "done"


def _forked(run: Run, root: Path, point: Point | None, mode: str) -> str:
    try:
        return children.answer(_struck, run, root, point, mode)
    except children.Lost as lost:
        return "killed" if lost.code == DEAD else f"fault: {lost}"


def _struck(run: Run, root: Path, point: Point | None, mode: str) -> str:
    with tapped(Tap(root, point, forked=True), mode):
        return _ended(run, root)


def shelves_and_days(root: Path, files: Files) -> dict[str, tuple[Shelf, date]]:
    """Which shelf and day is each day folder? A one-symbol lake's are read as 1h bars of BTCUSDT."""
    found = {}
    for name in files:
        folder = root / name
        place, day = folder.parents[2], date(*(int(part.split("=")[1]) for part in folder.parts[-3:]))
        if place == root:
            where = shelf_at(place, DATASETS["bars"], timeframe("1h"), "BTCUSDT")
        else:
            kind, tf, symbol = place.parts[-3:]
            where = shelf_at(place, FOLDERS[kind], timeframe(tf), symbol)
        found[name] = where, day
    return found


def seen(root: Path, before: Files, after: Files) -> Iterator[str]:
    """What does a reader find just now that is neither the old day nor the new one, whole?"""
    for name, (shelf, day) in shelves_and_days(root, before | after).items():
        part = shelf.part_name(day)
        wanted = [files[name] for files in (before, after) if name in files]
        may_lack = name not in before or name not in after
        on_disk = _files(root / name)
        extra = sorted(set(on_disk) - {part, MANIFEST, SUCCESS})
        if extra:
            yield f"more than one part: {name} also holds {extra}"
        if (on_disk and part not in on_disk) or (not on_disk and not may_lack):
            yield f"day lost: {name} has no part"
        elif on_disk and on_disk[part] not in [files[part] for files in wanted]:
            yield f"part torn: {name} holds neither the old nor the new part"
        try:
            entry, read = days.entry(shelf, day), days.read(shelf, day)
        except PerplakeError as error:
            yield f"marker lies: {name}: {error}"
            continue
        if read is None or entry is None:
            if not may_lack or read is not entry:
                yield f"day lost: {name} is read as not committed"
        elif not any(_is(read, entry, files, part) for files in wanted):
            yield f"day invented: {name} is read as neither the old nor the new day"
    for name in set(lakes.day_folders(root)) - set(before) - set(after):
        yield f"day invented: {name}"


def _files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()} if folder.is_dir() else {}


def _is(read: days.Day, entry: Any, files: dict[str, bytes], part: str) -> bool:
    known = parsed(files[MANIFEST], part)
    return read.data == files[part] and read.entry in known and entry in known


@dataclass(frozen=True)
class Undisturbed:
    """What the command does when nothing happens to it: its changes, the lake before and after, the log after."""

    calls: list[Call]
    before: Files
    after: Files
    told: list[tuple[str, ...]]
    revised: dict[str, bytes]


def undisturbed(run: Run, lake: Path, scratch: Path, mode: str) -> Undisturbed:
    """Run the command on a copy of the lake, and see that it does what it should."""
    root = lakes.copied(lake, scratch / "undisturbed")
    ended, calls = strike(run, root, None, mode)
    assert ended == "done", ended
    assert not lakes.staged(root), "an undisturbed run leaves staging empty"
    files = lakes.day_folders(lake), lakes.day_folders(root)
    return Undisturbed(calls, *files, lakes.told(root), lakes.revised(root))


def all_points(calls: list[Call], kinds: tuple[str, ...] = KINDS) -> list[Point]:
    """Everything that can happen at these calls."""
    return [Point(i, kind, call) for i, call in enumerate(calls) for kind in kinds if applies(kind, call)]


def some(points: list[Point], most: int | None) -> list[Point]:
    """At most so many of the points (more where there are more distinct calls), spread evenly over calls and kinds."""
    if most is None or len(points) <= most:
        return points
    first: dict[Call, Point] = {}
    turn = 0
    for point in points:  # each distinct call once, its kind by turns
        of_call = [other for other in points if other.call == point.call]
        if point.call not in first:
            first[point.call] = of_call[turn % len(of_call)]
            turn += 3
    rest = [point for point in points if point not in first.values()]
    left = max(0, most - len(first))
    spread = [rest[i * len(rest) // left] for i in range(left)] if left else []
    return sorted([*first.values(), *spread], key=lambda point: (point.number, KINDS.index(point.kind)))


def points(
    run: Run,
    lake: Path,
    scratch: Path,
    *,
    mode: str = EXCHANGE,
    kinds: tuple[str, ...] = KINDS,
    most: int | None = None,
    fork_every: int = 0,
    twice: int = 0,
    part: tuple[int, int] = (0, 1),
) -> Report:
    """Strike the command at its changes to a copy of `lake`, look at the lake after each, run it again, look again.

    most : how many points at most (None: all). fork_every : each n-th kill is of a real process (0: none).
    twice : at each kill, so many more kills, one by one, of the run that follows (-1: at each of its changes).
    part : which of how many parts of the points; so a long test is several.
    """
    plain = undisturbed(run, lake, scratch, mode)
    report = Report(made=set(plain.calls))
    for turn, point in enumerate(some(all_points(plain.calls, kinds), most)[part[0] :: part[1]]):
        forked = bool(fork_every) and point.kind in KILLS and turn % fork_every == 0
        root = lakes.copied(lake, scratch / "struck")
        ended, _ = strike(run, root, point, mode, forked)
        report.points += 1
        report.forks += forked
        report.calls[point.call] += 1
        where = f"{mode}, {point.kind} at {point.number} {point.call.function} {point.call.role}"
        report.violations += [f"{where}: {text}" for text in after_strike(root, plain, ended, point)]
        if twice and point.kind in KILLS:
            _strike_again(run, root, scratch / "again", plain, mode, twice, where, report)
        report.violations += [f"{where}: {text}" for text in converges(run, root, plain, mode)]
    return report


def after_strike(root: Path, plain: Undisturbed, ended: str, point: Point) -> Iterator[str]:
    """What is wrong with how the command ended, and with what it left?"""
    if ended.startswith("fault"):
        yield f"no clear line: {ended}"
    if ended == "done" and lakes.day_folders(root) != plain.after:
        yield "reported done: and is not"
    if point.kind == "short" and ended != "done":
        yield f"short write: not borne: {ended}"
    yield from seen(root, plain.before, plain.after)
    yield from unkept(root)


def unkept(root: Path) -> Iterator[str]:
    """Which publish of bars is told of, though what it replaced is not kept?"""
    for line in log.lines(root):
        if (line.dataset, line.old == log.ABSENT) == ("bars", False):
            shelf = lakes.a_shelf(root, line.tf, line.symbol)
            found = [revisions.read(path) for path in revisions.folder(shelf).glob(f"{line.day.replace('-', '')}-*")]
            if not any(one.tells(line) for one in found):
                yield f"generation lost: {line.day} was {line.old[:12]}, and nothing says so"


def converges(run: Run, root: Path, plain: Undisturbed, mode: str) -> Iterator[str]:
    """What does the next run leave that an undisturbed one would not?"""
    ended, _ = strike(run, root, None, mode)
    if ended != "done":
        yield f"next run fails: {ended}"
    if lakes.day_folders(root) != plain.after:
        yield "next run differs: other bytes than an undisturbed run"
    if lakes.staged(root):
        yield f"staging not empty: {lakes.staged(root)}"
    if lakes.revised(root) != plain.revised:
        yield f"revisions differ: {sorted(set(lakes.revised(root)) ^ set(plain.revised))}"
    told = lakes.told(root)
    if sorted(told) != sorted(plain.told):
        yield f"log differs: {len(told)} lines, undisturbed {len(plain.told)}"
    last = {line[3]: line[5] for line in told}
    if last != {line[3]: line[5] for line in plain.told}:
        yield "log's last word: is not the part"


def _strike_again(
    run: Run, root: Path, again: Path, plain: Undisturbed, mode: str, twice: int, where: str, report: Report
) -> None:
    _, calls = strike(run, lakes.copied(root, again), None, mode)
    kills = all_points(calls, KILLS)
    stride = 1 if twice < 0 else max(1, len(kills) // twice)  # another start at each first kill, so that all are met
    for second in kills[report.points % stride :: stride]:
        copy = lakes.copied(root, again)
        ended, _ = strike(run, copy, second, mode)
        report.points += 1
        both = f"{where}; then {second.kind} at {second.number} {second.call.function} {second.call.role}"
        report.violations += [f"{both}: {text}" for text in after_strike(copy, plain, ended, second)]
        report.violations += [f"{both}: {text}" for text in converges(run, copy, plain, mode)]


def watched(run: Run, lake: Path, scratch: Path, mode: str) -> tuple[int, list[str]]:
    """Look at the lake before and after every change of an undisturbed run: how many looks, and what was wrong?"""
    plain = undisturbed(run, lake, scratch, mode)
    root = lakes.copied(lake, scratch / "watched")
    wrong: list[str] = []
    looks = 0

    def look() -> None:
        nonlocal looks
        looks += 1
        wrong.extend(seen(root, plain.before, plain.after))

    with tapped(Tap(root, watch=look), mode):
        run(root)
    return looks, wrong
