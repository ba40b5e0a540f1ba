"""Readers never meet half a day, whoever is killed meanwhile."""

from __future__ import annotations

from tests import lakes
from tests.soak import soak


def test_readers_see_whole_days_while_writers_are_killed() -> None:
    """The short form; `make soak` goes on for as long as one likes, and also looks at memory and descriptors."""
    with lakes.scratch() as root:
        report = soak(root, None, kills=8)
    assert not report.wrong, report.wrong[:5]
    assert report.kills == 8 and report.reads >= 200 and report.queries >= 1
    assert not report.left
