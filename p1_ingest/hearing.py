"""What is kept of what a followed venue says: the answers that days are made of, and the time."""

from __future__ import annotations

from pathlib import Path

from p1_ingest.record import Record
from p1_ingest.sources.base import Reply, Request
from p1_ingest.venue_clock import VenueClock


class Hearing(Record):
    """A record that listens while days are promoted: looks are not kept, their bars are asked for again by the day."""

    def __init__(self, root: Path, source: str, clock: VenueClock) -> None:
        super().__init__(root, source, clock)
        self.clock, self.listens = clock, False

    def heard(self, request: Request, body: bytes, reply: Reply) -> None:
        """Keep an accepted answer, while listening; what it says of the time is heard in any case."""
        self.clock.hear(reply.headers)
        if self.listens:
            super().heard(request, body, reply)

    def failed(self, request: Request, why: str) -> None:
        """Keep that no answer was accepted, while listening."""
        if self.listens:
            super().failed(request, why)
