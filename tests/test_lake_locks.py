"""One writer a shelf, one publisher a lake; a dead writer holds nothing, and nobody starves."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path

import click
import pytest

from lake import cli, disk, ending, locks
from lake.layout import Shelf
from meta.errors import Busy
from tests import children, lakes


@pytest.fixture
def shelf() -> Iterator[Shelf]:
    with lakes.scratch() as folder:
        yield lakes.a_shelf(folder)


@contextlib.contextmanager
def forked() -> Iterator[None]:
    """A worker that was forked from here, and does nothing. Only a child of one thread may call this."""
    out, into = os.pipe()
    worker = os.fork()
    if worker == 0:
        signal.alarm(children.LONGEST)
        os.write(into, b"!")
        signal.pause()
        os._exit(0)
    os.close(into)
    try:
        assert os.read(out, 1) == b"!", "the worker failed before it was ready"
        yield
    finally:
        os.close(out)
        os.kill(worker, signal.SIGKILL)
        os.waitpid(worker, 0)


def is_free(path: Path, how: int = fcntl.LOCK_EX) -> bool:
    """Could somebody take this lock now?"""
    fd = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(fd, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(fd)
    return True


def soon(true: Callable[[], bool]) -> bool:
    """Does this become true within a generous time?"""
    until = time.monotonic() + 20
    while not true():
        if time.monotonic() > until:
            return False
        time.sleep(0.001)
    return True


def holding(pipe: Connection, shelf: Shelf) -> None:
    """Hold a shelf's lock until somebody kills us."""
    with locks.job(shelf):
        pipe.send("ready")
        pipe.recv()


@contextlib.contextmanager
def held(shelf: Shelf) -> Iterator[children.Child]:
    """Another process that holds the shelf's lock."""
    with children.running(holding, shelf) as child:
        assert child.said() == "ready"
        yield child


def test_the_second_writer_is_told_who_holds_the_lock(
    shelf: Shelf, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    @click.group(cls=cli.Commands)
    def commands() -> None:
        """Nothing but a write."""

    @commands.command()
    def write() -> None:
        with locks.job(shelf):
            pass

    monkeypatch.setattr(signal, "signal", lambda *_: None)
    assert ending.status(commands, "lake", ["write"]) == 0
    with held(shelf) as child:
        began = time.monotonic()
        assert ending.status(commands, "lake", ["write"]) == 75
        assert time.monotonic() - began < 1
    told = capsys.readouterr().err
    assert told.count("\n") == 1 and f"pid {child.pid} on" in told and "P1 1h BTCUSDT" in told and "--wait" in told


def test_waiting_ends_when_it_should(shelf: Shelf) -> None:
    now = [0.0]
    waiting = locks.job(shelf, 10, clock=lambda: now[0], sleep=lambda pause: now.__setitem__(0, now[0] + pause))
    with held(shelf), pytest.raises(Busy), waiting:
        pass
    assert 10 <= now[0] < 10.2


def test_waiting_ends_on_the_stroke(shelf: Shelf) -> None:
    times = iter([100.0, 103.0])
    waiting = locks.job(shelf, 3, clock=lambda: next(times), sleep=lambda _: pytest.fail("it waited on"))
    with locks.job(shelf), pytest.raises(Busy), waiting:
        pass


def test_a_lock_is_free_at_once_after_kill_9(shelf: Shelf) -> None:
    with held(shelf) as child:
        child.kill()
        with locks.job(shelf, clock=lambda: 0.0, sleep=lambda _: pytest.fail("the lock was not free")):
            pass


def kept_by_a_worker(shelf: Shelf) -> list[str]:
    kept = []
    for hold in (locks.job(shelf), locks.publishing(shelf.root), locks.telling(shelf.root)):
        with contextlib.ExitStack() as workers:
            with hold:
                workers.enter_context(forked())
            kept += [path.name for path in (shelf.root / ".lake" / "locks").iterdir() if not is_free(path)]
    return kept


def test_a_forked_worker_does_not_keep_its_parents_lock(shelf: Shelf) -> None:
    assert children.answer(kept_by_a_worker, shelf) == []


def free_though_forked_meanwhile(shelf: Shelf) -> bool:
    opened = threading.Event()

    class Slow(set[int]):
        def add(self, fd: int) -> None:
            opened.set()
            forking.join(0.2)
            super().add(fd)

    def fork() -> None:
        opened.wait(20)
        workers.enter_context(forked())

    with contextlib.ExitStack() as workers:
        forking = threading.Thread(target=fork)
        forking.start()
        locks._held = Slow()
        with locks.job(shelf):
            forking.join(20)
        return soon(
            lambda: is_free(shelf.root / ".lake" / "locks" / locks.job_name(shelf))
        )  # once the worker has begun


def test_no_worker_is_forked_between_opening_a_lock_and_knowing_of_it(shelf: Shelf) -> None:
    """Another thread forks in just that instant; the worker lives on, and the lock must be free once it is let go."""
    assert children.answer(free_though_forked_meanwhile, shelf)


def closed_by_a_worker_that_unwinds(shelf: Shelf) -> list[int]:
    out, into = os.pipe()
    with contextlib.ExitStack() as stack:
        stack.enter_context(locks.job(shelf))
        worker = os.fork()
        if worker == 0:
            signal.alarm(children.LONGEST)
            mine = [os.open(os.devnull, os.O_RDONLY) for _ in range(8)]
            stack.close()
            os.write(into, bytes(fd for fd in mine if not os.path.exists(f"/proc/self/fd/{fd}")) or b"none")
            os._exit(0)
    os.close(into)
    with open(out, "rb") as pipe:
        told = pipe.read()
    os.waitpid(worker, 0)
    return [] if told == b"none" else list(told)


def test_a_child_that_unwinds_closes_nothing_of_its_own(shelf: Shelf) -> None:
    """The child has let go of the lock's descriptor; when it leaves the block, the number may mean another file."""
    assert children.answer(closed_by_a_worker_that_unwinds, shelf) == []


def is_open(fd: int) -> bool:
    return os.path.exists(f"/proc/self/fd/{fd}")


def test_what_a_fork_runs_in_the_child_lets_go_of_all_locks(shelf: Shelf) -> None:
    """Run here, where it is seen; the tests above see that a fork runs it."""
    with locks.job(shelf), locks.telling(shelf.root):
        theirs = set(locks._held)
        assert len(theirs) == 2 and all(is_open(fd) for fd in theirs)
        locks._opening.acquire()
        locks._let_go_in_child()
        assert not locks._held and not any(is_open(fd) for fd in theirs) and not locks._opening.locked()
        mine = [os.open(os.devnull, os.O_RDONLY) for _ in theirs]
        assert set(mine) == theirs, "the numbers mean other files now"
    assert all(is_open(fd) for fd in mine), "leaving the blocks closes nothing"
    for fd in mine:
        os.close(fd)


def racing(pipe: Connection, shelf: Shelf, turns: int) -> None:
    """Take the lock again and again once told to, and tell how often somebody else was inside."""
    inside, count, met = shelf.root / "inside", shelf.root / "count", 0
    pipe.recv()
    for _ in range(turns):
        with locks.job(shelf, 60, sleep=lambda _: os.sched_yield()):
            try:
                os.close(os.open(inside, os.O_CREAT | os.O_EXCL))
            except FileExistsError:
                met += 1
            count.write_text(str(int(count.read_text()) + 1))
            inside.unlink(missing_ok=True)
    pipe.send(met)


def races(shelf: Shelf, writers: int, turns: int, longest: float = children.LONGEST) -> tuple[int, int]:
    """How often did writers hold the lock, and how often two at a time?"""
    count = shelf.root / "count"
    count.write_text("0")
    with contextlib.ExitStack() as stack:
        racers = [stack.enter_context(children.running(racing, shelf, turns, longest=longest)) for _ in range(writers)]
        for racer in racers:
            racer.pipe.send("go")
        met = sum(racer.said() for racer in racers)
    return int(count.read_text()), met


def test_races_for_a_shelf_let_one_in_at_a_time(shelf: Shelf) -> None:
    assert races(shelf, 4, 25) == (100, 0)


@pytest.mark.long
def test_a_thousand_races_let_one_in_at_a_time(shelf: Shelf) -> None:
    assert races(shelf, 8, 250, 600) == (2_000, 0)
    print("B10: 2,000 turns of 8 writers, 0 violations")


def test_looking_for_the_holder_turns_no_writer_away(shelf: Shelf) -> None:
    with locks.job(shelf):
        assert locks.holder(shelf) is not None
    assert locks.holder(shelf) is None
    assert locks.holder(lakes.a_shelf(shelf.root, symbol="ETHUSDT")) is None
    looker = os.open(shelf.root / ".lake" / "locks" / locks.job_name(shelf), os.O_RDONLY)
    fcntl.flock(looker, fcntl.LOCK_SH)
    with locks.job(shelf, clock=lambda: 0.0, sleep=lambda _: os.close(looker)):
        pass


@pytest.mark.parametrize(
    ("argv", "told"),
    [
        (["/x/p1_ingest/__main__.py", "ingest", "--api-key=CANARY"], "p1_ingest ingest"),
        (["/x/p1_ingest/__main__.py", "--api-key", "CANARY"], "p1_ingest"),
        (["/usr/bin/pytest", "tests"], "pytest tests"),
        (["/usr/bin/pytest", "one", "two", "three"], "pytest one two"),
        ([""], ""),
        ([], ""),
    ],
)
def test_the_lock_file_never_tells_an_option(argv: list[str], told: str) -> None:
    assert locks._command(argv) == told


def test_the_lock_file_tells_who_when_and_nothing_of_those_before(shelf: Shelf) -> None:
    with locks.job(shelf):
        path = shelf.root / ".lake" / "locks" / locks.job_name(shelf)
    path.write_text("somebody before " * 99)
    with locks.job(shelf):
        told = locks.holder(shelf)
    assert told and re.fullmatch(r"pid [0-9]+ on \S+, `.*`, since 2[0-9]{3}-[0-9]{2}-[0-9]{2}T[0-9:]{8}Z", told)


def test_a_command_line_that_is_no_text_is_no_reason_to_fail(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["\udcff", "\udcfe"])
    with locks.job(shelf):
        assert "pid" in (locks.holder(shelf) or "")


def test_a_writer_waits_for_readers_and_new_readers_wait_for_it(shelf: Shelf) -> None:
    folder = shelf.root / ".lake" / "locks"
    with locks.publishing(shelf.root):
        assert not is_free(folder / "publish", fcntl.LOCK_SH), "no reader while a writer publishes"
    published = threading.Event()

    def publish() -> None:
        with locks.publishing(shelf.root):
            published.set()

    writer = threading.Thread(target=publish)
    with locks.snapshot(shelf.root):
        with locks.snapshot(shelf.root):
            assert not is_free(folder / "publish"), "readers share, a writer does not"
        assert is_free(folder / "turnstile"), "a reader does not stand in the turnstile"
        writer.start()
        assert soon(lambda: not is_free(folder / "turnstile", fcntl.LOCK_SH)), "a waiting writer holds the turnstile"
        assert not published.is_set()
    writer.join(20)
    assert published.is_set()
    with locks.snapshot(shelf.root):
        pass


class Waits(Exception):
    """It would wait here."""


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who would wait for a lock says so, and waits for nothing."""
    locked = locks._locked

    def at_once(fd: int, how: int) -> bool:
        if not locked(fd, how | fcntl.LOCK_NB):
            raise Waits
        return True

    monkeypatch.setattr(locks, "_locked", at_once)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    ("name", "how", "who", "waits"),
    [
        ("publish", fcntl.LOCK_SH, locks.snapshot, False),
        ("publish", fcntl.LOCK_EX, locks.snapshot, True),
        ("turnstile", fcntl.LOCK_EX, locks.snapshot, True),
        ("publish", fcntl.LOCK_SH, locks.publishing, True),
        ("turnstile", fcntl.LOCK_SH, locks.publishing, True),
        ("turnstile", fcntl.LOCK_SH, locks.telling, False),
        ("log", fcntl.LOCK_SH, locks.telling, True),
    ],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_each_waits_for_whom_it_has_to(
    shelf: Shelf, name: str, how: int, who: Callable[[Path], contextlib.AbstractContextManager[None]], waits: bool
) -> None:
    with locks.publishing(shelf.root), locks.telling(shelf.root):
        pass
    taken = os.open(shelf.root / ".lake" / "locks" / name, os.O_RDONLY)
    fcntl.flock(taken, how)
    try:
        with pytest.raises(Waits) if waits else contextlib.nullcontext(), who(shelf.root):
            assert not waits
    finally:
        os.close(taken)


@pytest.mark.parametrize("hold", [locks.telling, locks.publishing])
def test_the_first_to_need_a_lock_makes_it_and_it_is_no_program(
    tmp_path: Path, hold: Callable[[Path], contextlib.AbstractContextManager[None]]
) -> None:
    with hold(tmp_path):
        made = [*(tmp_path / ".lake" / "locks").iterdir()]
        assert made and not any(is_free(path, fcntl.LOCK_SH) for path in made)
    assert not any(path.stat().st_mode & 0o111 for path in made)


def test_neither_readers_nor_writers_starve(shelf: Shelf) -> None:
    with locks.publishing(shelf.root):
        pass
    stop, reads, publishes = threading.Event(), [0, 0, 0], [0]

    def read(me: int) -> None:
        while not stop.is_set():
            with locks.snapshot(shelf.root):
                reads[me] += 1
                for _ in range(200):
                    pass

    def write() -> None:
        while not stop.is_set():
            with locks.publishing(shelf.root):
                publishes[0] += 1

    threads = [threading.Thread(target=read, args=(me,)) for me in range(3)] + [threading.Thread(target=write)]
    for thread in threads:
        thread.start()
    fair = soon(lambda: min(*reads, *publishes) >= 60)
    stop.set()
    for thread in threads:
        thread.join(20)
    assert fair, f"reads {reads}, publishes {publishes}"


def test_a_lake_that_never_published_needs_no_lock(tmp_path: Path) -> None:
    with locks.snapshot(tmp_path):
        pass
    assert not list(tmp_path.iterdir()), "a reader leaves nothing behind"


def test_a_file_system_without_locks_is_told(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refused)
    with pytest.raises(OSError, match="No locks available"), locks.job(shelf):
        pass


def test_a_holder_that_cannot_be_read_is_another_process(tmp_path: Path) -> None:
    assert locks._holder(tmp_path) == "another process"
    (tmp_path / "lock").write_bytes(b"pid 7 on \xff\n")
    assert locks._holder(tmp_path / "lock") == "pid 7 on \N{REPLACEMENT CHARACTER}"


def test_a_lock_that_cannot_be_signed_is_held_all_the_same(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    with locks.job(shelf):
        assert locks.holder(shelf) == "another process"


def test_one_follower_keeps_up_with_a_shelf_and_its_writer_goes_on(shelf: Shelf) -> None:
    told = r"P1 1h BTCUSDT is being followed by pid .*; end it first"
    with locks.following(shelf), locks.job(shelf), pytest.raises(Busy, match=told), locks.following(shelf):
        raise AssertionError("there were two")
    with locks.following(shelf):
        pass


def test_a_folder_is_filled_by_one_process_at_a_time(tmp_path: Path) -> None:
    folder = tmp_path / "export"
    with locks.filling(folder):
        assert folder.is_dir()
        with pytest.raises(Busy, match="is being filled by another process"), locks.filling(folder):
            raise AssertionError("there were two")
    with locks.filling(folder):
        pass


def _moved_once_locked(folder: Path, how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever locks this folder finds afterwards that its name is gone, or is another folder's."""
    lock = fcntl.flock

    def moved(fd: int, flags: int) -> None:
        lock(fd, flags)
        folder.rename(folder.with_name("moved"))
        if how == "another":
            folder.mkdir()

    monkeypatch.setattr(fcntl, "flock", moved)


@pytest.mark.parametrize("how", ["away", "another"])
def test_a_folder_that_moved_while_its_lock_was_taken_is_not_filled(
    tmp_path: Path, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "export"
    _moved_once_locked(folder, how, monkeypatch)
    with pytest.raises(Busy), locks.filling(folder):
        raise AssertionError("it is not the folder that was locked")


def test_a_folder_in_use_is_not_free_to_be_removed(tmp_path: Path) -> None:
    folder = tmp_path / "above" / "it"
    with locks.using(folder), locks.using(folder):
        assert folder.is_dir()
        with locks.unused(folder) as free:
            assert free is False
    with locks.unused(folder) as free:
        assert free is True
        assert not is_free(folder, fcntl.LOCK_SH), "nobody begins to use what is being removed"
    folder.rmdir()
    with pytest.raises(FileNotFoundError), locks.unused(folder):
        raise AssertionError("it is not there")
    assert not locks._held


@pytest.mark.parametrize("when", ["before it was opened", "before it was locked"])
def test_a_folder_removed_while_one_begins_to_use_it_is_made_anew(
    tmp_path: Path, when: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, make, lock, times = tmp_path / "it", disk.make_folders, fcntl.flock, [0]

    def removed() -> None:
        times[0] += 1
        if times[0] == 1:
            folder.rmdir()

    def made(path: Path) -> None:
        make(path)
        if path == folder and when == "before it was opened":
            removed()

    def locked(fd: int, how: int) -> None:
        if when == "before it was locked":
            removed()
        lock(fd, how)

    monkeypatch.setattr(disk, "make_folders", made)
    monkeypatch.setattr(fcntl, "flock", locked)
    with locks.using(folder):
        assert not is_free(folder), "what stands there now is held"
        assert len(locks._held) == 1
    assert times[0] >= 2 and not locks._held


@pytest.mark.parametrize("how", ["away", "another"])
def test_a_folder_that_moved_while_its_lock_was_taken_is_not_free(
    tmp_path: Path, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "it"
    folder.mkdir()
    _moved_once_locked(folder, how, monkeypatch)
    with locks.unused(folder) as free:
        assert free is False


@pytest.mark.parametrize("hold", [locks.filling, locks.unused])
def test_a_file_is_no_folder_to_hold(
    tmp_path: Path, hold: Callable[[Path], contextlib.AbstractContextManager[object]]
) -> None:
    (tmp_path / "it").write_text("mine")
    with pytest.raises(NotADirectoryError), hold(tmp_path / "it"):
        raise AssertionError("it was held")


def test_locks_pass_to_nobody_by_exec(shelf: Shelf) -> None:
    with locks.job(shelf), locks.publishing(shelf.root), locks.telling(shelf.root):
        assert len(locks._held) == 4 and not any(os.get_inheritable(fd) for fd in locks._held)
    assert not locks._held
