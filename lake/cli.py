"""What every command line shares: the options, spelled once."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import click

from lake import advice, compiled, completion, layout, progress, roots, settings
from lake.layout import Shelf
from lake.span import make_span
from meta.datasets import Dataset
from meta.errors import Usage
from meta.symbols import symbol as checked_symbol
from meta.timeframes import Timeframe, timeframe

F = TypeVar("F", bound=Callable[..., Any])
Places = list[tuple[Shelf, tuple[date, ...] | None]]

option = partial(click.option, cls=completion.Option)


def split(_: click.Context, option: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    """The names in a,b,c. Raises Usage where there are none: a variable that is empty must not mean the default."""
    for value in values:
        if not value.replace(",", " ").strip():
            raise Usage(f"{option.opts[0]} {value!r} names nothing; name one, or leave the option out")
    return tuple(dict.fromkeys(name.strip() for value in values for name in value.split(",") if name.strip()))


def lake_option(command: F) -> F:
    """--lake: which lake."""
    told = "The lake's root; else PERPLAKE_LAKE, else conf, else data."
    return option("--lake", metavar="ROOT", help=told)(command)


def as_of_flag(command: F) -> F:
    """--as-of: handed to the command as it is."""
    told = "The lake as it was known at TIME (UTC), or first-seen: the first value of each bar, before any restatement."
    return click.option("--as-of", metavar="TIME", help=told)(command)


def as_of_option(command: F) -> F:
    """--as-of: the lake as it was known then; the command is handed that root as its lake."""

    def known_then(*args: Any, as_of: str | None, **kwargs: Any) -> Any:
        if as_of is None:
            return command(*args, **kwargs)
        with as_known(kwargs.get("lake"), as_of, kwargs) as root:
            return command(*args, **{**kwargs, "lake": str(root)})

    known_then.__name__, known_then.__doc__ = command.__name__, command.__doc__
    known_then.__dict__.update(command.__dict__)
    return as_of_flag(known_then)  # type: ignore[return-value]


@contextmanager
def as_known(lake: str | None, as_of: str, given: Mapping[str, Any]) -> Iterator[Path]:
    """Which root is the lake as of then? Made for the symbols that were given, the timeframes that SQL speaks of.

    Raises Usage where files were given beside, and what `frozen` raises.
    """
    from lake.frozen import known

    for name in ("glob", "features", "bars"):
        if given.get(name):
            raise Usage(f"--as-of finds its own files, and --{name} names others; give one of them")
    chosen = given.get("symbol") or ("symbol" in given and settings.variable("SYMBOLS"))
    names = symbols_of(given["symbol"]) if chosen else None
    spoken = re.findall(r"_(\d+[mhd])\b", given.get("sql", "").lower())
    with known(roots.root(lake), as_of, spoken or None, names) as found:
        for line in found.lines():
            say(line)
        computed = re.search(r"\b(feat|labels|weights|train)_", given.get("sql", "").lower())
        if computed and not any(found.root.glob("features/*/*/y=*")):
            how = f"python -m p2_features build --as-of {as_of}{advice.at(roots.root(lake))}"
            say(f"features as of then are not built; `{how}` builds them")
        yield found.root


def symbol_options(command: F) -> F:
    """--symbol and --tf, each repeatable."""
    tf = option("--tf", multiple=True, callback=split, metavar="TF", help="Timeframe, repeatable (5m, 1h …).")
    named = option("--symbol", multiple=True, callback=split, metavar="S", help="Symbol, repeatable or a,b,c.")
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
    chosen = option(
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


def shelves_of(
    dataset: Dataset, glob: str | None, symbol: tuple[str, ...], tf: tuple[str, ...], lake: str | None
) -> Places:
    """Which shelves do the options name, and which of their days does the glob select (None: all)? Says which lake."""
    names, tfs = symbols_of(symbol), timeframes_of(tf)
    if glob is None:
        where = opened(lake)
        return [(layout.shelf(where, dataset, one, name), None) for one in tfs for name in names]
    found = layout.selected(glob, dataset, tfs[0], names[0])
    announce(selection.shelf for selection in found)
    return [(selection.shelf, selection.days) for selection in found]


def announce(shelves: Iterable[Shelf], source: str | None = None) -> None:
    """Say which lakes are meant where a path, not --lake, named them."""
    for where, shelf in {shelf.root: shelf for shelf in shelves}.items():
        say(roots.banner(where, source, shelf if shelf.folder == where else None))


def compiling(kernel: str, calls: Sequence[str] = ()) -> None:
    """Say what a first run waits for: the kernel that this name, a file's, stands for, and those beside it.

    calls : which calls compile them, on all cores at once, as in `compiled.beforehand`.
    """
    if compiled.is_cold(kernel):
        say("compiling the kernels this command is the first to need: about half a minute, minutes on a busy machine")
        compiled.beforehand(calls)


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
