"""A shelf is one dataset of one symbol at one timeframe: a folder a day, and nothing else."""

from __future__ import annotations

import errno
import functools
import glob as globbing
import itertools
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from meta.datasets import FOLDERS, Dataset
from meta.errors import Refused, Usage
from meta.symbols import symbol as checked_symbol
from meta.timeframes import TIMEFRAMES, Timeframe

MANIFEST, SUCCESS = "MANIFEST.tsv", "_SUCCESS"
DAY_FOLDER = re.compile(r"y=([0-9]{4})/m=([0-9]{2})/d=([0-9]{2})")
PATTERN = "*?["


@dataclass(frozen=True)
class Shelf:
    """Where one dataset of one symbol at one timeframe lies.

    `root` holds `.lake`; `folder` holds the y=/m=/d= folders (the same place for a free one-symbol lake).
    """

    root: Path
    folder: Path
    dataset: Dataset
    tf: Timeframe
    symbol: str

    def day_folder(self, day: date) -> Path:
        """Which folder is this day's?"""
        return Path(self.day_path(day))

    def day_path(self, day: date) -> str:
        """The same as plain text: a Path takes as long to make as a small file to open."""
        year, month, number = day.isoformat().split("-")
        return f"{self.folder}/y={year}/m={month}/d={number}"

    @staticmethod
    def part_name(day: date) -> str:
        """What is this day's Parquet file called?"""
        return f"part-{day.isoformat().replace('-', '')}.parquet"

    def days_on_disk(self) -> list[date]:
        """Which days have a folder here, committed or not? Ascending."""
        days = (day_of(name) for name in day_folders(str(self.folder)))
        return sorted(day for day in days if day)

    def sibling(self, dataset: Dataset) -> Shelf:
        """Where is another dataset of the same symbol and timeframe under the same root?"""
        return shelf(self.root, dataset, self.tf, self.symbol)

    def __str__(self) -> str:
        return f"{self.dataset.phase} {self.tf} {self.symbol}"


def day_folders(folder: str, levels: Sequence[str] = ("y=", "m=", "d="), below: str = "") -> Iterator[str]:
    """What below a shelf's folder is named as a day's folder is? y=…/m=…/d=…, in order; links are followed."""
    try:
        names = sorted(entry.name for entry in os.scandir(f"{folder}/{below}") if entry.name.startswith(levels[0]))
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
            return
        raise
    for name in names:
        if levels[1:]:
            yield from day_folders(folder, levels[1:], f"{below}{name}/")
        else:
            yield below + name


@functools.lru_cache(1 << 14)  # forty years: symbols have the same days
def day_of(name: str) -> date | None:
    """Which day's folder is y=…/m=…/d=…? None where there is no such day."""
    match = DAY_FOLDER.fullmatch(name)
    try:
        return date(*map(int, match.groups())) if match else None
    except ValueError:
        return None


def shelf(root: Path, dataset: Dataset, tf: Timeframe, symbol: str) -> Shelf:
    """Where does the lake under `root` keep this dataset?"""
    return Shelf(root, root / dataset.folder / tf.name / checked_symbol(symbol), dataset, tf, checked_symbol(symbol))


def shelf_at(folder: Path, dataset: Dataset, tf: Timeframe, symbol: str) -> Shelf:
    """Which shelf does `--out FOLDER` mean?

    A folder ending in {dataset}/{tf}/{SYMBOL} names the root above it; any other is a one-symbol lake of its own.
    Raises Usage where the ending names another dataset, timeframe or symbol than the one asked for, or where the folder
    is the root of a whole lake.
    """
    place, symbol = unpatterned(_placed(folder)), checked_symbol(symbol)
    named = _named(place)
    if named is None:
        if any((place / kind).is_dir() for kind in FOLDERS):
            raise Usage(
                f"{folder} is the root of a lake; give --lake {folder}, or its folder {dataset.folder}/{tf}/{symbol}"
            )
        return Shelf(place, place, dataset, tf, symbol)
    if (named.dataset, named.tf, named.symbol) != (dataset, tf, symbol):
        raise Usage(f"{folder} is the folder of {named}, not of {dataset.phase} {tf} {symbol}; name the matching one")
    return named


def unpatterned(where: Path) -> Path:
    """The path itself. Raises Usage where SQL, which has to name it, would read a pattern."""
    if set(str(where)) & set(PATTERN):
        raise Usage(f"lake {where} has *, ? or [ in its path, a pattern to SQL; give it a plainer path")
    return where


def _placed(path: Path | str) -> Path:
    """The absolute path, without `..`: what a folder is called decides which lock guards it."""
    place = Path(path).absolute()
    return place.resolve() if ".." in place.parts else place


def _named(place: Path) -> Shelf | None:
    """Which shelf of an official lake is this folder, if any?"""
    if len(place.parts) < 4:
        return None
    kind, tf, name = place.parts[-3:]
    if kind not in FOLDERS or tf not in TIMEFRAMES or checked_or_none(name) != name:
        return None
    return Shelf(Path(*place.parts[:-3]), place, FOLDERS[kind], TIMEFRAMES[tf], name)


def checked_or_none(name: str) -> str | None:
    """Is this a symbol? Returns it upper-cased, or None."""
    try:
        return checked_symbol(name)
    except Usage:
        return None


@dataclass(frozen=True)
class Selection:
    """The days a glob selects, on the shelf they lie on."""

    shelf: Shelf
    days: tuple[date, ...]


def selected(glob: str, dataset: Dataset, tf: Timeframe | None = None, symbol: str | None = None) -> list[Selection]:
    """Which shelves and days does a glob over part files select? One selection a shelf, days ascending.

    tf and symbol name a free one-symbol lake, whose folder does not say them.
    Raises Usage where nothing matches, Refused where a match is no committed day's part.
    """
    found: dict[Shelf, set[date]] = {}
    for name in sorted(globbing.glob(glob, recursive=True)):  # noqa: PTH207 — skips dot folders
        path = _placed(name)
        if path.suffix != ".parquet":
            continue
        place, day = _day_of_part(path)
        named = _named(place) or _free(place, dataset, tf, symbol)
        if named.dataset is not dataset:
            raise Usage(f"{name} belongs to {named}; give a glob over {dataset.folder}/ files")
        found.setdefault(named, set()).add(day)
    if not found:
        raise Usage(f"no file matches {glob!r}; check the path, or leave --glob out to use the lake's own")
    return [Selection(place, tuple(sorted(days))) for place, days in found.items()]


def root_of(glob: str) -> Path | None:
    """Which official lake does a glob over part files lie in, by its words alone? None where they do not say."""
    fixed = Path(*itertools.takewhile(lambda part: not set(part) & set(PATTERN), Path(glob).absolute().parts))
    named = _named(fixed) or next((found for above in fixed.parents if (found := _named(above))), None)
    return named.root if named else None


def _free(place: Path, dataset: Dataset, tf: Timeframe | None, symbol: str | None) -> Shelf:
    if tf is None or symbol is None:
        raise Usage(f"{place} does not say which symbol and timeframe it holds; give --symbol and --tf")
    return Shelf(place, place, dataset, tf, checked_symbol(symbol))


def _day_of_part(path: Path) -> tuple[Path, date]:
    day = day_of("/".join(path.parts[-4:-1]))
    if day is None or path.name != Shelf.part_name(day):
        raise Refused(f"{path} is not a part of a y=/m=/d= day folder; give a glob over part files")
    for needed in (MANIFEST, SUCCESS):
        if not (path.parent / needed).is_file():
            raise Refused(f"{path} has no {needed} beside it, so its day is not committed; run its phase again")
    return path.parents[3], day
