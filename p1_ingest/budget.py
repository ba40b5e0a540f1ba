"""How much may be asked of a venue in a minute, by what it says in its headers and by our own count."""

from __future__ import annotations

import re
import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass

LIMIT_HEADERS = ("api-key-max-limit",)
USED_HEADERS = ("api-key-use-limit", "x-mbx-used-weight-1m")
LONG = 10.0  # seconds of waiting that people are told of
WHOLE = re.compile(r"[0-9]{1,7}")


@dataclass(frozen=True)
class Pool:
    """A venue's limit: `limit` weights in any `seconds`; 0 is no limit until a header names one.

    apart : seconds between two requests, at least.
    """

    limit: int = 0
    seconds: float = 60.0
    heard: bool = True  # False for pools that the venue's used-weight header does not count
    apart: float = 0.0


class Budget:
    """One pool's spending, shared by all threads; `tell` hears of long waits, once each."""

    def __init__(
        self,
        pool: Pool,
        name: str = "",
        *,
        clock: Callable[[], float],
        sleep: Callable[[float], object],
        tell: Callable[[str], None] = lambda line: None,
    ) -> None:
        self.limit = pool.limit
        self._name, self._tell, self._told_until = name, tell, float("-inf")
        self._pool = pool
        self._clock = clock
        self._sleep = sleep
        self._lock = threading.Lock()
        self._spent: deque[tuple[float, int]] = deque()
        self._heard = (float("-inf"), 0)  # when the venue last told, and what it had counted
        self._since = 0  # what was sent after that
        self._closed_until = float("-inf")

    def take(self, weight: int = 1) -> float:
        """Wait until `weight` may be sent, count it, and say how many seconds that took."""
        began = self._clock()
        while True:
            with self._lock:
                now = self._clock()
                wait = self._wait(now, weight)
                if wait <= 0:
                    self._spent.append((now, weight))
                    self._closed_until = max(self._closed_until, now + self._pool.apart)
                    self._since += weight
                    return now - began
                tell = wait >= LONG and now >= self._told_until
                self._told_until = now + wait if tell else self._told_until
            if tell:
                self._tell(f"{self._name}: waiting {wait:.0f} s, by its limit of {self._limited()}")
            self._sleep(wait + 0.001)  # or rounding could leave a wait too small to move the clock

    def hold(self, seconds: float) -> None:
        """Let nobody send for this long: the venue asked one of us to wait."""
        with self._lock:
            self._closed_until = max(self._closed_until, self._clock() + seconds)

    def hear(self, headers: Mapping[str, str]) -> None:
        """Take in what a reply's headers (names in lower case) say of the limit; odd values say nothing."""
        limit = _whole(headers, LIMIT_HEADERS)
        used = _whole(headers, USED_HEADERS)
        if not self._pool.heard:
            return
        with self._lock:
            if limit:
                self.limit = limit
            if used is not None:
                self._heard, self._since = (self._clock(), used), 0

    def _limited(self) -> str:
        return f"{self.limit} in {self._pool.seconds:g} s" if self.limit else "its own"

    def _wait(self, now: float, weight: int) -> float:
        """Seconds until `weight` fits; 0 where it fits now."""
        window = self._pool.seconds
        while self._spent and now - self._spent[0][0] >= window:
            self._spent.popleft()
        held = self._closed_until - now
        if not self.limit:
            return held
        room = self.limit - min(weight, self.limit)
        at, used = self._heard
        if now - at < window and used + self._since > room:
            held = max(held, at + window - now)
        return max(held, self._own_wait(now, room))

    def _own_wait(self, now: float, room: int) -> float:
        left = sum(weight for _, weight in self._spent)
        for at, weight in self._spent:
            if left <= room:
                return 0.0
            left -= weight
            until = at + self._pool.seconds - now
            if left <= room:
                return until
        return 0.0


def _whole(headers: Mapping[str, str], names: tuple[str, ...]) -> int | None:
    for name in names:
        value = headers.get(name, "").strip()
        if value.isascii() and WHOLE.fullmatch(value):
            return int(value)
    return None
