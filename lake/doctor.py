"""Is this machine fit to keep a lake? Clock, disk, rights, publishing, kernels and packages, each with what to do."""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from importlib import metadata
from pathlib import Path

from lake import asof, compiled, locks, log, probe, roots, settings
from lake.settings import PROJECT, shown
from meta.errors import PerplakeError

OK, ODD, WRONG = "ok", "odd", "wrong"
GIB = 1 << 30
LEAST_FREE = GIB  # bytes; a year of one symbol at 5m with its record takes about 40 MB
AHEAD = 5.0  # seconds the log may be ahead of this clock
BUILT = 1_735_689_600  # 2025-01-01: no clock of ours may show less
TIME_ERROR = 5  # adjtimex(2): this clock is not kept in step with any other
PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;]+)")


@dataclass(frozen=True)
class Finding:
    """One thing looked at: how it is, and what to do where it is not well."""

    what: str
    state: str
    fact: str
    remedy: str = ""

    def line(self) -> str:
        """How is it told?"""
        return f"{self.state:6} {self.what:12} {self.fact}" + (f"; {self.remedy}" if self.remedy else "")


def look(root: Path, now: float | None = None) -> list[Finding]:
    """What is there to say of this machine and the lake under `root`? now : seconds since 1970, else the clock's."""
    instant = time.time() if now is None else now
    return [
        _python(),
        *_packages(PROJECT / "requirements.txt"),
        *_clock(root, instant),
        *_disk(root),
        *_rights(root),
        _publishing(root),
        _kernels(),
        *_conf(),
        *_writers(root),
        *_as_of(root),
    ]


def _python() -> Finding:
    fact = f"{sys.version.split()[0]} on {sys.platform}, {os.cpu_count()} cores"
    good = sys.version_info >= (3, 11)
    return Finding("python", OK if good else WRONG, fact, "" if good else "perplake needs 3.11 or newer")


def _packages(lock: Path) -> Iterator[Finding]:
    """Are the packages those the lock file names? Other versions may give other bytes (law 4 holds under one lock)."""
    other, count = [], 0
    for line in lock.read_text(encoding="utf-8").splitlines():
        if match := PIN.match(line):
            count += 1
            try:
                here = metadata.version(match[1])
            except metadata.PackageNotFoundError:
                here = "none"
            if here != match[2]:
                other.append(f"{match[1]} {here}, not {match[2]}")
    if other:
        remedy = f"`pip install -r {lock.name}`; the same inputs give the same bytes under one lock file"
        yield Finding("packages", ODD, f"{len(other)} of {count} are others: {', '.join(other[:4])}", remedy)
    else:
        yield Finding("packages", OK, f"{count}, as locked")


def _clock(root: Path, now: float) -> Iterator[Finding]:
    shows = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(now))
    last = _last_told(root)
    if now < BUILT:
        yield Finding("clock", WRONG, f"shows {shows}", "set it; days are asked for by its date")
    elif last is not None and last - now > AHEAD:
        fact = f"shows {shows}, {last - now:.0f} s before the lake's last commit"
        yield Finding("clock", WRONG, fact, "set it; days that are over would be taken for days to come")
    elif _in_step() is False:
        remedy = "have NTP keep it; bars close by it"
        yield Finding("clock", ODD, f"shows {shows}, and the kernel says nothing keeps it in step", remedy)
    else:
        yield Finding("clock", OK, f"shows {shows}" + (", kept in step" if _in_step() else ""))


def _last_told(root: Path) -> float | None:
    newest = max((line.time for line in log.lines(root)), default="")
    try:
        return datetime.fromisoformat(newest).timestamp() if newest else None
    except ValueError:
        return None


def _in_step() -> bool | None:
    """Does something keep the clock in step? None where the kernel does not say."""
    call = getattr(ctypes.CDLL(None), "adjtimex", None)
    if call is None:
        return None
    state = call(ctypes.create_string_buffer(512))  # struct timex, all zero: only asks
    return None if state < 0 else state != TIME_ERROR


def _disk(root: Path) -> Iterator[Finding]:
    at = next(path for path in (root, *root.parents) if path.exists())
    space = shutil.disk_usage(at)
    fact = f"{space.free / GIB:.1f} GiB of {space.total / GIB:.0f} free"
    few = space.free < LEAST_FREE
    yield Finding(
        "disk", ODD if few else OK, fact, "free some: a full disk stops a run, it breaks nothing" if few else ""
    )
    files = os.statvfs(at)
    if files.f_files and files.f_favail < 100_000:
        yield Finding("inodes", ODD, f"{files.f_favail:,} left", "a year of one symbol takes about 5,000")


def _rights(root: Path) -> Iterator[Finding]:
    if not root.exists():
        above = next(path for path in root.parents if path.exists())
        good = os.access(above, os.W_OK)
        fact = f"{shown(root)} is not there yet, and {'can' if good else 'cannot'} be made"
        yield Finding("rights", OK if good else WRONG, fact, "" if good else f"let this user write {shown(above)}")
        return
    closed = [path for path in _places(root) if not os.access(path, os.W_OK | os.X_OK)]
    for path in closed[:4]:
        fact, owner = f"uid {os.geteuid()} may not write {shown(path)}", path.stat().st_uid
        yield Finding("rights", WRONG, fact, f"chown or chmod it, or run as uid {owner}")
    if not closed:
        yield Finding("rights", OK, f"uid {os.geteuid()} may write {shown(root)} and all its shelves")


def _places(root: Path) -> Iterator[Path]:
    yield root
    for name in (".lake", ".lake/staging", ".lake/locks", "raw", "live", "folds"):
        if (root / name).is_dir():
            yield root / name
    yield from (shelf.folder for shelf in roots.shelves(root))


def _publishing(root: Path) -> Finding:
    mode = probe.publish_mode(root)
    if mode == probe.SWAP:
        return Finding(
            "publishing", ODD, mode, "it keeps the same promise, a little slower; NFS: one writing host only"
        )
    return Finding("publishing", WRONG if mode.startswith("nobody") else OK, mode)


def _kernels() -> Finding:
    place, writable = compiled.place()
    if not writable:
        remedy = f"set {compiled.VARIABLE} to a folder that can be written, or each run compiles for half a minute"
        return Finding("kernels", ODD, f"cannot be kept in {shown(place)}", remedy)
    done = "compiled, kept" if place.is_dir() else "not compiled yet, which takes half a minute; then kept"
    return Finding("kernels", OK, f"{done} in {shown(place)}")


def _conf() -> Iterator[Finding]:
    try:
        for name in sorted(path.name for path in settings.conf_path("").glob("*.yaml")):
            settings.read_yaml(settings.conf_path(name))
        settings.lake_conf()
        key = "set" if settings.key("COINGLASS_API_KEY") else "not set: the stand-in venue, or --source binance"
    except PerplakeError as error:
        yield Finding("conf", WRONG, str(error))
        return
    yield Finding("conf", OK, f"every file is YAML; COINGLASS_API_KEY is {key}")


def _writers(root: Path) -> Iterator[Finding]:
    held = [(shelf, who) for shelf in roots.shelves(root) if (who := locks.holder(shelf))]
    for shelf, who in held:
        yield Finding("writer", OK, f"{shelf} is being written by {who}")
    left = root / ".lake" / "staging"
    count = len([path for path in left.iterdir() if not path.name.startswith(".")]) if left.is_dir() else 0
    if count and not held:
        yield Finding(
            "leftovers", ODD, f"a dead writer left {count} in staging", "the next run of its command clears it"
        )


def _as_of(root: Path) -> Iterator[Finding]:
    if found := asof.made(root):
        kept, took = settings.lake_conf().as_of, asof.own_bytes(root) / 1e6
        fact = f"lakes of then: {len(found)}, of which {kept} are kept; {took:,.1f} MB of their own in"
        yield Finding("as-of", OK, f"{fact} {shown(asof.folder(root))}, which may be removed")
