"""Small lakes for tests: a shelf, a day's table, days committed, and everything a lake holds as plain bytes."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa

from lake import commit, days, disk, locks, log, parts
from lake.layout import MANIFEST, SUCCESS, Shelf
from lake.layout import shelf as shelf_of
from lake.manifest import Entry, Provenance, digest, written
from meta.columns import BARS, Column
from meta.datasets import DATASETS
from meta.timeframes import Timeframe, day_start, timeframe

DAY = date(2025, 5, 1)
SOURCE = Provenance("sim:bars", digest(b""), digest(b"code"))
NARROW = tuple(column for column in BARS if column.name in ("symbol", "ts", "close", "oi_now"))


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder in memory where there is such a place (thousands of small lakes wear no disk), gone afterwards."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None) as name:
        yield Path(name).resolve()


def a_shelf(root: Path, tf: str = "1h", symbol: str = "BTCUSDT", dataset: str = "bars") -> Shelf:
    """A shelf of the lake under `root`."""
    return shelf_of(root, DATASETS[dataset], timeframe(tf), symbol)


def a_day(
    day: date = DAY,
    tf: str | Timeframe = "1h",
    symbol: str = "BTCUSDT",
    seed: int = 0,
    rows: int | None = None,
    columns: Iterable[Column] = NARROW,
) -> pa.Table:
    """A day's table of noise: its first `rows` bars (None: all), every column present, the same for the same seed."""
    step = timeframe(str(tf))
    n = step.per_day if rows is None else rows
    random = np.random.default_rng([seed, day.toordinal()])
    ts = day_start(day) + step.ms * np.arange(1, n + 1, dtype=np.int64)

    def values(column: Column) -> pa.Array:
        kind = parts.TYPES[column.type]
        if column.name == "symbol":
            return pa.array([symbol] * n, kind)
        if pa.types.is_timestamp(kind):
            return pa.array(ts, pa.int64()).cast(kind)
        if pa.types.is_floating(kind):
            return pa.array(random.integers(1 << 20, 1 << 21, n) / 64, kind)  # exact on every machine
        return pa.array(random.integers(0, 100, n)).cast(kind)

    named = list(columns)
    return pa.table([values(column) for column in named], schema=parts.schema_of(named))


def the_days(n: int, first: date = DAY) -> list[date]:
    """`n` days in a row."""
    return [first + timedelta(days=i) for i in range(n)]


def committed(shelf: Shelf, wanted: Iterable[date] = (DAY,), seed: int = 0, **table: object) -> Shelf:
    """The same shelf, with these days committed in one batch."""
    with commit.writing(shelf) as writer:
        for day in wanted:
            writer.stage(day, a_day(day, shelf.tf, shelf.symbol, seed, **table), SOURCE)  # type: ignore[arg-type]
        writer.publish()
    return shelf


def planted(shelf: Shelf, wanted: Iterable[date], seed: int = 0, **table: object) -> Shelf:
    """The same shelf with days as a commit leaves them, written plainly: for lakes of hundreds of days."""
    lines = []
    for day in wanted:
        folder = shelf.day_folder(day)
        data = parts.encoded(made := a_day(day, shelf.tf, shelf.symbol, seed, **table))  # type: ignore[arg-type]
        new = parts.entry_of(made, data, shelf.part_name(day), SOURCE)
        folder.mkdir(parents=True)
        (folder / new.file).write_bytes(data)
        (folder / MANIFEST).write_bytes(written([new]))
        (folder / SUCCESS).touch()
        lines.append(log.line(shelf, day, log.ABSENT, new.sha256))
    disk.make_folders(shelf.root / ".lake" / "staging")
    with locks.publishing(shelf.root):
        log.append(shelf.root, lines)
    return shelf


def entry(shelf: Shelf, day: date = DAY) -> Entry:
    """The manifest entry of a day that is committed."""
    found = days.entry(shelf, day)
    assert found is not None, f"{shelf} {day} is not committed"
    return found


def day_folders(root: Path) -> dict[str, dict[str, bytes]]:
    """Every day folder of every shelf that holds anything: its path under the root -> name -> bytes."""
    found = {}
    for folder in sorted([*root.glob("y=*/m=*/d=*"), *root.glob("*/*/*/y=*/m=*/d=*")]):
        files = {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file()}
        if files:
            found[folder.relative_to(root).as_posix()] = files
    return found


def told(root: Path) -> list[tuple[str, ...]]:
    """What the log tells, without the times."""
    return [(t.dataset, t.tf, t.symbol, t.day, t.old, t.new) for t in log.lines(root)]


def revised(root: Path) -> dict[str, bytes]:
    """Every file under revisions/: its path under the root -> bytes."""
    found = sorted((root / "revisions").rglob("*"))
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in found if path.is_file()}


def staged(root: Path) -> list[str]:
    """What lies in staging."""
    folder = root / ".lake" / "staging"
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


def copied(root: Path, to: Path) -> Path:
    """A lake's copy, in the place of whatever was there."""
    shutil.rmtree(to, ignore_errors=True)
    if root.exists():
        shutil.copytree(root, to, symlinks=True)
    else:
        to.mkdir(parents=True)
    return to
