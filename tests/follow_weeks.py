"""A follower that lives through days in minutes, in a process of its own.

    python -m tests.follow_weeks ROOT URL CLOCK UNTIL TF SYMBOLS

CLOCK is a file of eight bytes: the time (UTC ms), which the venue in the other process goes by too. Bars go to
ROOT/heard.jsonl, and each simulated noon one line of JSON with the process's memory to standard output.
"""

from __future__ import annotations

import gc
import json
import mmap
import struct
import sys
from dataclasses import replace
from pathlib import Path

from meta.timeframes import DAY, HOUR
from p1_ingest.sources.coinglass import sim_source
from p1_ingest.voice import Voice
from tests.follows import Fast, Heard, follow, shelf


class Cell:
    """A time (UTC ms) in a file that several processes share."""

    def __init__(self, path: Path, ms: int | None = None) -> None:
        if ms is not None:
            path.write_bytes(struct.pack("<q", ms))
        with path.open("r+b") as file:
            self._bytes = mmap.mmap(file.fileno(), 8)

    def __call__(self) -> int:
        return int(struct.unpack("<q", self._bytes[:8])[0])

    def set(self, ms: int) -> None:
        self._bytes[:8] = struct.pack("<q", ms)


class Told(Fast):
    """A clock that tells a shared one, and of each noon."""

    def __init__(self, cell: Cell, until: int) -> None:
        super().__init__(cell(), until)
        self._cell = cell

    def sleep(self, seconds: float) -> None:
        before = self.ms
        super().sleep(seconds)
        self._cell.set(self.ms)
        if (self.ms - 12 * HOUR) // DAY != (before - 12 * HOUR) // DAY:
            gc.collect()
            print(json.dumps({"noon": self.ms, "rss": resident()}), flush=True)


class Kept(Heard):
    """What was heard goes to a file at once: memory is what is measured here."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._file = path.open("ab", buffering=0)

    def voice(self) -> Voice:
        quiet = replace(super().voice(), say=lambda line: None, bar=lambda line: None, emit=self._file.write)
        return replace(quiet, changed=lambda *said: None)


def resident() -> int:
    """How many bytes of memory does this process hold?"""
    return int(Path("/proc/self/statm").read_text().split()[1]) * mmap.PAGESIZE


def main(root: str, url: str, cell: str, until: str, tf: str, symbols: str) -> None:
    """Follow until the time is over."""
    source, clock = sim_source(url), Told(Cell(Path(cell)), int(until))
    source.settle_lag_ms = 2 * HOUR
    places = [shelf(Path(root), tf, symbol) for symbol in symbols.split(",")]
    follow(source, places, clock, Kept(Path(root) / "heard.jsonl"), before="sim")


if __name__ == "__main__":
    main(*sys.argv[1:])
