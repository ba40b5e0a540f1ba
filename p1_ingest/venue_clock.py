"""What time is it at the venue? A bar that has closed by a clock ahead of the venue's is still running there."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime

SECOND = 1000  # ms: what a Date header does not tell
HEARD, ENOUGH = 16, 4  # replies; the quickest of them is the nearest to the truth
WORTH_TELLING = 2 * SECOND


class VenueClock:
    """This machine's clock (UTC ms), or the venue's where this one is ahead, by the Date headers of its replies."""

    def __init__(self, now: Callable[[], int], say: Callable[[str], object]) -> None:
        self._now, self._say = now, say
        self._heard: deque[int] = deque(maxlen=HEARD)
        self._told = False

    def __call__(self) -> int:
        """What time is it?"""
        return self._now() - self.ahead

    def local(self) -> int:
        """What time is it by this machine's clock?"""
        return self._now()

    @property
    def ahead(self) -> int:
        """By how much is this machine's clock ahead at least (ms)? 0 where it is not, or nobody said."""
        return max(min(self._heard, default=0), 0) if len(self._heard) >= ENOUGH else 0

    def hear(self, headers: Mapping[str, str]) -> None:
        """Take in what a reply's headers (names in lower case) say; one that a cache gave tells of another time."""
        try:
            sent = round(parsedate_to_datetime(headers.get("date", "")).timestamp() * 1000)
        except (ValueError, OverflowError):
            return
        if "age" in headers:
            return
        self._heard.append(self._now() - sent - SECOND)
        if self.ahead > WORTH_TELLING and not self._told:
            self._told = True
            self._say(f"this clock is {self.ahead / 1000:.0f} s ahead of the venue's; bars are taken by the venue's")
