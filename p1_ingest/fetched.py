"""What was said about some days, and how far each series has answered for each of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from enum import IntEnum

from p1_ingest.record import Evidence
from p1_ingest.sources.base import Answer


class State(IntEnum):
    """How far a series has answered for a day; where several requests serve one day the highest stands."""

    NOT_OFFERED = 0
    ANSWERED = 1
    WAITS = 2
    FAILED = 3


@dataclass
class Fetched:
    """What was said about some days.

    answers : series -> settled answers; states : (series, day) -> State; reasons : why a day waits or failed
    bodies : day -> series -> sha256 of the bodies that say something of it
    whole : series -> its answers together; twice : series -> days that were believed when they were said twice
    doubted : (series, day) whose two sayings differ
    unheard : of these, the days that failed for want of any answer: asking again may mend that
    """

    answers: dict[str, list[Answer]]
    states: dict[tuple[str, date], State]
    reasons: dict[date, str] = field(default_factory=dict)
    notes: Counter[str] = field(default_factory=Counter)
    bodies: dict[date, dict[str, list[str]]] = field(default_factory=dict)
    whole: dict[str, Answer] = field(default_factory=dict)
    twice: Counter[str] = field(default_factory=Counter)
    doubted: set[tuple[str, date]] = field(default_factory=set)
    unheard: set[date] = field(default_factory=set)

    def evidence(self, day: date) -> Evidence:
        """What is a day made of?"""
        told = [a for said in self.answers.values() for a in said if (a.note or a.counts) and a.has(day)]
        notes = sorted({f"{a.series}: {a.note}" for a in told if a.note})
        counts = Counter({f"{a.series}: {why}": n for a in told for why, n in a.counts.items() if n})
        return Evidence(self.bodies.get(day, {}), notes, counts)

    def state(self, day: date, names: Iterable[str]) -> State:
        """How far is this day answered, over these series?"""
        return max((self.states.get((name, day), State.FAILED) for name in names), default=State.FAILED)

    def waits_for(self, day: date) -> set[str]:
        """Which series are not published yet for this day?"""
        waits = {name for (name, asked), state in self.states.items() if asked == day and state is State.WAITS}
        return {name for name in waits if (name, day) not in self.doubted}

    def give_up(self, day: date, names: Iterable[str]) -> None:
        """Take these series for not offered on this day: what waits for them would wait for ever."""
        self.states |= {(name, day): State.NOT_OFFERED for name in names}

    def doubt(self, name: str, day: date, why: str) -> None:
        """Have the day wait: what this series says of it is not believed."""
        self.states[name, day] = State.WAITS
        self.doubted.add((name, day))
        self.reasons.setdefault(day, why)

    def not_offered(self, day: date) -> list[str]:
        """Which series does the venue not offer for this day?"""
        return sorted(
            name for (name, asked), state in self.states.items() if asked == day and state is State.NOT_OFFERED
        )
