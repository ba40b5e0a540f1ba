"""A venue that does not answer is told of when it begins and when it is over, and not in between."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass
class Silence:
    """Which symbols is the venue not answering for, and since when (UTC ms)?"""

    say: Callable[[str], object]
    since: dict[str, int] = field(default_factory=dict)

    def failed(self, name: str, why: str, now: int, again: int) -> None:
        """The venue did not answer for this symbol; it is asked again at `again` (UTC ms)."""
        if not self.since:
            fact = why.partition(";")[0]  # what to do next is our business here
            self.say(
                f"{name}: {fact}; asked again in {(again - now) / 1000:.0f} s, then less and less often, "
                "and what was missed is caught up with (said once)"
            )
        self.since.setdefault(name, now)

    def well(self, name: str, now: int) -> None:
        """The venue did answer for this symbol."""
        began = self.since.pop(name, None)
        if began is not None and not self.since:
            self.say(f"{name}: answered again, after {_long(now - began)}")


def _long(ms: int) -> str:
    minutes, seconds = divmod(max(ms, 0) // 1000, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {seconds} s" if minutes else f"{seconds} s"
