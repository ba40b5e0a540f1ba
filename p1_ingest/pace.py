"""When is a venue looked at? Once a bar has closed and a little more, each symbol at a moment of its own."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from meta.timeframes import Timeframe

SPREAD = 5_000  # ms over which symbols are spread, so that a venue is not asked for all of them at once
AGAIN = 5_000  # ms to the second look for a bar that is not there yet, or not whole
FIRST_WAIT, LONGEST_WAIT = 5_000, 300_000  # ms between two tries where the venue does not answer: doubled each time


@dataclass(frozen=True)
class Pace:
    """One symbol's moments. lag : ms after each close. patience : ms for which a bar that lacks something is waited
    for. Clock times are UTC ms."""

    symbol: str
    tf: Timeframe
    lag: int
    patience: int

    @property
    def after_close(self) -> int:
        """How long after a close is it looked for (ms)? The same for a symbol at every bar and in every run."""
        word = hashlib.blake2b(f"{self.tf}~{self.symbol}".encode(), digest_size=8).digest()
        spread = min(SPREAD, self.tf.ms // 10)
        return self.lag + int.from_bytes(word, "big") % spread

    def due(self, now: int) -> int:
        """Which is the newest close that should be known by now?"""
        return (now - self.after_close) // self.tf.ms * self.tf.ms

    def next(self, now: int) -> int:
        """When is the next close looked for?"""
        return self.due(now) + self.tf.ms + self.after_close

    def is_patient(self, now: int) -> bool:
        """May the newest bar still be waited for?"""
        return now < self.due(now) + self.after_close + min(self.patience, self.tf.ms // 2)

    def soon(self, now: int) -> int:
        """When is it looked at again for the newest bar? After 5, 10, 20 … s."""
        return now + max(AGAIN, now - self.due(now) - self.after_close)

    def again(self, now: int, failures: int) -> int:
        """When is the venue tried again after so many failures in a row?"""
        wait = min(FIRST_WAIT << min(failures - 1, 10), LONGEST_WAIT)
        return now + wait + self.after_close % max(wait // 4, 1)
