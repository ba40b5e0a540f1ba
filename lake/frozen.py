"""The lake as it was known at an instant, or as each bar was first seen: a root of its own, made when it is asked for.

    .lake/as-of/20250501T120000.000000Z/    or first-seen; every read can be pointed at it, and it may be removed

A day of bars that is today what it was is a link. One that was rewritten since is made again by undoing what each
rewrite changed, and is believed only where its sha256 is the one the log told then. P2's and P3's days are not kept:
their builds make them again in this root, of the bars as they were.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path

from lake import asof, days, disk, generations, layout, locks, log, notes, regular, revisions, roots, settings
from lake.asof import FIRST
from lake.layout import MANIFEST, SUCCESS, Shelf
from lake.manifest import Entry, digest, written
from lake.settings import shown
from meta.datasets import DATASETS
from meta.errors import NotReady, Usage
from meta.timeframes import TIMEFRAMES

BARS, FEATURES = DATASETS["bars"], DATASETS["features"]
Told = dict[date, list[log.Line]]


@dataclass
class Frozen:
    """A root that was asked for, and what it took: days linked, made again, and left out with the reason."""

    root: Path
    when: str
    linked: int = 0
    made: int = 0
    left_out: dict[str, str] = field(default_factory=dict)
    removed: Sequence[str] = ()

    def lines(self) -> Iterator[str]:
        """How is it told to people?"""
        if self.linked or self.made:
            yield f"as of {self.when}: {self.linked:,} days are links, {self.made:,} are made again"
        for why in list(self.left_out.values())[:1]:
            yield f"{len(self.left_out):,} days are left out; the first: {why}"
        if self.removed:
            yield f"{' '.join(self.removed)}, longest unused of the lakes of then, made room (conf/lake.yaml: as_of)"


def instant(text: str, now: datetime) -> str:
    """Which instant is meant, as the log writes it, or first-seen? Raises Usage."""
    if text == FIRST:
        return FIRST
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise Usage(f"--as-of {text!r} is no instant; write 2025-06-01T12:05 (UTC), or {FIRST}") from None
    moment = moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    if moment > now:
        raise Usage(f"--as-of {text} lies ahead; nobody knows the lake of then")
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def frozen(
    root: Path,
    text: str,
    tfs: Collection[str] | None = None,
    symbols: Collection[str] | None = None,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
    most: int | None = None,
) -> Frozen:
    """The lake as of an instant, or first-seen: made or brought up to date where it has to be.

    tfs, symbols : what is needed of it; None is all. most : how many such lakes are kept, else conf's. `known` keeps
    it while it is read. Raises Usage, NotReady for a day that cannot be told, Tampered, Busy where another process is
    making it.
    """
    when = instant(text, now())
    found, told = Frozen(asof.place_of(root, when), when), _told(root)
    with asof.used(found.root):
        for tf, symbol in sorted({*told, *((shelf.tf.name, shelf.symbol) for shelf in roots.shelves(root, BARS))}):
            if (tfs is None or tf in tfs) and (symbols is None or symbol in symbols):
                _freeze(layout.shelf(root, BARS, TIMEFRAMES[tf], symbol), told.get((tf, symbol), {}), found)
        if not (found.root / BARS.folder).is_dir():
            raise NotReady(f"lake {shown(root)} had no day of bars as of {when}; ask for a later time")
        if found.linked or found.made:
            found.removed = asof.prune(root, most or settings.lake_conf().as_of)
    return found


@contextmanager
def known(
    root: Path,
    text: str,
    tfs: Collection[str] | None = None,
    symbols: Collection[str] | None = None,
) -> Iterator[Frozen]:
    """The same, which stays while it is in use."""
    with asof.used(asof.place_of(root, instant(text, datetime.now(UTC)))):
        yield frozen(root, text, tfs, symbols)


def _told(root: Path) -> Mapping[tuple[str, str], Told]:
    """What does the log tell of each shelf of bars?"""
    found: dict[tuple[str, str], Told] = {}
    for line in log.lines(root):
        if line.dataset == BARS.name and line.tf in TIMEFRAMES and layout.checked_or_none(line.symbol) == line.symbol:
            found.setdefault((line.tf, line.symbol), {}).setdefault(date.fromisoformat(line.day), []).append(line)
    return found


def _freeze(shelf: Shelf, told: Told, found: Frozen) -> None:
    """Have this shelf stand in the frozen root, whole, in one step."""
    place = layout.shelf(found.root, BARS, shelf.tf, shelf.symbol)
    mark, key = found.root / ".lake" / "frozen" / locks.job_name(shelf), _key(shelf, told, found.when)
    if place.folder.is_dir() and mark.is_file() and regular.read(mark) == key:
        return
    staged = found.root / ".lake" / "making" / locks.job_name(shelf)
    disk.make_folders(staged.parent)
    with locks.filling(staged):
        for left in staged.iterdir():
            disk.remove_tree(left)
        lines = _filled(shelf, Shelf(found.root, staged / "new", BARS, shelf.tf, shelf.symbol), told, found)
        if not lines:
            return
        _put(staged / "new", place)
        log.append(found.root, lines)
        _noted(shelf, place)
        disk.make_folders(mark.parent)
        disk.write_over(mark, key)


def _key(shelf: Shelf, told: Told, when: str) -> bytes:
    """What has to be the same for a shelf that was made to be made so again?"""
    lines = [tuple(line) for of_day in told.values() for line in of_day if when in (FIRST, max(when, line.time))]
    live = [(path.name, path.stat().st_mtime_ns) for path in sorted(revisions.folder(shelf).glob("live-*.parquet"))]
    return digest(repr((lines, live if when == FIRST else ())).encode()).encode()


def _filled(shelf: Shelf, fresh: Shelf, told: Told, found: Frozen) -> list[log.Line]:
    """Put every day where it belongs; returns what the log tells of them."""
    lines: list[log.Line] = []
    made: list[Path] = []
    with locks.snapshot(shelf.root):
        for day in sorted({*told, *shelf.days_on_disk()}):
            of_day = told.get(day, [])
            known = [line for line in of_day if line.time <= found.when != FIRST]
            entry = _day(shelf, fresh, day, of_day, len(known), found, made)
            if entry is not None:
                known = [log.line(shelf, day, log.ABSENT, "")] if found.when == FIRST else known
                lines += [*known[:-1], known[-1]._replace(new=entry.sha256)]
    if lines:
        disk.sync_loose(made, fresh.folder)
    return lines


def _day(
    shelf: Shelf, fresh: Shelf, day: date, told: Sequence[log.Line], kept: int, found: Frozen, made: list[Path]
) -> Entry | None:
    """Put one day, as it was after the first `kept` lines, in its place. None where it was not there."""
    first = found.when == FIRST
    today = days.entry(shelf, day)
    if not told and today:
        fact = f"{shelf} {day}: the log does not tell when it came; was it copied here?"
        if not first:
            raise NotReady(f"{fact} Move it out of the lake, or ask without --as-of")
        found.left_out[f"{shelf} {day}"] = fact
        return None
    if today is None if first else not kept or told[kept - 1].new == log.ABSENT:
        return None
    if not first and kept == len(told) and today and today.sha256 == told[-1].new:
        return _linked(shelf, fresh, day, today, found)
    try:
        back = generations.way(shelf, day, today, told, kept)
    except NotReady as error:
        if not first:
            raise
        found.left_out[f"{shelf} {day}"] = str(error)
        return None
    if first and back == [None] and not revisions.live(shelf, day).num_rows:
        return _linked(shelf, fresh, day, today, found)  # type: ignore[arg-type]
    read = days.read(shelf, day)
    remade = generations.first_seen(shelf, read, back) if first and read else generations.part(shelf, read, back)
    if remade is None:
        return None
    folder = fresh.day_folder(day)
    disk.make_loose(folder)
    for name, data in ((fresh.part_name(day), remade[0]), (MANIFEST, written([remade[1]])), (SUCCESS, b"")):
        disk.create(folder / name, data)
        made.append(folder / name)
    found.made += 1
    return remade[1]


def _linked(shelf: Shelf, fresh: Shelf, day: date, today: Entry, found: Frozen) -> Entry:
    here, there = shelf.day_folder(day), fresh.day_folder(day)
    disk.make_loose(there)
    for name in (today.file, MANIFEST, SUCCESS):
        disk.link(here / name, there / name)
    found.linked += 1
    return today


def _put(fresh: Path, place: Shelf) -> None:
    disk.make_folders(place.folder.parent)
    with locks.publishing(place.root):
        if not place.folder.exists():
            disk.place(fresh, place.folder)
            return
        disk.place(place.folder, fresh.with_name("old"))  # struck here, it is absent, and is made anew
        disk.place(fresh, place.folder)
    disk.remove_tree(fresh.with_name("old"))


def _noted(shelf: Shelf, place: Shelf) -> None:
    """What the source offers, and which features the symbol has, are as they were decided, then as now."""
    for kind, name in ((BARS, notes.OFFERED), (FEATURES, notes.FEATURES)):
        said = notes.read(shelf.sibling(kind), name)
        if said is not None and notes.read(place.sibling(kind), name) is None:
            notes.write(place.sibling(kind), name, said)
