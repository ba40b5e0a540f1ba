"""Child processes that come from a clean one, and whose every wait has an end.

    with running(work, root, 3) as child:   # work(pipe, root, 3) goes on in the child, which dies when the block ends
        child.said()                        # what it sent
    answer(work, root)                      # what work(root) returned

A fork leaves the threads of libraries behind, and what those held stays locked: children are forked from a server that
has loaded the libraries and runs one thread. Work and arguments are pickled, so they are functions of modules.
"""

from __future__ import annotations

import contextlib
import functools
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from typing import Any

from lake.settings import PROJECT

LONGEST = 50  # seconds of a child's life, unless more is asked for
GRACE = 10  # seconds until what was killed is gone
LOADED = ["pytest", "duckdb", "lake.catalog", "tests.crash", "tests.writers"]
NO_THREADS = {
    "OPENBLAS_NUM_THREADS": "1",
    "JE_ARROW_MALLOC_CONF": "background_thread:false",
    "_RJEM_MALLOC_CONF": "background_thread:false",
}


class Lost(AssertionError):
    """A child ended, or had to be ended, before it said anything."""

    def __init__(self, text: str, code: int | None) -> None:
        super().__init__(text)
        self.code = code


@dataclass
class Child:
    """A child at work, and the pipe between us."""

    process: ForkServerProcess
    pipe: Connection
    longest: float

    @property
    def pid(self) -> int:
        """Its process id."""
        assert self.process.pid is not None
        return self.process.pid

    def said(self) -> Any:
        """What does it say next?"""
        with contextlib.suppress(EOFError):
            if self.pipe.poll(self.longest + GRACE):
                return self.pipe.recv()
            self.process.kill()
        self.process.join(GRACE)
        code = self.process.exitcode
        why = f"was killed after {self.longest:g} s" if code == -signal.SIGALRM else f"ended with {code}"
        raise Lost(f"the child said nothing and {why}", code)

    def kill(self) -> None:
        """End it at once."""
        self.process.kill()
        self.process.join(GRACE)


@functools.cache
def _server() -> multiprocessing.context.ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(LOADED)
    kept = dict(os.environ)
    os.environ.update(NO_THREADS, PYTHONPATH=str(PROJECT))
    try:
        forkserver.ensure_running()
    finally:
        os.environ.clear()
        os.environ.update(kept)
    return context


@contextlib.contextmanager
def running(work: Callable[..., object], *args: Any, longest: float | None = None) -> Iterator[Child]:
    """A child that does this work, told a pipe and these arguments, until it is done or the block ends."""
    longest = longest or LONGEST
    mine, theirs = _server().Pipe()
    process = _server().Process(target=_at_work, args=(theirs, dict(os.environ), longest, work, args))
    process.start()
    theirs.close()
    child = Child(process, mine, longest)
    try:
        yield child
    finally:
        child.kill()
        mine.close()


def answer(work: Callable[..., Any], *args: Any, longest: float | None = None) -> Any:
    """What does this return, in a child?"""
    with running(_answering, work, args, longest=longest) as child:
        return child.said()


def _answering(pipe: Connection, work: Callable[..., Any], args: tuple[Any, ...]) -> None:
    pipe.send(work(*args))


def _at_work(
    pipe: Connection, environ: dict[str, str], longest: float, work: Callable[..., object], args: tuple[Any, ...]
) -> None:
    signal.setitimer(signal.ITIMER_REAL, longest)  # the kernel ends it then, whatever it waits for, whoever has gone
    os.environ.clear()
    os.environ.update(environ)
    work(pipe, *args)
