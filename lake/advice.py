"""Which command helps? Told in full, with the lake it is about, so that it can be run as it stands."""

from __future__ import annotations

import functools
import shlex
from pathlib import Path

from lake.settings import PROJECT, shown

USUAL = (PROJECT / "data", PROJECT / "data-sim")


def at(root: Path) -> str:
    """Which option names this lake? "" for the two that commands find by themselves."""
    return "" if root in USUAL else f" --lake {shlex.quote(shown(root))}"


@functools.cache
def repair(root: Path) -> str:
    """What to do about damage in this lake?"""
    return f"run `python -m lake repair{at(root)}`"


def verify(root: Path) -> str:
    """What to do where a file of this lake cannot be read by others?"""
    return f"run `python -m lake verify{at(root)}`"


def first(root: Path) -> str:
    """Which command brings the first days into this lake?"""
    return "`make p1`" if root in USUAL else f"`make p1 LAKE={shlex.quote(shown(root))}`"
