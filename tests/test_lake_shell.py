"""The shell answers statement after statement, whoever types them, and one that fails ends nothing."""

from __future__ import annotations

import contextlib
import io
import os
import pty
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from lake import catalog, shell
from lake.commands import commands
from lake.ending import status
from tests import lakes

PROJECT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def root() -> Iterator[Path]:
    with lakes.scratch() as where:
        lakes.committed(lakes.a_shelf(where), lakes.the_days(2))
        yield where


@pytest.fixture
def typed(root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):  # type: ignore[no-untyped-def]
    def run(text: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "stdin", io.StringIO(text))
        code = status(commands, "lake", ["shell", "--lake", str(root)])
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


def test_a_statement_may_go_over_lines_and_a_line_may_hold_several(typed) -> None:  # type: ignore[no-untyped-def]
    code, out, _ = typed(".mode csv\nSELECT count(*) AS n\n\nFROM bars_1h;\nSELECT 2 AS b; SELECT 3 AS c;\n")
    assert code == 0 and out.split() == ["n", "48", "b", "2", "c", "3"]


def test_a_semicolon_in_quotes_or_a_comment_ends_nothing(typed) -> None:  # type: ignore[no-untyped-def]
    code, out, _ = typed(".mode csv\nSELECT ';' AS a, -- no;\n 'b;\n;' AS \"c;\" /* ; */\n;")
    assert code == 0 and out.splitlines() == ["a,c;", ';,"b;', ';"']


def test_what_is_left_at_the_end_is_a_statement_too(typed) -> None:  # type: ignore[no-untyped-def]
    code, out, _ = typed(".mode json\nSELECT 7 AS n")
    assert code == 0 and out == '[{"n":7}]\n'


def test_a_failure_is_one_line_the_rest_is_answered_and_the_exit_code_tells(typed) -> None:  # type: ignore[no-untyped-def]
    code, out, err = typed(".mode csv\nSELECT nothing;\nDROP VIEW bars_1h;\nSELECT count(*) AS n FROM bars_1h;\n")
    assert code == 2 and out.split() == ["n", "48"]
    assert len([line for line in err.splitlines() if line.startswith("error: ")]) == 2


def test_dot_commands_tell_and_choose(typed) -> None:  # type: ignore[no-untyped-def]
    code, out, _ = typed(".help\n.views\n.columns bars_1h\n.rows 2\nFROM range(9);\n.quit\nSELECT 'never';\n")
    assert code == 0 and ".columns VIEW" in out and "bar_open" in out and "never" not in out
    assert "\u00b7" in out, "rows are left out"


@pytest.mark.parametrize("line", [".nothing", ".mode parquet", ".rows 0", ".rows x", ".columns"])
def test_an_unknown_dot_command_says_where_to_look(typed, line: str) -> None:  # type: ignore[no-untyped-def]
    code, _, err = typed(f"{line}\n")
    assert code == 2 and "see .help" in err


def test_an_interrupt_drops_what_was_typed_and_the_session_goes_on(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines: list[str | type[BaseException]] = ["SELECT nonsense", KeyboardInterrupt, ".mode csv", "SELECT 5 AS n;"]

    def read(_: str) -> str:
        if not lines:
            raise EOFError
        line = lines.pop(0)
        if isinstance(line, str):
            return line
        raise line

    assert shell.Shell(root).run(read) == 0
    assert capsys.readouterr().out.split() == ["n", "5"]


def test_an_interrupt_of_a_query_ends_the_query_and_not_the_session(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = iter(["SELECT sum(hash(range)) FROM range(200000000);", ".mode csv", "SELECT 5 AS n;", ".quit"])
    key = threading.Timer(0.1, signal.raise_signal, [signal.SIGINT])

    def read(prompt: str) -> str:
        if key.ident is None:
            key.start()
        else:
            key.join()  # the signal has come, if only here
        return next(lines)

    assert shell.Shell(root).run(read) == 0
    told = capsys.readouterr()
    assert told.out.split()[-2:] == ["n", "5"] and told.err.strip() in ("interrupted", "")


def test_the_prompt_tells_whether_a_statement_goes_on(root: Path) -> None:
    prompts: list[str] = []
    lines = iter(["SELECT", "1;", ".quit"])
    shell.Shell(root).run(lambda prompt: prompts.append(prompt) or next(lines))
    assert prompts == [shell.FRESH, shell.GOES_ON, shell.FRESH]


def test_at_a_terminal_lines_are_edited_names_completed_and_kept(root: Path) -> None:
    pytest.importorskip("readline")
    with _terminal(root) as (child, fd):
        _until(fd, shell.FRESH)
        os.write(fd, b"SELECT count(*) FROM bars_x\x7f\t;\n")  # a mistyped letter taken back, the rest completed
        _until(fd, "48", shell.FRESH)  # between two prompts Ctrl-D would be read as an empty character, and end nothing
        os.write(fd, b"\x04")
        while _some(fd):
            pass
        assert child.wait(timeout=60) == 0
    kept = catalog.path_for(root).with_suffix(".history")
    assert "SELECT count(*) FROM bars_1h" in kept.read_text()


@contextlib.contextmanager
def _terminal(root: Path) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """The shell in a process of its own at a terminal of its own, and the other end of that."""
    master, slave = pty.openpty()
    line, plain = [sys.executable, "-m", "lake", "shell", "--lake", str(root)], {**os.environ, "TERM": "dumb"}
    child = subprocess.Popen(line, cwd=PROJECT, stdin=slave, stdout=slave, stderr=slave, env=plain)
    os.close(slave)
    try:
        yield child, master
    finally:
        child.kill()
        child.wait()
        os.close(master)


def _until(fd: int, *texts: str) -> None:
    """Read until these were said, one after the other."""
    said = ""
    for text in texts:
        while text not in said:
            piece = _some(fd)
            assert piece, f"no {text!r} in {said!r}"
            said += piece
        said = said.partition(text)[2]


def _some(fd: int) -> str:
    """What the terminal says next; nothing once it is closed, or silent for long."""
    ready, _, _ = select.select([fd], [], [], 60)
    try:
        return os.read(fd, 4096).decode(errors="replace") if ready else ""
    except OSError:
        return ""
