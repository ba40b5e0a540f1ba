"""Whatever a venue says, an ingest ends in time, complete or with a clear line, and a healthy rerun heals the lake."""

from __future__ import annotations

import contextlib
import functools
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from lake import days as lake_days
from lake.ending import line_of
from meta.errors import PerplakeError
from p1_ingest.http import Sender
from p1_ingest.ingest import ingest
from p1_ingest.sources.base import Source
from p1_ingest.wanted import Choice
from p1_ingest.wire import Bounds
from tests import lakes
from tests.conformance import KEY, Stand
from tests.liar import Kind, Liar
from tests.lies import KINDS
from tests.stands import SOURCES

BOUNDS = dict.fromkeys(("json", "text", "zip"), Bounds(1 << 20, 1 << 20, 0.5))
IMPATIENT = {
    "tries": 2,
    "timeout": (1.0, 0.3),
    "bounds": BOUNDS,
    "sleep": lambda seconds: None,
    "rng": random.Random(1),
}
DEADLINE = 60.0  # seconds; generous, since a test machine may be busy: the point is that there is one
Folders = dict[str, dict[str, bytes]]
Made = Callable[[], contextlib.AbstractContextManager[Stand]]
Undisturbed = Callable[[Made], tuple[Stand, Folders]]
NAMES = list(KINDS)
QUICK = [(name, SOURCES[i % len(SOURCES)], i % 2) for i, name in enumerate(NAMES)]
LONG = [(name, made, turns) for name in NAMES for made in SOURCES for turns in (0, 1)]


def test_there_are_more_than_forty_kinds() -> None:
    assert len(KINDS) >= 80


@pytest.fixture(scope="module")
def undisturbed() -> Iterator[Undisturbed]:
    """Each source's stand-in, kept running, with the lake of an undisturbed run."""
    with contextlib.ExitStack() as running:

        @functools.cache
        def of(made: Made) -> tuple[Stand, Folders]:
            stand = running.enter_context(made())
            stand = replace(stand, days=stand.days[:3])
            with lakes.scratch() as root:
                return stand, stand.ingested(root, [stand.days])

        yield of


def url_of(stand: Stand) -> str:
    return next(iter(stand.source.hosts.values())).url


def ended(stand: Stand, source: Source, root: Path, choice: Choice, **patience: object) -> str:
    """How does an ingest end: "" where complete, else its lines."""
    names = {host.key_name for host in source.hosts.values() if host.key_name}
    keys, shelf = dict.fromkeys(names, KEY), lakes.a_shelf(root, stand.tf.name, stand.symbol)
    with Sender(source.hosts, keys=keys, pools=source.pools, **patience) as sender:  # type: ignore[arg-type]
        try:
            done = ingest(source, sender, shelf, stand.days, choice, lambda: stand.now)
        except (PerplakeError, OSError) as error:
            return line_of(error)
    return "\n".join([*done.failed.values(), *done.waiting.values()])


@pytest.mark.parametrize(("name", "made", "turns"), QUICK, ids=lambda v: getattr(v, "__name__", str(v)))
def test_a_lie_ends_in_a_clear_line_and_a_healthy_rerun_heals(
    name: str, made: Made, turns: int, undisturbed: Undisturbed
) -> None:
    lied_to(KINDS[name], *undisturbed(made), turns)


@pytest.mark.long
@pytest.mark.parametrize(("name", "made", "turns"), LONG, ids=lambda v: getattr(v, "__name__", str(v)))
def test_every_lie_of_every_source_does(name: str, made: Made, turns: int, undisturbed: Undisturbed) -> None:
    lied_to(KINDS[name], *undisturbed(made), turns)


def lied_to(kind: Kind, stand: Stand, healthy: Folders, turns: int) -> None:
    with lakes.scratch() as root:
        with Liar(url_of(stand), kind, turns) as liar:
            began = time.monotonic()
            told = ended(stand, stand.asking(liar.url), root, Choice(refresh_tail=0), **IMPATIENT)
            took = time.monotonic() - began
        assert took < DEADLINE
        assert liar.spoilt, "nothing was spoilt"
        assert KEY not in told and "Traceback" not in told
        assert not lakes.staged(root)
        found = lakes.day_folders(root)
        shelf = lakes.a_shelf(root, stand.tf.name, stand.symbol)
        for day in shelf.days_on_disk():
            assert lake_days.need(shelf, day), "what is committed is whole"
        if not kind.believable:
            odd = [name for name in found if found[name] != healthy[name]]
            assert not odd, f"an odd answer was committed: {odd}; {told}"
            assert turns or told, "nothing was said of it"
        assert not ended(stand, stand.source, root, Choice(refresh_tail=len(stand.days)))
        assert lakes.day_folders(root) == healthy
