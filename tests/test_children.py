"""What the harnesses run in processes of their own comes from a clean one, and never keeps a test waiting."""

from __future__ import annotations

import os
import signal
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from tests import children, crash, lakes
from tests.tap import EXCHANGE


def threads_of_parent() -> int:
    return len(os.listdir(f"/proc/{os.getppid()}/task"))


def silent(pipe: Connection) -> None:
    signal.pause()


def silent_run(root: Path) -> None:
    signal.pause()


def deaf(pipe: Connection) -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM])
    signal.pause()


def dying(pipe: Connection) -> None:
    os._exit(7)


def seen_of(name: str) -> str | None:
    return os.environ.get(name)


def test_a_child_is_forked_from_a_process_of_one_thread() -> None:
    lakes.a_day()  # libraries at work here
    assert children.answer(threads_of_parent) == 1


def test_a_child_knows_the_environment_of_its_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    for value in ("one", "two"):
        monkeypatch.setenv("PERPLAKE_LAKE", value)
        assert children.answer(seen_of, "PERPLAKE_LAKE") == value
    assert children.answer(seen_of, "OPENBLAS_NUM_THREADS") == os.environ.get("OPENBLAS_NUM_THREADS")


def test_a_child_that_does_not_answer_is_killed_and_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(children, "GRACE", 0.5)
    for work, told in ((silent, "was killed after 0.2 s"), (deaf, "ended with -9"), (dying, "ended with 7")):
        with children.running(work, longest=0.2) as child, pytest.raises(children.Lost, match=told):
            child.said()


def test_a_struck_command_that_hangs_is_a_fault_the_harness_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(children, "LONGEST", 0.2)
    ended, _ = crash.strike(silent_run, tmp_path, None, EXCHANGE, forked=True)
    assert ended == "fault: the child said nothing and was killed after 0.2 s"
