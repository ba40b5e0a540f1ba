"""Days are computed by threads, processes or a dask cluster; what comes back does not depend on which.

A worker reads and computes, and returns. It holds no lock and writes nothing: the parent alone stages and publishes, in
the order of its own list. Processes are spawned, not forked, so that no descriptor of a lock goes with them.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Generic, TypeVar

from meta.errors import PerplakeError, Refused, Usage

T = TypeVar("T")
R = TypeVar("R")
DASK = "dask://"


@dataclass(frozen=True)
class Engine:
    """Who computes: an executor (None: the caller itself), how many tasks at once, and threads within each."""

    pool: Executor | None = None
    workers: int = 1
    threads: int = os.cpu_count() or 1


@contextlib.contextmanager
def engine(name: str = "threads", workers: int | None = None) -> Iterator[Engine]:
    """Who computes under this name? threads, processes, dask://HOST:PORT, or dask:// for a cluster on this machine.

    Raises Usage for other names, and Refused where no scheduler answers.
    """
    count = workers or os.cpu_count() or 1
    if name == "threads":
        with ThreadPoolExecutor(count) as pool:
            yield Engine(pool, count, count)
    elif name == "processes":
        spawned = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(count, spawned, _end_with_parent) as pool:
            yield Engine(pool, count, 1)
    elif name.startswith(DASK):
        with _dask(name.removeprefix(DASK), count) as pool:
            yield Engine(pool, count, 1)
    else:
        raise Usage(f"--engine {name!r} is none of threads, processes, dask://HOST:PORT; choose one of them")


@contextlib.contextmanager
def _dask(address: str, workers: int) -> Iterator[Executor]:
    try:
        from distributed import Client, LocalCluster
    except ImportError:
        raise Usage("--engine dask:// needs the extra `dask`; run `pip install 'perplake[dask]'`") from None
    with contextlib.ExitStack() as stack:
        if not address:
            local = {"n_workers": workers, "threads_per_worker": 1, "host": "127.0.0.1", "dashboard_address": None}
            cluster = stack.enter_context(LocalCluster(**local))
        try:
            client = stack.enter_context(Client(f"tcp://{address}" if address else cluster, timeout=10))
        except (OSError, ValueError) as error:
            raise Refused(f"no dask scheduler answers at {address} ({error}); start one, or drop --engine") from None
        yield stack.enter_context(client.get_executor(pure=False))


def _end_with_parent() -> None:
    """Leave an interruption to the parent, and do not outlive it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()

    def watch() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def spread(engine: Engine, function: Callable[[T], R], tasks: Iterable[T]) -> Iterator[R]:
    """What does the function make of each task, in their order? The first ones are under way when this returns.

    No more than one task beyond the workers is ahead of what was taken, so that memory does not grow with the list.
    """
    if engine.pool is None:
        return map(function, tasks)
    pool, todo, waiting = engine.pool, iter(tasks), deque[Future[R]]()

    def submit_next() -> None:
        for task in todo:
            with _all_alive():
                waiting.append(pool.submit(function, task))
            return

    for _ in range(engine.workers + 1):
        submit_next()
    return _taken(waiting, submit_next)


@contextlib.contextmanager
def _all_alive() -> Iterator[None]:
    """Say in one line that a worker is gone. The executor notices, even where one dies before its first task."""
    try:
        yield
    except BrokenExecutor:
        raise PerplakeError(
            "a worker process ended before its work was done (out of memory?); run again with fewer --workers"
        ) from None


def _taken(waiting: deque[Future[R]], submit_next: Callable[[], None]) -> Iterator[R]:
    try:
        while waiting:
            done = waiting.popleft()
            with _all_alive():
                result = done.result()
            submit_next()
            yield result
    finally:
        for left in waiting:
            left.cancel()


class Started(Generic[R]):
    """Work that has begun: a generator that has run to its first yield, by which its tasks are under way."""

    def __init__(self, work: Generator[None, None, R]) -> None:
        self._work = work
        self._failed: Exception | None = None
        try:
            next(work)
        except (PerplakeError, OSError) as error:  # told in its turn
            self._failed = error

    def result(self) -> R:
        """Run it to its end. Raises what it raises, or what kept it from beginning."""
        if self._failed is not None:
            raise self._failed
        try:
            while True:
                next(self._work)
        except StopIteration as end:
            return end.value

    def close(self) -> None:
        """Give it up, unless it has ended."""
        self._work.close()


def in_turn(works: Iterable[tuple[T, Generator[None, None, R]]], ahead: int = 1) -> Iterator[tuple[T, Started[R]]]:
    """Each work with its name, begun; the next ones are begun before one is to be finished, so that no worker idles."""
    begun = deque[tuple[T, Started[R]]]()
    try:
        for name, work in works:
            begun.append((name, Started(work)))
            if len(begun) > ahead:
                yield begun[0]
                begun.popleft()[1].close()
        while begun:
            yield begun[0]
            begun.popleft()[1].close()
    finally:
        for _, started in begun:
            started.close()


def finished(work: Generator[None, None, R]) -> R:
    """What does this work come to, alone?"""
    return Started(work).result()
