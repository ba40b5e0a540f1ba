"""What would an ingest cost? Told before anything is fetched."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass

from lake import days, settings
from lake.layout import Shelf
from lake.span import Span
from meta.timeframes import DAY
from p1_ingest import venues
from p1_ingest.http import Sender
from p1_ingest.sources.base import Request, Source
from p1_ingest.wanted import Choice, chunks, code, to_ask, wanted_days, within_plan

BYTES_A_BAR = {"json": 110, "zip": 45, "text": 45}  # as measured: rows of JSON, and of compressed CSV
SECONDS_A_REQUEST = 0.35  # a round trip to a far venue, where no limit says otherwise


@dataclass(frozen=True)
class Plan:
    """What an ingest would ask for: requests and days, bytes and minutes by estimate, and the plan's own limit."""

    symbol: str
    tf: str
    days: int
    committed: int
    requests: int
    bytes: int
    minutes: float
    limits: str

    def line(self) -> str:
        """How is it told to people?"""
        told = f"{self.symbol} {self.tf}: would ask for {self.days} days ({self.committed} more are committed): "
        told += f"{self.requests} requests, about {self.bytes / 1e6:.1f} MB, about {self.minutes:.1f} minutes"
        return told + (f"; {self.limits}" if self.limits else "")

    def data(self) -> dict[str, object]:
        """How is it told to machines?"""
        return asdict(self)


def planned(source: Source, sender: Sender, shelf: Shelf, span: Span, choice: Choice) -> Plan:
    """What would this ingest ask for? Only the plan's limits are fetched. Raises VenueRefused."""
    now = venues.now_ms()
    wanted = wanted_days(source, span, now, settings.lake_conf().days)
    wanted, limits = within_plan(source, sender, shelf.tf, wanted, now)
    asked = to_ask(days.committed(shelf), wanted, choice, code(source, shelf.symbol, shelf.tf))
    requests = [
        request
        for chunk in chunks(asked)
        for one in source.series(shelf.symbol, shelf.tf)
        for request in source.ask(one, shelf.symbol, shelf.tf, chunk)
    ]
    size = sum((r.end - r.start) / DAY * shelf.tf.per_day * BYTES_A_BAR[r.expects] for r in requests)
    committed = len(wanted) - len(asked)
    minutes = _minutes(sender, requests, choice.workers)
    return Plan(shelf.symbol, shelf.tf.name, len(asked), committed, len(requests), int(size), minutes, limits)


def _minutes(sender: Sender, requests: list[Request], workers: int) -> float:
    """How long by the venue's limits, or by round trips where they are slower?"""
    weights = Counter[str]()
    for request in requests:
        weights[request.pool or request.host] += request.weight
    limited = [weight / sender.budget(pool).limit for pool, weight in weights.items() if sender.budget(pool).limit]
    return max([len(requests) * SECONDS_A_REQUEST / workers / 60, *limited])
