"""Every change a process makes to the files under a root, caught in `os` itself, and what may happen to it instead."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lake import disk

EXCHANGE, BREAK = "exchange", "make-before-break"
MODES = (EXCHANGE, BREAK)
DEAD = 137  # what a shell tells of a process that was killed

# What may happen at a call, and at which calls it can.
KILLS = ("before", "after", "half", "almost")
KINDS = (*KILLS, "short", "ENOSPC", "ENOSPC from here on", "EIO", "EIO though done", "EROFS from here on")
ONLY_WRITES = ("half", "almost", "short")
ALLOCATES = ("open", "write", "pwrite", "mkdir", "rename", "replace", "exchange", "ftruncate")


ONE_PATH = ("mkdir", "rmdir", "unlink", "remove", "chmod", "utime", "truncate")
TWO_PATHS = ("rename", "replace", "link", "symlink")
BY_FD = ("write", "pwrite", "fsync", "fdatasync", "ftruncate")


class Killed(BaseException):
    """The process is gone: nothing that unwinds from here reaches the disk."""


@dataclass(frozen=True)
class Call:
    """One change to the disk: the function, and the file's role (its path with dates and digests blotted out)."""

    function: str
    role: str


@dataclass(frozen=True)
class Point:
    """What happens at the n-th change."""

    number: int
    kind: str
    call: Call


@dataclass
class Tap:
    """Counts the changes under a root, and does what is asked at one of them.

    synced : whether the fsync of a file of this role is carried out; only a power cut could tell.
    """

    root: Path
    point: Point | None = None
    forked: bool = False
    watch: Callable[[], None] | None = None
    synced: Callable[[str], bool] = lambda role: False
    calls: list[Call] = field(default_factory=list)
    dead: bool = False
    lock: Any = field(default_factory=threading.RLock)

    def role(self, place: Any) -> str | None:
        """The path's role, None where it is not under the root."""
        if isinstance(place, int):
            try:
                place = os.readlink(f"/proc/self/fd/{place}")
            except OSError:
                return None
        text = os.path.abspath(os.fsdecode(place))
        if not text.startswith(f"{self.root}/"):
            return None
        return re.sub(r"[0-9a-f]{16,}|[0-9]+", "#", text[len(str(self.root)) + 1 :])

    def met(self, function: str, role: str, do: Callable[..., Any], data: Any = None) -> Any:
        """Carry out one change, or what is to happen instead."""
        with self.lock:
            if self.dead:
                raise Killed
            number = len(self.calls)
            self.calls.append(Call(function, role))
        if self.watch:
            self.watch()
        done = self.struck(number, function, do, data) if self.point else do()
        if self.watch:
            self.watch()
        return done

    def struck(self, number: int, function: str, do: Callable[..., Any], data: Any) -> Any:
        """What is asked to happen at this call: a death, an error, or nothing."""
        assert self.point
        kind, first, reached = self.point.kind, number == self.point.number, number >= self.point.number
        if kind == "before" and first:
            self.die()
        if kind in ("half", "almost") and first:
            if data is not None:  # threads take turns: what was a write last time may be another change now
                do(data[: len(data) // 2] if kind == "half" else data[:-1])
            self.die()
        if kind == "short" and first and data is not None:
            return do(data[: max(1, len(data) // 2)])
        if (kind == "ENOSPC" and first) or (kind == "ENOSPC from here on" and reached and function in ALLOCATES):
            if data is not None and first:
                do(data[: len(data) // 2])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        if kind == "EIO" and first:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        if kind == "EROFS from here on" and reached and function != "fsync":
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        done = do()
        if kind == "EIO though done" and first:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        if kind == "after" and first:
            self.die()
        return done

    def die(self) -> None:
        """End the process, or act as if it had."""
        if self.forked:
            os._exit(DEAD)
        self.dead = True
        raise Killed


def applies(kind: str, call: Call) -> bool:
    """Can this happen at this call?"""
    if kind in ONLY_WRITES:
        return call.function in ("write", "pwrite")
    if kind.startswith("ENOSPC"):
        return call.function in ALLOCATES
    return not (kind.startswith("EROFS") and call.function == "fsync")


@contextlib.contextmanager
def tapped(tap: Tap, mode: str) -> Iterator[Tap]:
    """Send every change under the tap's root through it."""
    real = {name: getattr(os, name) for name in (*ONE_PATH, *TWO_PATHS, *BY_FD, "open")}
    native = disk._RENAME

    def one_path(name: str) -> Callable[..., Any]:
        def call(path: Any, *args: Any, **kwargs: Any) -> Any:
            role = tap.role(path)
            do = lambda: real[name](path, *args, **kwargs)  # noqa: E731
            return do() if role is None else tap.met(name, role, do)

        return call

    def two_paths(name: str) -> Callable[..., Any]:
        def call(source: Any, target: Any, *args: Any, **kwargs: Any) -> Any:
            role = tap.role(target)
            do = lambda: real[name](source, target, *args, **kwargs)  # noqa: E731
            return do() if role is None else tap.met(name, role, do)

        return call

    def by_fd(name: str) -> Callable[..., Any]:
        def call(fd: int, *args: Any) -> Any:
            role = tap.role(fd)
            if role is None:
                return real[name](fd, *args)
            if name in ("fsync", "fdatasync"):
                return tap.met("fsync", role, lambda: real[name](fd) if tap.synced(role) else None)
            if name in ("write", "pwrite"):
                return tap.met(name, role, lambda data=args[0]: real[name](fd, data, *args[1:]), bytes(args[0]))
            return tap.met(name, role, lambda: real[name](fd, *args))

        return call

    def opened(path: Any, flags: int, *args: Any, **kwargs: Any) -> int:
        creates = flags & os.O_TRUNC or (flags & os.O_CREAT and (flags & os.O_EXCL or not os.path.lexists(path)))
        role = tap.role(path) if creates and "dir_fd" not in kwargs else None
        do = lambda: real["open"](path, flags, *args, **kwargs)  # noqa: E731
        return do() if role is None else tap.met("open", role, do)

    def exchanged(one: bytes, other: bytes, flags: int) -> int:
        if mode == BREAK or native is None:
            ctypes.set_errno(errno.EINVAL)
            return -1
        role = tap.role(other)
        do = lambda: native(one, other, flags)  # noqa: E731
        return do() if role is None else tap.met("exchange", role, do)

    made = {name: one_path(name) for name in ONE_PATH}
    made |= {name: two_paths(name) for name in TWO_PATHS} | {name: by_fd(name) for name in BY_FD}
    try:
        for name, function in {**made, "open": opened}.items():
            setattr(os, name, function)
        disk._RENAME = exchanged
        yield tap
    finally:
        for name, function in real.items():
            setattr(os, name, function)
        disk._RENAME = native
