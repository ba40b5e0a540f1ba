"""Who may write now? One writer a shelf, one publisher a lake, and readers who need a snapshot."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import takewhile
from pathlib import Path

from lake import disk
from lake.layout import Shelf
from meta.errors import Busy

PAUSE = 0.05  # seconds between two tries of `--wait`
GRACE = 0.2  # seconds: `holder` takes the lock for an instant, and that must not turn a writer away
A_FOLDER = os.O_RDONLY | os.O_DIRECTORY
_held: set[int] = set()
_opening = threading.Lock()  # no fork between opening a lock file and knowing of it


def _let_go_in_child() -> None:
    # flock belongs to the open file, which a fork shares: a live worker would keep a dead writer's lock.
    for fd in list(_held):
        os.close(fd)
    _held.clear()
    _opening.release()


os.register_at_fork(before=_opening.acquire, after_in_parent=_opening.release, after_in_child=_let_go_in_child)


def job_name(shelf: Shelf) -> str:
    """What is this shelf's job called? The name of its lock, and the first part of its staging folders' names."""
    return f"{shelf.dataset.folder}~{shelf.tf}~{shelf.symbol}"


@contextmanager
def job(
    shelf: Shelf,
    wait: float = 0.0,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[None]:
    """Hold the right to write this shelf. Raises Busy, naming the holder, once `wait` seconds have passed."""
    told = f"{shelf} is being written by {{}}; wait for it, or give --wait SECONDS"
    with _alone(shelf.root, job_name(shelf), told, max(wait, GRACE), clock, sleep):
        yield


@contextmanager
def following(shelf: Shelf) -> Iterator[None]:
    """Hold the right to keep up with this shelf, which is not the right to write it. Raises Busy, naming the holder."""
    told = f"{shelf} is being followed by {{}}; end it first, or follow other symbols"
    with _alone(shelf.root, f"live~{shelf.tf}~{shelf.symbol}", told, GRACE, time.monotonic, time.sleep):
        yield


@contextmanager
def _alone(
    root: Path, name: str, told: str, wait: float, clock: Callable[[], float], sleep: Callable[[float], None]
) -> Iterator[None]:
    """Hold a lock of which there is one, and sign it. Raises Busy, `told` with the holder's name, after `wait` s."""
    folder = root / ".lake" / "locks"
    disk.make_folders(folder)
    path = folder / name
    until = clock() + wait
    with _opened(path) as fd:
        while not _locked(fd, fcntl.LOCK_EX | fcntl.LOCK_NB):
            if clock() >= until:
                raise Busy(told.format(_holder(path)))
            sleep(PAUSE)
        _sign(fd)
        yield


@contextmanager
def publishing(root: Path) -> Iterator[None]:
    """Hold the lake's publish lock, for renames and their fsyncs only.

    The turnstile is held while waiting, so that new readers queue behind a writer instead of starving it.
    """
    folder = root / ".lake" / "locks"
    disk.make_folders(folder)
    with _opened(folder / "turnstile") as turnstile, _opened(folder / "publish") as publish:
        _locked(turnstile, fcntl.LOCK_EX)
        _locked(publish, fcntl.LOCK_EX)
        yield


@contextmanager
def snapshot(root: Path) -> Iterator[None]:
    """Hold the lake still while reading: nothing is published until this is let go."""
    folder = root / ".lake" / "locks"
    if not (folder / "publish").exists():  # nothing was ever published here, so nothing can be mixed
        yield
        return
    with _opened(folder / "publish", os.O_RDONLY) as publish:
        with _opened(folder / "turnstile", os.O_RDONLY) as turnstile:
            _locked(turnstile, fcntl.LOCK_SH)
            _locked(publish, fcntl.LOCK_SH)
        yield


@contextmanager
def telling(root: Path) -> Iterator[None]:
    """Hold the right to add to the lake's log."""
    folder = root / ".lake" / "locks"
    disk.make_folders(folder)
    with _opened(folder / "log") as fd:
        _locked(fd, fcntl.LOCK_EX)
        yield


@contextmanager
def filling(folder: Path) -> Iterator[None]:
    """Hold the right to fill this folder, made if need be. Raises Busy where another process does."""
    with contextlib.suppress(FileExistsError):
        disk.make_folder(folder)
    with _opened(folder, A_FOLDER) as fd:
        if not _locked(fd, fcntl.LOCK_EX | fcntl.LOCK_NB) or not _is_there(fd, folder):
            raise Busy(f"{folder} is being filled by another process; wait for it")
        yield


@contextmanager
def using(folder: Path) -> Iterator[None]:
    """Keep this folder, made if need be, from being held as `unused`; many may at once."""
    while True:
        disk.make_folders(folder)
        with contextlib.ExitStack() as held:
            try:
                fd = held.enter_context(_opened(folder, A_FOLDER))
            except FileNotFoundError:
                continue
            _locked(fd, fcntl.LOCK_SH)
            if _is_there(fd, folder):  # else it was removed meanwhile
                yield
                return


@contextmanager
def unused(folder: Path) -> Iterator[bool]:
    """Hold the right to remove this folder; False where somebody uses it. Raises FileNotFoundError."""
    with _opened(folder, A_FOLDER) as fd:
        yield _locked(fd, fcntl.LOCK_EX | fcntl.LOCK_NB) and _is_there(fd, folder)


def _is_there(fd: int, folder: Path) -> bool:
    """Does this name still mean the folder that was opened?"""
    try:
        return os.path.samestat(os.fstat(fd), folder.stat())
    except FileNotFoundError:
        return False


@contextmanager
def _opened(path: Path, flags: int = os.O_RDWR | os.O_CREAT) -> Iterator[int]:
    with _opening:
        fd = os.open(path, flags | os.O_CLOEXEC, 0o644)
        _held.add(fd)
    try:
        yield fd
    finally:
        if fd in _held:  # a forked child that unwinds has let go of it already
            _held.discard(fd)
            os.close(fd)


def _locked(fd: int, how: int) -> bool:
    try:
        fcntl.flock(fd, how)
    except OSError as error:
        if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
            return False
        raise
    return True


def _sign(fd: int) -> None:
    """Say who holds the lock: for people, so a failure to write it (a full disk) changes nothing."""
    started = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    text = f"pid {os.getpid()} on {socket.gethostname()}, `{_command(sys.argv)}`, since {started}\n"
    try:
        os.ftruncate(fd, 0)
        os.pwrite(fd, text.encode(errors="replace"), 0)
    except OSError:
        pass


def _command(argv: list[str]) -> str:
    """The program and its verb; what follows the first option may be a key."""
    program, *words = argv or [""]
    name = Path(program).parent.name if Path(program).name == "__main__.py" else Path(program).name
    return " ".join([name, *takewhile(lambda word: not word.startswith("-"), words[:2])])


def _holder(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip() or "another process"
    except OSError:
        return "another process"


def holder(shelf: Shelf) -> str | None:
    """Who is writing this shelf just now, if anyone?"""
    path = shelf.root / ".lake" / "locks" / job_name(shelf)
    if not path.exists():
        return None
    with _opened(path, os.O_RDONLY) as fd:
        return None if _locked(fd, fcntl.LOCK_SH | fcntl.LOCK_NB) else _holder(path)
