"""The power goes at every change a command makes to the disk: what had reached the disk by then is all there is.

    with disk_of("ext4", scratch) as disk:            needs root, loop devices and the file system's mkfs
        report = cuts(run, lake, disk, scratch)
    assert not report.violations

The disk is an image in an outer xfs. Cloning the image is one atomic step there, and takes nothing with it that the
file system under test still keeps in memory: the clone is what a disk holds after a power cut at that instant. It is
mounted, so that its journal is replayed, looked at as after a crash, and the command is run again on it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from lake import disk as calls
from lake import locks
from tests import crash, lakes
from tests.crash import Run, Undisturbed
from tests.tap import Tap, tapped

FICLONE = 0x40049409  # linux/fs.h
SIZES = {"ext4": "64M", "btrfs": "128M", "xfs": "320M"}  # about the least that each can be made in
FORCE = {"ext4": "-F", "btrfs": "-f", "xfs": "-f"}
CLONE_OPTIONS = {"xfs": "loop,nouuid"}  # the clone has the UUID of the mounted original

# What else happens on the machine: nothing, or a neighbour whose fsync carries everybody's names out, not their data.
QUIET, NEIGHBOUR = "quiet", "a neighbour syncs"


def missing() -> str | None:
    """What does this machine lack for cutting its power? None where nothing."""
    if os.geteuid() != 0:
        return "root"
    if not Path("/dev/loop-control").exists():
        return "loop devices"
    return next((tool for fs in SIZES if not shutil.which(tool := f"mkfs.{fs}")), None)


@dataclass
class Disk:
    """A file system on an image: where it is mounted, and where a clone of it can be."""

    fs: str
    image: Path
    root: Path
    clone: Path
    neighbour: Path
    lock: threading.Lock = field(default_factory=threading.Lock)

    @contextlib.contextmanager
    def after_a_cut(self, carried_out: bool) -> Iterator[Path]:
        """The root as it would be found if the power went now. carried_out : a neighbour has just synced a file."""
        with self.lock:
            if carried_out:
                self.neighbour.write_bytes(os.urandom(8))
                calls.sync(self.neighbour)
            copy = self.image.with_name("cut.img")
            copy.unlink(missing_ok=True)
            with self.image.open("rb") as source, copy.open("wb") as target:
                fcntl.ioctl(target, FICLONE, source.fileno())
            with _mounted(copy, self.clone, CLONE_OPTIONS.get(self.fs, "loop")):
                yield self.clone / "lake"


def _ran(*words: str | Path) -> None:
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True)
    assert done.returncode == 0, f"{words}: {done.stderr or done.stdout}"


@contextlib.contextmanager
def _mounted(image: Path, at: Path, options: str = "loop") -> Iterator[Path]:
    at.mkdir(parents=True, exist_ok=True)
    _ran("mount", "-o", options, image, at)
    try:
        yield at
    finally:
        _ran("umount", at)


def _made(image: Path, fs: str, size: str) -> Path:
    _ran("truncate", "-s", size, image)
    _ran(f"mkfs.{fs}", "-q", FORCE[fs], image)
    return image


@contextlib.contextmanager
def disk_of(fs: str, scratch: Path) -> Iterator[Disk]:
    """A new disk of this file system, mounted."""
    outer = _made(scratch / f"{fs}-outer.img", "xfs", "3G")
    with _mounted(outer, scratch / f"{fs}-outer") as within:
        image = _made(within / "disk.img", fs, SIZES[fs])
        with _mounted(image, scratch / f"{fs}-disk") as at:
            yield Disk(fs, image, at / "lake", scratch / f"{fs}-cut", at / "neighbour")
    outer.unlink()


@dataclass
class Report:
    """How many times the power went, and what was wrong afterwards."""

    points: int = 0
    violations: list[str] = field(default_factory=list)


def cuts(
    run: Run,
    lake: Path,
    disk: Disk,
    scratch: Path,
    *,
    mode: str,
    around: str = QUIET,
    every: int = 1,
    synced: Callable[[str], bool] = lambda role: True,
) -> Report:
    """Cut the power around every change of a command on a copy of `lake`, and after its end.

    every : look at each n-th instant only. synced : whether the fsync of a file of this role is carried out at all;
    the controls leave some out. What the command had reported done has to be there.
    """
    plain = crash.undisturbed(run, lake, scratch, mode)
    lakes.copied(lake, disk.root)
    os.sync()
    report = Report()
    instants = 0

    def cut() -> None:
        nonlocal instants
        instants += 1
        if instants % every == 0 and not locks._opening.locked():  # a lock file is being made: nobody may fork then
            look(f"instant {instants}", last=False)

    def look(when: str, last: bool) -> None:
        with disk.after_a_cut(around == NEIGHBOUR and not last) as root:
            report.points += 1
            wrong = list(_found(run, root, plain, mode, last))
            report.violations += [f"{disk.fs}, {mode}, {around}, {when}: {text}" for text in wrong]

    with _unsynced(synced), tapped(Tap(disk.root, watch=cut, synced=synced), mode):
        run(disk.root)
    look("after its end", last=True)
    shutil.rmtree(disk.root)
    os.sync()
    return report


@contextlib.contextmanager
def _unsynced(synced: Callable[[str], bool]) -> Iterator[None]:
    """The raw record is made durable by one syncfs, which is of no one file: a control without fsync leaves it out."""
    native = calls._SYNCFS
    if not synced(""):
        calls._SYNCFS = lambda fd: 0
    try:
        yield
    finally:
        calls._SYNCFS = native


def _found(run: Run, root: Path, plain: Undisturbed, mode: str, last: bool) -> Iterator[str]:
    if last and lakes.day_folders(root) != plain.after:
        yield "reported done: and is lost"
    if last and sorted(lakes.told(root)) != sorted(plain.told):
        yield "reported done: and is not in the log"
    yield from crash.seen(root, plain.before, plain.after)
    yield from crash.converges(run, root, plain, mode)
