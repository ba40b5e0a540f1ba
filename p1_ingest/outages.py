"""A host that is down is soon asked no more: a run ends in a minute and one line, not in an hour of tries."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from meta.errors import Retryable

GIVEN_UP = 3  # requests in a row, each after all its tries, after which a host is taken to be down
PROBE = 60.0  # seconds after which one try may look whether it is up again: a live feed goes on for weeks
PATIENCE = 2  # failed tries of one request after which people are told what is waited for


@dataclass
class _State:
    in_a_row: int = 0
    told: bool = False
    line: str = ""  # why it is taken to be down
    probe_at: float = 0.0


class Outages:
    """What is known of hosts that do not answer. Threads may share it.

    tell : hears one line when a host is waited for, and nothing more of it until it answers. probe : see PROBE.
    """

    def __init__(self, tell: Callable[[str], None], clock: Callable[[], float], probe: float = PROBE) -> None:
        self._tell, self._clock, self._probe = tell, clock, probe
        self._states, self._lock = dict[str, _State](), threading.Lock()

    def check(self, host: str) -> None:
        """May this host be asked? Raises Retryable while it is taken to be down, but for a try now and then."""
        with self._lock:
            state = self._states.get(host)
            if state is None or not state.line:
                return
            if self._clock() < state.probe_at:
                raise Retryable(state.line)
            state.probe_at = self._clock() + self._probe

    def tried(self, host: str, number: int, most: int, why: str) -> None:
        """A request's try number `number` of `most` found no answer."""
        with self._lock:
            state = self._states.setdefault(host, _State())
            tell, state.told = number >= PATIENCE and number < most and not state.told, state.told or number >= PATIENCE
        if tell:
            self._tell(f"{why}: {number} tries so far, waiting and asking again, {most} times at most")

    def gave_up(self, host: str, why: str) -> None:
        """A request was given up, after all its tries."""
        with self._lock:
            state = self._states.setdefault(host, _State())
            state.in_a_row += 1
            if state.in_a_row >= GIVEN_UP and not state.line:
                state.line = (
                    f"{host} is down: {state.in_a_row} requests in a row were given up, so no more are made now"
                )
                state.line += f" ({why}); run the same command again later"
                state.probe_at = self._clock() + self._probe

    def answered(self, host: str) -> None:
        """The host answered, whatever it said."""
        with self._lock:
            self._states.pop(host, None)
