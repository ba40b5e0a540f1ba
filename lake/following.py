"""What does `follow` say of itself? One small JSON file a symbol, for `lake status` and for whoever watches over it."""

from __future__ import annotations

from pathlib import Path

import msgspec

from lake import disk, regular
from lake.layout import Shelf
from meta.errors import PerplakeError
from meta.timeframes import MINUTE, timeframe, utc

FOLDER = "follow"
SILENT = 5 * MINUTE  # without a sign of life for so long it is taken for dead
BEHIND = 3  # bars, and as many minutes as SILENT, without an answer of the venue
ENDED, FAILED = "ended", "failed"


class Told(msgspec.Struct, frozen=True):
    """How it stands with one followed symbol; instants in UTC ms, 0 for never.

    state : following, waiting or failed (why stands in `trouble`), or ended, on purpose. beat : when this was written.
    answered : when the venue last was. lag_ms : how long after its close the newest bar was known. live : bars not
    committed yet.
    """

    tf: str
    symbol: str
    source: str
    pid: int
    host: str
    started: int
    beat: int
    state: str
    last_bar: int = 0
    lag_ms: int = 0
    answered: int = 0
    live: int = 0
    bars: int = 0
    restated: int = 0
    errors: int = 0
    trouble: str = ""
    committed: str = ""

    def line(self, now: int) -> str:
        """How is it told to people?"""
        name = f"{self.tf} {self.symbol}"
        last = f"last bar {utc(self.last_bar)}" if self.last_bar else "no bar yet"
        known = f", known {self.lag_ms / 1000:.1f} s after its close" if self.last_bar else ""
        wrong = self.unwell(now)
        how = f"ended {utc(self.beat)}; " if self.state == ENDED else f"NOT WELL, {wrong}; " if wrong else ""
        told = f"follow {name}: {how}{last}{known}; {self.live} bars in live/"
        counts = f"{self.bars:,} bars, {self.restated:,} restated, {self.errors:,} errors since {utc(self.started)}"
        return f"{told}, {counts}, from {self.source}, pid {self.pid} on {self.host}"

    def unwell(self, now: int) -> str:
        """Why is this symbol not being kept up with just now (UTC ms)? "" where it is."""
        if self.state in (ENDED, FAILED):
            return f"it {self.state} {utc(self.beat)}" + (f": {self.trouble}" if self.state == FAILED else "")
        if now - self.beat > SILENT:
            return f"no sign of life since {utc(self.beat)}"
        if now - max(self.answered, self.started) > BEHIND * timeframe(self.tf).ms + SILENT:
            since = f"since {utc(self.answered)}" if self.answered else "yet"
            return f"no answer {since}" + (f": {self.trouble}" if self.trouble else "")
        return ""


def path(shelf: Shelf) -> Path:
    """Where is this symbol's file?"""
    return shelf.root / ".lake" / FOLDER / f"{shelf.tf}~{shelf.symbol}.json"


def tell(shelf: Shelf, told: Told) -> None:
    """Say how it stands. It need not outlive a power cut: who says it does so every minute."""
    disk.write_loose(path(shelf), msgspec.json.encode(told) + b"\n")


def read(shelf: Shelf) -> Told | None:
    """What was said last? None where nothing was, or nothing that can be read."""
    return _read(path(shelf))


def all_of(root: Path) -> list[Told]:
    """What is said of every symbol that was ever followed in this lake?"""
    found = [_read(place) for place in sorted((root / ".lake" / FOLDER).glob("*.json"))]
    return [told for told in found if told is not None]


def _read(place: Path) -> Told | None:
    try:
        told = msgspec.json.decode(regular.read(place), type=Told)
        told.line(0)  # of instants and a timeframe that can be told
    except (OSError, PerplakeError, msgspec.MsgspecError, UnicodeDecodeError, ValueError, OverflowError):
        return None
    return told
