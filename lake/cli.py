"""What every command line shares: the options, spelled once, and the way a failure is told."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn, TypeVar

import click

from lake import advice, compiled, completion, progress, roots, settings
from lake.layout import Shelf
from meta.errors import PerplakeError, Usage
from meta.symbols import symbol as checked_symbol
from meta.timeframes import Timeframe, timeframe

F = TypeVar("F", bound=Callable[..., Any])
INTERRUPTED = (130, 143)
SECRETS = ("COINGLASS_API_KEY", "BINANCE_API_KEY", "BINANCE_API_SECRET")
_typed: dict[str, str] = {}  # secrets given as options: value -> the option


@dataclass(frozen=True)
class Span:
    """Which days a command is about: the last `days`, or start to end; all None means all there are."""

    days: int | None = None
    start: date | None = None
    end: date | None = None
    only: frozenset[date] | None = None  # of these, the days a glob selects

    def __bool__(self) -> bool:
        return not (self.days is None and self.start is None and self.end is None)

    def has(self, day: date) -> bool:
        """Does a day lie between start and end?"""
        inside = (self.start is None or day >= self.start) and (self.end is None or day <= self.end)
        return inside and (self.only is None or day in self.only)

    def of(self, known: list[date]) -> list[date]:
        """Which of these ascending days are meant?"""
        inside = [day for day in known if self.has(day)]
        return inside[-self.days :] if self.days is not None else inside


def parsed_day(text: str, flag: str) -> date:
    """Which UTC day does this date or time name? Raises Usage."""
    cleaned = text.strip()
    try:
        if re.fullmatch(r"\d{4}-\d{2}-\d{2}", cleaned):
            return date.fromisoformat(cleaned)
        moment = datetime.fromisoformat(cleaned)
        return (moment.astimezone(UTC) if moment.tzinfo else moment).date()
    except (ValueError, OverflowError):
        raise Usage(f"{flag} {text!r} is not a date; write it like 2025-01-31") from None


def make_span(days: int | None, start: str | None, end: str | None) -> Span:
    """Which days do the flags mean? Raises Usage where they contradict each other."""
    if days is not None and start and end:
        raise Usage("give --days, or --start and --end, not both")
    first = parsed_day(start, "--start") if start else None
    last = parsed_day(end, "--end") if end else None
    try:
        if days is not None and first:
            return Span(None, first, first + timedelta(days=days - 1))
        if days is not None and last:
            return Span(None, last - timedelta(days=days - 1), last)
    except OverflowError:
        raise Usage(f"{days} days reach beyond the calendar; give fewer") from None
    if first and last and first > last:
        raise Usage(f"--start {first} lies after --end {last}; swap them")
    return Span(days, first, last)


def split(_: click.Context, option: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    """The names in a,b,c. Raises Usage where there are none: a variable that is empty must not mean the default."""
    for value in values:
        if not value.replace(",", " ").strip():
            raise Usage(f"{option.opts[0]} {value!r} names nothing; name one, or leave the option out")
    return tuple(dict.fromkeys(name.strip() for value in values for name in value.split(",") if name.strip()))


def lake_option(command: F) -> F:
    """--lake: which lake."""
    told = "The lake's root; else PERPLAKE_LAKE, else conf, else data."
    return click.option("--lake", metavar="ROOT", help=told, shell_complete=completion.folders)(command)


def as_of_option(command: F) -> F:
    """--as-of: the lake as it was known then; the command is handed that root as its lake."""

    def known_then(*args: Any, as_of: str | None, **kwargs: Any) -> Any:
        if as_of is not None:
            kwargs["lake"] = str(as_known(kwargs.get("lake"), as_of, kwargs))
        return command(*args, **kwargs)

    known_then.__name__, known_then.__doc__ = command.__name__, command.__doc__
    known_then.__dict__.update(command.__dict__)
    told = "The lake as it was known at TIME (UTC), or first-seen: the first value of each bar, before any restatement."
    return click.option("--as-of", metavar="TIME", help=told)(known_then)  # type: ignore[return-value]


def as_known(lake: str | None, as_of: str, given: Mapping[str, Any]) -> Path:
    """Which root is the lake as of then? Made for the symbols that were given, the timeframes that SQL speaks of.

    Raises Usage where files were given beside, and what `frozen` raises.
    """
    from lake.frozen import frozen

    for name in ("glob", "features", "bars"):
        if given.get(name):
            raise Usage(f"--as-of finds its own files, and --{name} names others; give one of them")
    chosen = given.get("symbol") or ("symbol" in given and settings.variable("SYMBOLS"))
    names = symbols_of(given["symbol"]) if chosen else None
    spoken = re.findall(r"_(\d+[mhd])\b", given.get("sql", "").lower())
    found = frozen(roots.root(lake), as_of, spoken or None, names)
    for line in found.lines():
        say(line)
    computed = re.search(r"\b(feat|labels|weights|train)_", given.get("sql", "").lower())
    if computed and not any(found.root.glob("features/*/*/y=*")):
        how = f"python -m p2_features build --as-of {as_of}{advice.at(roots.root(lake))}"
        say(f"features as of then are not built; `{how}` builds them")
    return found.root


def symbol_options(command: F) -> F:
    """--symbol and --tf, each repeatable."""
    tf = click.option(
        "--tf", multiple=True, callback=split, metavar="TF", help="Timeframe, repeatable (5m, 1h …).",
        shell_complete=completion.timeframes,
    )  # fmt: skip
    named = click.option(
        "--symbol", multiple=True, callback=split, metavar="S", help="Symbol, repeatable or a,b,c.",
        shell_complete=completion.symbols,
    )  # fmt: skip
    return named(tf(command))


def range_options(command: F) -> F:
    """--days, or --start and --end."""
    days = click.option("--days", type=click.IntRange(1, 36_500), metavar="N", help="The last N settled whole days.")
    years = click.option("--years", type=click.FloatRange(0, 100, min_open=True), help="The same in years of 365 days.")
    start = click.option(
        "--start", "--start-date", metavar="DATE", help="First UTC day (of the bars' open), inclusive."
    )
    end = click.option("--end", "--end-date", metavar="DATE", help="Last UTC day, inclusive.")

    def spanned(*args: Any, **kwargs: Any) -> Any:
        years_given, days_given = kwargs.pop("years"), kwargs.pop("days")
        if years_given and days_given:
            raise Usage("give --days or --years, not both")
        days_meant = round(years_given * 365) if years_given else days_given
        return command(*args, span=make_span(days_meant, kwargs.pop("start"), kwargs.pop("end")), **kwargs)

    spanned.__name__, spanned.__doc__ = command.__name__, command.__doc__
    spanned.__dict__.update(command.__dict__)  # click keeps the options declared so far there
    return days(years(start(end(spanned))))  # type: ignore[return-value]


def debug_option(command: F) -> F:
    """--debug: tell more, and show where a failure came from."""
    return click.option("--debug", is_flag=True, help="Tell every step; show tracebacks (secrets stay hidden).")(
        command
    )


def wait_option(command: F) -> F:
    """--wait: how long to wait for another writer."""
    return click.option("--wait", type=click.FloatRange(0), default=0.0, help="Seconds to wait for another writer.")(
        command
    )


def prune_option(command: F) -> F:
    """--prune: take away days that their inputs no longer make, however many."""
    told = "Take away days their inputs no longer make even where they are most days; fewer always go."
    return click.option("--prune", is_flag=True, help=told)(command)


def engine_options(command: F) -> F:
    """--engine and --workers: who computes."""
    workers = click.option("--workers", type=click.IntRange(1), metavar="N", help="Tasks at once; else all cores.")
    chosen = click.option(
        "--engine", default="threads", show_default=True, metavar="NAME",
        help="Who computes: threads, processes, or dask://HOST:PORT (dask:// starts a cluster here).",
    )  # fmt: skip
    return chosen(workers(command))


def symbols_of(given: tuple[str, ...]) -> list[str]:
    """Which symbols are meant? The flag's, else SYMBOLS, else conf's."""
    named = (
        list(given) or (settings.variable("SYMBOLS") or "").replace(",", " ").split() or [settings.lake_conf().symbol]
    )
    return list(dict.fromkeys(checked_symbol(name) for name in named))


def timeframes_of(given: tuple[str, ...]) -> list[Timeframe]:
    """Which timeframes are meant? The flag's, else conf's."""
    return [timeframe(name) for name in given or (settings.lake_conf().tf,)]


def followed_of(symbol: tuple[str, ...], tf: tuple[str, ...]) -> list[tuple[Timeframe, str]]:
    """Which symbols are kept up with, at which timeframes? The flags' and SYMBOLS', else conf/universe.yaml's.

    Raises Usage.
    """
    chosen = {timeframe(name): names for name, names in settings.universe_conf().follow.items()}
    given = symbol or tuple((settings.variable("SYMBOLS") or "").replace(",", " ").split())
    tfs = timeframes_of(tf) if tf or given or not chosen else list(chosen)
    return [(one, name) for one in tfs for name in symbols_of(given or tuple(chosen.get(one, ())))]


def opened(flag: str | None, source: str | None = None) -> Path:
    """Which lake is meant? Says so on stderr before anything else."""
    where = roots.root(flag, source)
    say(roots.banner(where, source))
    return where


def announce(shelves: Iterable[Shelf], source: str | None = None) -> None:
    """Say which lakes are meant where a path, not --lake, named them."""
    for where, shelf in {shelf.root: shelf for shelf in shelves}.items():
        say(roots.banner(where, source, shelf if shelf.folder == where else None))


def compiling(kernel: str) -> None:
    """Say what a first run waits for: the kernel that this name, a file's, stands for, and those beside it."""
    if compiled.is_cold(kernel):
        say("compiling the kernels, once for this version: about half a minute, minutes on a busy machine")


def spawned(lines: Iterable[str], where: Path | None = settings.PROJECT, quiet: bool = False) -> int:
    """Run these commands of ours one after the other; the first exit code that is not 0, or 0.

    where : the folder relative paths are of; None is the one this command was called in.
    quiet : what they print goes to stderr, so that standard output is this command's own.
    """
    code = 0
    for line in lines:
        say(f"running {line}")
        words = [sys.executable, *shlex.split(line)[1:]]
        done = subprocess.run(words, cwd=where, check=False, stdout=sys.stderr if quiet else None)
        code = code or done.returncode
    return code


def say(text: str) -> None:
    """Tell people something; standard output stays free for results."""
    progress.clear()
    click.echo(text, err=True)


def refreshed(root: Path) -> None:
    """Bring the lake's SQL catalog up to what was just committed; a lake without views has none."""
    from lake import catalog

    place, written = catalog.refresh(root)
    if written:
        say(f"catalog {settings.shown(place)} written; see `python -m lake views{advice.at(root)}`")


class Commands(click.Group):
    """A group whose options may be spelled with dashes or underscores."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("context_settings", {})
        kwargs["context_settings"] |= {
            "token_normalize_func": lambda token: token.replace("_", "-"),
            "max_content_width": 110,
        }
        super().__init__(*args, **kwargs)


class _Terminated(BaseException):
    """SIGTERM arrived."""


def _on_sigterm(_: int, __: FrameType | None) -> NoReturn:
    raise _Terminated


def main(commands: click.Group, name: str, argv: list[str] | None = None) -> NoReturn:
    """Run a command line and end the process as DESIGN §6 says, with one line for every failure."""
    code = status(commands, name, argv)
    sys.stdout.flush()
    if code in INTERRUPTED:  # requests under way on other threads are not waited for
        os._exit(code)
    sys.exit(code)


def status(commands: click.Group, name: str, argv: list[str] | None = None) -> int:
    """With which exit code does this command line end?"""
    words = sys.argv[1:] if argv is None else argv
    signal.signal(signal.SIGTERM, _on_sigterm)
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
    except (KeyboardInterrupt, click.Abort):
        return _told("interrupted; what was committed stays, run the same command again to go on", 130)
    except _Terminated:
        return _told("ended by SIGTERM; what was committed stays, run the same command again to go on", 143)
    except BrokenPipeError:
        sys.stderr.close()
        return 1
    except (PerplakeError, OSError, MemoryError) as error:
        _trace(words)
        return _told(line_of(error), getattr(error, "exit_code", 1))
    except Exception as error:  # noqa: BLE001 — the one place where a fault of ours becomes one line
        _trace(words)
        return _told(f"fault in perplake: {type(error).__name__}: {error}; run again with --debug and report it", 1)


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
