"""One command works on several symbols: where one fails the others go on, and the end tells of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

import click

from lake import cli, ending, progress
from lake.layout import Shelf
from meta.errors import PerplakeError

if TYPE_CHECKING:
    from lake.run import Engine

T = TypeVar("T")
D = TypeVar("D", bound="Done")


class Done(Protocol):
    """What a command did for one symbol."""

    def lines(self) -> list[str]:
        """How is it told to people?"""

    def data(self) -> dict[str, object]:
        """How is it told to machines?"""


def attempted(works: Iterable[tuple[object, Callable[[], T]]], alone: bool) -> tuple[list[T], list[str]]:
    """What did each named work come to, and which failed, a line each? One that is `alone` raises what it raises."""
    done, failures = [], []
    for name, work in works:
        try:
            done.append(work())
        except (PerplakeError, OSError) as error:
            if alone:
                raise
            failures.append(f"{name}: {ending.line_of(error)}")
    return done, failures


def built(
    targets: Sequence[tuple[Shelf, Callable[[Engine], Generator[None, None, D]]]],
    engine: str,
    workers: int | None,
    as_json: bool,
    warnings: Callable[[D], Iterable[str]] = lambda done: (),
) -> int:
    """Build the days of each shelf, the next begun before one is finished; tell of it, and with which exit code to end.

    targets : each shelf, and what begins its build with others to compute.
    """
    from lake import run  # commands are declared without what they run on

    def finished(work: run.Started[D]) -> D:
        done = work.result()
        progress.results(() if as_json else done.lines())
        for line in warnings(done):
            cli.say(f"warning: {line}")
        return done

    with run.engine(engine, workers) as pool:
        works = ((shelf, begin(pool)) for shelf, begin in targets)
        named = ((shelf, partial(finished, work)) for shelf, work in run.in_turn(works))
        done, failures = attempted(named, alone=len(targets) == 1)
    return end(done, failures, (shelf.root for shelf, _ in targets), as_json)


def end(done: Sequence[Done], failures: Sequence[str], roots: Iterable[Path], as_json: bool) -> int:
    """Tell what was done to machines, bring the catalogs up to it, name what failed; with which exit code it ends."""
    if as_json:
        click.echo(json.dumps([one.data() for one in done], indent=1))
    for root in dict.fromkeys(roots):
        cli.refreshed(root)
    for failure in failures:
        cli.say(ending.redacted(f"error: {failure}"))
    return 1 if failures else 0
