"""How does a command end? With the exit code that was promised, one line for every failure, and never a secret."""

from __future__ import annotations

import io
import os
import signal
import sys
import threading
import traceback
from importlib.machinery import ExtensionFileLoader
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

import click

from lake import completion, settings
from lake.cli import say
from meta.errors import PerplakeError, Usage

SIGNALS = {signal.SIGINT: (130, "interrupted"), signal.SIGTERM: (143, "ended by SIGTERM")}
SECRETS = ("COINGLASS_API_KEY", "BINANCE_API_KEY", "BINANCE_API_SECRET")
AGAIN = 0.02  # seconds until a signal comes again that came while a library was loaded
LOADING = [do.__code__ for do in (ExtensionFileLoader.create_module, ExtensionFileLoader.exec_module)]
_typed: dict[str, str] = {}  # secrets given as options: value -> the option
_came: list[int] = []  # signals, in their order


class _Terminated(BaseException):
    """SIGTERM arrived."""


def _on_signal(number: int, frame: FrameType | None) -> None:
    _came.append(number)  # what is raised may be lost: DuckDB makes an error of its own of it
    if _loads_a_library(frame):  # and aborts the process if anything is raised as it is loaded
        again = threading.Timer(AGAIN, os.kill, (os.getpid(), number))
        again.daemon = True
        again.start()
        return
    raise KeyboardInterrupt if number == signal.SIGINT else _Terminated


def _loads_a_library(frame: FrameType | None) -> bool:
    """Is this frame called by a module in C that has just begun?"""
    while frame is not None and frame.f_code not in LOADING:
        frame = frame.f_back
    return frame is not None


def main(commands: click.Group, name: str, argv: list[str] | None = None) -> NoReturn:
    """Run a command line and end the process as DESIGN §6 says, with one line for every failure."""
    code = status(commands, name, argv)
    for number in SIGNALS:  # one that comes so late has nothing more to tell
        signal.signal(number, signal.SIG_DFL)
    sys.stdout.flush()
    if any(code == ended for ended, _ in SIGNALS.values()):  # requests under way on other threads are not waited for
        os._exit(code)
    sys.exit(code)


def status(commands: click.Group, name: str, argv: list[str] | None = None) -> int:
    """With which exit code does this command line end?"""
    words = sys.argv[1:] if argv is None else argv
    _speak_utf8()
    _came.clear()
    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:  # as under nohup
            signal.signal(number, _on_signal)
    try:
        own: dict[str, Any] = {"standalone_mode": False, "complete_var": completion.VARIABLE, "obj": words}
        result = commands.main(words, prog_name=f"python -m {name}", **own)
        return result if isinstance(result, int) else 0
    except click.exceptions.Exit as done:
        return done.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.ctx.get_help() if error.ctx else "", err=True)
        return 2
    except click.UsageError as error:
        return _told(f"{' '.join(error.format_message().split()).rstrip('.')}{_see(error, name)}", 2)
    except (KeyboardInterrupt, _Terminated, click.Abort):
        return _interrupted()
    except BrokenPipeError:
        sys.stderr.close()
        return 1
    except Exception as error:  # noqa: BLE001 — the one place where a fault of ours becomes one line
        return _interrupted() if _came else _failed(error, words)


def _interrupted() -> int:
    code, fact = SIGNALS[signal.Signals(_came[-1])] if _came else SIGNALS[signal.SIGINT]
    return _told(f"{fact}; what was committed stays, run the same command again to go on", code)


def _failed(error: Exception, words: list[str]) -> int:
    _trace(words)
    if isinstance(error, PerplakeError | OSError | MemoryError):
        return _told(line_of(error), getattr(error, "exit_code", 1))
    return _told(f"fault in perplake: {type(error).__name__}: {error}; run again with --debug and report it", 1)


def _speak_utf8() -> None:
    """Under LC_ALL=C as well: what is said holds a … or a μ, and tables are drawn with lines."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.encoding.lower().replace("-", "") != "utf8":
            stream.reconfigure(encoding="utf-8")


def _see(error: click.UsageError, name: str) -> str:
    path = error.ctx.command_path if error.ctx else f"python -m {name}"
    return f"; see `{path} --help`"


def line_of(error: BaseException) -> str:
    """How is a failure told in one line?"""
    if isinstance(error, MemoryError):
        return "out of memory; give a shorter range, or fewer symbols at a time"
    if isinstance(error, OSError) and not isinstance(error, PerplakeError):
        place = (
            settings.shown(Path(error.filename)) if isinstance(error.filename, str) and error.filename else "the disk"
        )
        return f"{place}: {error.strerror or type(error).__name__}; nothing is half written, mend this and run it again"
    return str(error) or type(error).__name__


def _trace(words: list[str]) -> None:
    if "--debug" in words:
        say(redacted(traceback.format_exc()))


def _told(text: str, code: int) -> int:
    say(f"error: {redacted(' '.join(text.split()))}")
    return code


def hide(value: str, name: str) -> None:
    """From now on strike this out of all that is printed, as if it were a key of this name."""
    _typed[value] = name


def redacted(text: str) -> str:
    """The same text without any key."""
    for typed, option in _typed.items():
        text = text.replace(typed, f"<{option}>")
    for name in SECRETS:
        try:
            value = settings.variable(name)
        except Usage:  # a key in a file we cannot read is in no text of ours
            value = None
        if value:
            text = text.replace(value, f"<{name}>")
    return text
