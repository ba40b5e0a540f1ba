"""A month of a venue that restates its bars: every change is found, none is invented, and each instant can be read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from lake import catalog, days, raw, revisions
from lake.frozen import FIRST, frozen
from lake.layout import Shelf
from meta.timeframes import DAY, HOUR, MINUTE, day_start, days_between
from p1_ingest.sim.quirks import CALM, HEALTHY, Quirks
from p1_ingest.sim.server import SimVenue
from p1_ingest.sources.coinglass import sim_source
from p1_ingest.wanted import Choice
from tests import lakes
from tests.test_p1_ingest_record import FIRST as FIRST_DAY
from tests.test_p1_ingest_record import run, shelf

RESTLESS = Quirks(restated=1.0, restated_deep=0.03, restated_within=3 * DAY, gaps=0.01, server_errors=0.0)
CHOICE = Choice(workers=2, refresh_tail=3, force=True)
Cell = tuple[int, str]
Change = tuple[int, str, float | None, float | None]


@dataclass
class Watched:
    """A lake that was watched from outside: what changed between two looks, by a plain comparison of all it held."""

    changes: list[Change] = field(default_factory=list)
    first: dict[Cell, float] = field(default_factory=dict)
    copies: list[tuple[str, dict[str, dict[str, bytes]]]] = field(default_factory=list)
    _known: dict[date, dict[Cell, float | None]] = field(default_factory=dict)
    _parts: dict[date, bytes] = field(default_factory=dict)

    def look(self, place: Shelf) -> None:
        """See what changed since the last look, and copy the lake."""
        for day in place.days_on_disk():
            part = (place.day_folder(day) / place.part_name(day)).read_bytes()
            if self._parts.get(day) == part:
                continue
            self._parts[day], said = part, _cells(days.need(place, day).table())
            before = self._known.get(day)
            self.changes += [] if before is None else _differences(before, said)
            for cell, value in said.items():
                if value is not None and cell[1] != "bar":
                    self.first.setdefault(cell, value)
            self._known[day] = said
        last, now = self.copies[-1][1] if self.copies else {}, lakes.day_folders(place.root)
        copy = {path: last[path] if last.get(path) == files else files for path, files in now.items()}
        self.copies.append((datetime.now(UTC).isoformat(), copy))


def _number(value: Any) -> float | None:
    return value.timestamp() * 1000 if isinstance(value, datetime) else value


def _cells(table: pa.Table) -> dict[Cell, float | None]:
    found: dict[Cell, float | None] = {}
    for row in table.to_pylist():
        ts = round(row["ts"].timestamp() * 1000)
        found |= {(ts, name): _number(value) for name, value in row.items() if name not in ("symbol", "ts")}
        found[ts, "bar"] = 1.0
    return found


def _differences(before: dict[Cell, float | None], now: dict[Cell, float | None]) -> Iterator[Change]:
    for ts, name in before.keys() | now.keys():
        old, new = before.get((ts, name)), now.get((ts, name))
        if old != new and ((ts, "bar") in before or name == "bar"):  # of a bar that came, that it came
            yield ts, name, old, new


def lived(root: Path, tf: str, n: int, every: int) -> tuple[Watched, Shelf]:
    """`n` days of the stand-in venue, ingested every so often (ms) as its clock goes, and watched."""
    place, watched, clock = shelf(root, tf), Watched(), [day_start(FIRST_DAY) + DAY]
    with SimVenue(RESTLESS, lambda: clock[0]) as venue:
        source = sim_source(venue.url)
        while clock[0] <= day_start(FIRST_DAY) + n * DAY + 12 * HOUR:
            clock[0] += MINUTE
            last = datetime.fromtimestamp(clock[0] / 1000, UTC).date() - timedelta(days=1)
            run(source, place, days_between(FIRST_DAY, last), clock[0], CHOICE)
            watched.look(place)
            clock[0] += every
    return watched, place


def told(root: Path) -> list[Change]:
    with catalog.opened(root) as lake:
        rows = lake.sql('SELECT epoch_ms(ts) AS ts, "column", old, new FROM revisions').to_arrow_table().to_pylist()
    return [(row["ts"], row["column"], row["old"], row["new"]) for row in rows]


def in_order(changes: list[Change]) -> list[str]:
    def number(value: float | None) -> float | None:
        return None if value is None else float(value)

    return sorted(repr((ts, name, number(old), number(new))) for ts, name, old, new in changes)


def is_as_watched(watched: Watched, place: Shelf, instants: int) -> int:
    """Every change found, none invented; so many random instants as copied then; and first values as first seen."""
    assert watched.changes
    assert in_order(told(place.root)) == in_order(watched.changes)
    chosen = np.random.default_rng(1).choice(len(watched.copies), min(instants, len(watched.copies)), replace=False)
    for i in chosen.tolist():
        when, copy = watched.copies[i]
        assert lakes.day_folders(frozen(place.root, when).root) == copy
    seen = shelf(frozen(place.root, FIRST).root, place.tf.name)
    first = {
        cell: value
        for day in seen.days_on_disk()
        for cell, value in _cells(days.need(seen, day).table()).items()
        if value is not None and cell[1] != "bar"
    }
    assert first == watched.first
    return len(chosen)


@pytest.fixture
def root() -> Iterator[Path]:
    with lakes.scratch() as where:
        yield where


def test_every_change_of_a_restless_venue_is_found_and_none_invented(root: Path) -> None:
    watched, place = lived(root, "1h", n=3, every=8 * HOUR)
    assert is_as_watched(watched, place, 4) == 4


@pytest.mark.long
@pytest.mark.parametrize("tf", ["1h", "5m"])
def test_a_month_of_a_restless_venue_is_told_to_the_last_cell(root: Path, tf: str) -> None:
    watched, place = lived(root, tf, n=31, every=7 * HOUR)
    instants = is_as_watched(watched, place, 100)
    print(f"a month of {tf}: {len(watched.changes):,} changes told, none more; {instants} instants byte for byte")
    assert instants >= 100


def test_a_refresh_that_finds_nothing_new_does_nothing_for_revisions(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted, now = days_between(FIRST_DAY, FIRST_DAY + timedelta(days=1)), day_start(FIRST_DAY) + 3 * DAY
    with SimVenue(CALM, lambda: now) as venue:
        source = sim_source(venue.url)
        run(source, shelf(root), wanted, now)
        monkeypatch.setattr(revisions, "kept", lambda *args: pytest.fail("nothing changed, and something is kept"))
        monkeypatch.setattr(days, "read", lambda *args: pytest.fail("nothing changed, and a part is read"))
        summary = run(source, shelf(root), wanted, now)
    assert summary.unchanged == 2 and not (root / revisions.FOLDER).exists()


def test_a_restated_value_names_the_bodies_it_came_from(root: Path) -> None:
    wanted, now = [FIRST_DAY], day_start(FIRST_DAY) + DAY + MINUTE
    clock = [now]
    with SimVenue(HEALTHY, lambda: clock[0]) as venue:
        source = sim_source(venue.url)
        run(source, shelf(root), wanted, clock[0])
        clock[0] += 2 * DAY
        run(source, shelf(root), wanted, clock[0], Choice(workers=2, refresh_tail=1, force=True))
    known = {answer.sha256: answer.series for answer in raw.lines(root) if isinstance(answer, raw.Answer)}
    with catalog.opened(root) as lake:
        rows = lake.sql('SELECT "column", body FROM revisions').fetchall()
    assert rows and all(body and all(sha in known for sha in body.split()) for _, body in rows)
    assert {known[sha] for name, body in rows if name == "close" for sha in body.split()} <= {"price"}
