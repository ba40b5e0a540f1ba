"""One command works on several symbols: where one fails the others go on, and the end tells of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

import click

from lake import cli, ending
from meta.errors import PerplakeError

T = TypeVar("T")


class Done(Protocol):
    """What a command did for one symbol."""

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


def end(done: Sequence[Done], failures: Sequence[str], roots: Iterable[Path], as_json: bool) -> int:
    """Tell what was done to machines, bring the catalogs up to it, name what failed; with which exit code it ends."""
    if as_json:
        click.echo(json.dumps([one.data() for one in done], indent=1))
    for root in dict.fromkeys(roots):
        cli.refreshed(root)
    for failure in failures:
        cli.say(ending.redacted(f"error: {failure}"))
    return 1 if failures else 0
