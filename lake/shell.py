"""A prompt over the lake: SELECTs ended by a semicolon, each of which sees the lake held still."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import click

from lake import answers, catalog, cli, disk, ending, sandbox, views
from lake.settings import shown
from meta.errors import PerplakeError, Usage

FRESH, GOES_ON = "lake> ", "  ... "
HELP = """Ask with SQL; a statement ends with a semicolon and may go over several lines. Tab completes names.
  .views          which views there are
  .columns VIEW   which columns a view has
  .mode FORM      answers as table (at first), csv or json
  .rows N         rows of a table shown (40 at first)
  .help           these lines
  .quit           leave; so does Ctrl-D"""


@dataclass
class Shell:
    """One session: which lake is asked, how answers look, and how the first statement that failed would end."""

    root: Path
    form: str = answers.TABLE
    rows: int = 40
    code: int = 0
    over: bool = False

    def run(self, read: Callable[[str], str]) -> int:
        """Ask until there is nothing more to read; returns an exit code. read : the prompt -> a line; EOFError ends."""
        asked = ""
        while not self.over:
            try:
                line = read(GOES_ON if asked.strip() else FRESH)
            except EOFError:
                break
            except KeyboardInterrupt:  # what was typed so far is dropped, as in every other shell
                click.echo(err=True)
                asked = ""
                continue
            if not asked.strip() and line.lstrip().startswith("."):
                self.attempt(self.command, line.split())
                continue
            asked += line + "\n"
            if complete(asked):
                self.attempt(self.ask, asked)
                asked = ""
        if asked.strip():
            self.attempt(self.ask, asked)
        return self.code

    def attempt(self, do: Callable[..., None], what: object) -> None:
        """Do it; a failure is told in one line, and the session goes on."""
        try:
            do(what)
        except KeyboardInterrupt:
            cli.say("interrupted")
        except (PerplakeError, OSError) as error:
            cli.say(f"error: {ending.redacted(ending.line_of(error))}")
            self.code = self.code or getattr(error, "exit_code", 1)

    def ask(self, sql: str) -> None:
        """Answer every statement of this text."""
        for statement in sandbox.statements(sql):
            answers.answer(self.root, statement, self.form, rows=self.rows)
            sys.stdout.flush()

    def command(self, words: list[str]) -> None:
        """Do what a line that begins with a dot asks for. Raises Usage."""
        name, *rest = words
        if name in (".quit", ".exit"):
            self.over = True
        elif name == ".help":
            click.echo(HELP)
        elif name in (".views", ".tables"):
            click.echo("\n".join(sorted(views.of(self.root))))
        elif name == ".columns" and len(rest) == 1:
            self.ask(f'SELECT column_name, column_type FROM (DESCRIBE "{rest[0].replace(chr(34), "")}")')
        elif name == ".mode" and rest in (["table"], ["csv"], ["json"]):
            self.form = rest[0]
        elif name == ".rows" and len(rest) == 1 and rest[0].isascii() and rest[0].isdigit() and int(rest[0]):
            self.rows = int(rest[0])
        else:
            raise Usage(f"{' '.join(words)} means nothing here; see .help")


def complete(sql: str) -> bool:
    """Does this text end with a semicolon that ends a statement, not one within quotes or a comment?"""
    return sqlite3.complete_statement(sql)


def shell(root: Path) -> int:
    """Ask the lake from standard input: at a terminal with line editing and history, else line by line."""
    session = Shell(root)
    if not sys.stdin.isatty():
        lines = iter(sys.stdin)

        def read(_: str) -> str:
            line = next(lines, None)
            if line is None:
                raise EOFError
            return line.rstrip("\r\n")

        return session.run(read)
    click.echo(".help tells what may be typed; Ctrl-D leaves", err=True)
    with _edited(root):
        session.run(input)
    return 0


@contextmanager
def _edited(root: Path) -> Iterator[None]:
    """Lines are edited with readline, where Python has it; what was typed is kept beside the catalog."""
    try:
        import readline
    except ImportError:
        yield
        return
    kept = catalog.path_for(root).with_suffix(".history")
    words = [*views.of(root), ".views", ".columns", ".mode", ".rows", ".help", ".quit"]
    readline.set_completer_delims(" \t\n\"'(),;=<>")
    readline.set_completer(lambda text, n: [*(word for word in words if word.startswith(text)), None][n])
    readline.parse_and_bind("tab: complete")
    try:
        for line in kept.read_text(encoding="utf-8").splitlines():
            readline.add_history(line)
    except (OSError, UnicodeDecodeError):
        pass  # a first session, or a file of somebody else's
    try:
        yield
    finally:
        last = [readline.get_history_item(i) for i in range(1, readline.get_current_history_length() + 1)][-1000:]
        try:
            disk.write_over(kept, "".join(f"{line}\n" for line in last).encode())
        except OSError as error:
            cli.say(f"{shown(kept)}: {error.strerror}; what was typed is not kept")
