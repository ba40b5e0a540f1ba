"""An export's name is its own while its files are written; what one that was killed left behind goes with the next."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

from lake import disk, regular
from meta.errors import Tampered

FORMS = ("csv", "parquet", "json")
LONG = timedelta(days=1)  # a claim of another machine, or another container, is believed for so long


@contextmanager
def claimed(folder: Path, name: str, now: datetime) -> Iterator[tuple[str, datetime]]:
    """The files' name without its ending, and its instant, held until they stand. A second later where it is taken."""
    disk.make_folders(folder)
    _sweep(folder, name, now)
    while not _claim(folder, stem := f"{name}_{now:%Y%m%d_%H%M%S}"):
        now += timedelta(seconds=1)
    try:
        yield stem, now
    finally:
        disk.unlink(folder / f".{stem}.held")


def _claim(folder: Path, stem: str) -> bool:
    """Is the name free, and from now on ours, whoever begins in the same second?"""
    claim = folder / f".{stem}.held"
    try:
        disk.create(claim, f"{os.getpid()} {os.uname().nodename}".encode())
    except FileExistsError:
        return False
    if any((folder / f"{stem}.{form}").exists() for form in FORMS):
        disk.unlink(claim)
        return False
    return True


def _sweep(folder: Path, name: str, now: datetime) -> None:
    """Take away the claims of this name whose holders are gone, and the unfinished files beside them."""
    for claim in sorted(folder.glob(f".{name}_*.held")):
        if _is_dead(claim, now):
            for left in (*folder.glob(f"{claim.name.removesuffix('.held')}.*.tmp"), claim):
                disk.unlink(left)


def _is_dead(claim: Path, now: datetime) -> bool:
    try:
        pid, _, host = regular.read(claim).decode().partition(" ")
        if host == os.uname().nodename and pid.isdigit():
            os.kill(int(pid), 0)
            return False
        return claim.stat().st_mtime < (now - LONG).timestamp()
    except ProcessLookupError:
        return True
    except (OSError, UnicodeDecodeError, Tampered):  # it went meanwhile, or is no claim of ours
        return False
