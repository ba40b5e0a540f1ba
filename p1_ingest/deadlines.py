"""Hang up on an answer that takes too long in all: a venue that drips bytes never trips a timeout between two reads."""

from __future__ import annotations

import contextlib
import itertools
import math
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Deadline:
    """One request's: `lines` are the connections and sockets it uses, `passed` is set once they were hung up."""

    at: float
    lines: list[Any] = field(default_factory=list)
    passed: threading.Event = field(default_factory=threading.Event)

    def hang_up(self) -> None:
        """Close what the request is reading from."""
        self.passed.set()
        for line in self.lines:
            sock = getattr(line, "sock", line)
            if isinstance(sock, socket.socket):
                with contextlib.suppress(OSError):  # it had hung up already
                    # Not SSLSocket.shutdown, which would have the reader take the ciphertext for the body.
                    socket.socket.shutdown(sock, socket.SHUT_RDWR)


class Deadlines:
    """Watches the deadlines of all requests under way, in one thread: a timer for each took a sixth of a request."""

    def __init__(self) -> None:
        self._under_way: dict[int, Deadline] = {}
        self._changed = threading.Condition()
        self._numbers = itertools.count()
        self._wakes = math.inf
        self._thread: threading.Thread | None = None
        self._closed = False

    @contextmanager
    def within(self, seconds: float) -> Iterator[Deadline]:
        """Hang up on what this block puts into the deadline's lines, should it take longer."""
        number, deadline = next(self._numbers), Deadline(time.monotonic() + seconds)
        with self._changed:
            self._under_way[number] = deadline
            if self._thread is None or not self._thread.is_alive():  # in a forked process the thread is gone
                self._wakes = math.inf
                self._thread = threading.Thread(target=self._watch, daemon=True)
                self._thread.start()
            if deadline.at < self._wakes:
                self._changed.notify()
        try:
            yield deadline
        finally:
            with self._changed:
                self._under_way.pop(number, None)

    def close(self) -> None:
        """Let the thread end."""
        with self._changed:
            self._closed = True
            self._changed.notify()

    def _watch(self) -> None:
        with self._changed:
            while not self._closed:
                now = time.monotonic()
                for number, deadline in list(self._under_way.items()):
                    if deadline.at <= now:
                        del self._under_way[number]
                        deadline.hang_up()
                self._wakes = min((one.at for one in self._under_way.values()), default=math.inf)
                self._changed.wait(None if self._wakes == math.inf else max(self._wakes - now, 0.0))
