"""An answer that takes too long is hung up on, whatever else is under way."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest

from p1_ingest.deadlines import Deadlines

LONG = 60.0


@pytest.fixture
def deadlines() -> Iterator[Deadlines]:
    made = Deadlines()
    yield made
    made.close()


def hung_up(deadlines: Deadlines, seconds: float) -> bool:
    """Read from somebody who says nothing, for so long at most; the socket's own timeout would be an error."""
    mine, theirs = socket.socketpair()
    with mine, theirs, deadlines.within(seconds) as deadline:
        deadline.lines.append(mine)
        mine.settimeout(LONG)
        return mine.recv(1) == b"" and deadline.passed.is_set()


def test_a_reader_is_woken_when_its_time_is_over(deadlines: Deadlines) -> None:
    assert hung_up(deadlines, 0.02) and hung_up(deadlines, 0.02)


def test_a_short_deadline_is_kept_while_longer_ones_are_watched(deadlines: Deadlines) -> None:
    with deadlines.within(LONG) as long:
        assert hung_up(deadlines, 0.02)
        assert not long.passed.is_set()


def test_what_is_over_in_time_is_left_alone(deadlines: Deadlines) -> None:
    mine, theirs = socket.socketpair()
    with mine, theirs:
        with deadlines.within(0.02) as deadline:
            deadline.lines.append(mine)
        assert hung_up(deadlines, 0.05) and not deadline.passed.is_set()
        theirs.sendall(b"x")
        assert mine.recv(1) == b"x"


def test_many_threads_have_a_deadline_each(deadlines: Deadlines) -> None:
    found: list[bool] = []
    threads = [threading.Thread(target=lambda: found.append(hung_up(deadlines, 0.02))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [True] * 8


def test_a_watch_that_is_gone_is_set_up_again(deadlines: Deadlines) -> None:
    """As in a process that was forked: its parent's threads are not there."""
    gone = threading.Thread(target=lambda: None)
    gone.start()
    gone.join()
    deadlines._thread, deadlines._wakes = gone, 0.0
    assert hung_up(deadlines, 0.02)
