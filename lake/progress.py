"""How far a long work is, and how long the rest takes: one line rewritten on a terminal, plain lines elsewhere."""

from __future__ import annotations

import contextlib
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextvars import ContextVar
from typing import TypeVar

import click

from lake import settings

T = TypeVar("T")
Clock = Callable[[], float]
WORTH_TELLING = 2.0  # seconds; what takes less is over before it is read
OFTEN, SELDOM = 0.1, 10.0  # seconds from line to line: on a terminal, in a log
CLEAR = "\r\x1b[K"
_watched: ContextVar[str | None] = ContextVar("watched", default=None)  # threads at work within see none
_shown = [False]  # is there a line on the terminal that the next one takes the place of?


class Pace:
    """How much of a work is done, and how long the rest takes if it goes on like this."""

    def __init__(self, total: int, unit: str, clock: Clock = time.monotonic) -> None:
        self.total, self.unit, self.clock = total, unit, clock
        self.began = clock()

    def at(self, done: int) -> str:
        """How is it told once so many are done?"""
        left = (self.clock() - self.began) / done * (self.total - done)
        return f"{done:,} of {self.total:,} {self.unit}, {spoken(left)} left"


class Meter:
    """Counts what is done of a work, and tells how far it is once that takes more than two seconds."""

    def __init__(self, subject: str, total: int, unit: str, clock: Clock = time.monotonic) -> None:
        self.subject, self.pace, self.done = subject, Pace(total, unit, clock), 0
        self._due = self.pace.began + WORTH_TELLING

    def add(self, many: int = 1) -> None:
        """So many more are done."""
        self.done += many
        now = self.pace.clock()
        if 0 < self.done < self.pace.total and now >= self._due:
            show(f"{self.subject}: {self.pace.at(self.done)}")
            self._due = now + (OFTEN if on_terminal() else SELDOM)


@contextlib.contextmanager
def watched(subject: str) -> Iterator[None]:
    """Somebody watches: what is `counted` within tells how far it is, as work on this subject."""
    before = _watched.set(subject)
    try:
        yield
    finally:
        _watched.reset(before)
        clear()


def counted(items: Iterable[T], total: int, unit: str, clock: Clock = time.monotonic) -> Iterator[T]:
    """The same items, so many in all; how far they are is told where a command watches, and to nobody elsewhere."""
    subject = _watched.get()
    meter = Meter(subject, total, unit, clock) if subject is not None else None
    for item in items:
        yield item
        if meter:
            meter.add()


def told(items: Sequence[T], subject: str, unit: str, clock: Clock = time.monotonic) -> Iterator[T]:
    """The same items one after the other, with a meter running."""
    meter = Meter(subject, len(items), unit, clock)
    for item in items:
        yield item
        meter.add()
    clear()


def spoken(seconds: float) -> str:
    """How long is that, as people say it?"""
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60} min"


def show(text: str) -> None:
    """Tell how far it is: in the place of what was told last on a terminal, as a line of its own elsewhere."""
    if not on_terminal():
        click.echo(text, err=True)
        return
    width = shutil.get_terminal_size().columns - 1  # a line that wraps could not be rewritten
    click.echo(f"{CLEAR}{text[:width]}", nl=False, err=True)
    _shown[0] = True


def clear() -> None:
    """Take the line away, so that something else can be said."""
    if _shown[0]:
        _shown[0] = False
        click.echo(CLEAR, nl=False, err=True)


def results(lines: Iterable[str]) -> None:
    """Print what a work came to, in the place of how far it was."""
    clear()
    for line in lines:
        click.echo(line)


def on_terminal() -> bool:
    """Is there somebody whose terminal can rewrite a line?"""
    return sys.stderr.isatty() and (settings.variable("TERM") or "dumb") != "dumb"
