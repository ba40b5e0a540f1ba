"""P2 live on the command line: bars in, features out."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import click

from lake import cli, ending, layout
from lake.layout import Shelf
from meta.datasets import DATASETS
from meta.errors import BadPayload, NotReady, Refused, Usage

if TYPE_CHECKING:
    from p2_features.choice import Choice
    from p2_features.feed import Feed
    from p2_features.stream import Engine

BARS, FEATURES = DATASETS["bars"], DATASETS["features"]
FILE = click.Path(path_type=Path, dir_okay=False)


class _Stopped(BaseException):
    """SIGTERM or SIGINT arrived while the next line was awaited."""


class _Stop:
    """A signal ends the stream between two bars, never within one: what is kept has to be what was answered."""

    def __init__(self) -> None:
        self.code = 0
        self.waiting = False

    def asked(self, number: int, _: FrameType | None) -> None:
        self.code = 128 + number
        if self.waiting:
            raise _Stopped

    @contextmanager
    def heard(self) -> Iterator[None]:
        """Listen to both signals in here."""
        before = {number: signal.signal(number, self.asked) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def next(self, lines: Iterator[bytes]) -> bytes | None:
        """Which line comes next? None at the end, or when asked to stop."""
        try:
            self.waiting = True
            return None if self.code else next(lines, None)
        except _Stopped:
            return None
        finally:
            self.waiting = False


@click.command()
@click.option("--state", type=FILE, help="Where to keep what the engine has seen; restored at the next start.")
@cli.symbol_options
@cli.lake_option
@cli.option("--set", "set_name", metavar="NAME", help="Feature set; else what FEATURES.json says the symbol has.")
@click.option("--strict", is_flag=True, help="End at the first line that is no bar of these symbols; else skip it.")
@click.option("--save-every", type=click.IntRange(1), default=1000, show_default=True, help="Bars from save to save.")
@cli.debug_option
def stream(
    state: Path | None,
    symbol: tuple[str, ...],
    tf: tuple[str, ...],
    lake: str | None,
    set_name: str | None,
    strict: bool,
    save_every: int,
    debug: bool,
) -> int:
    """Answer each closed bar, a JSON line, with its features: the bits the batch build will write for it.

    \b
    In:  {"symbol": "BTCUSDT", "tf": "5m", "ts": "2025-05-01T00:05:00Z" or UTC ms, "close": 1.0, ...}, by bar column.
    Out: {"symbol", "tf", "ts", "written": true, "features": {...}}, or "written": false and "why".
    A bar skipped on the grid is absent; a late one is put in its place for the bars to come.
    It starts from the committed days, the bars of `p1_ingest follow` after them, and --state. Which symbols:
    --symbol, else SYMBOLS, else conf/universe.yaml, as for `follow`.

    \b
    Example:
        python -m p2_features stream --symbol BTCUSDT --state state/live.p2 < bars.jsonl
        python -m p1_ingest follow --json | python -m p2_features stream --state state/live.p2
    """
    where = cli.opened(lake)
    tfs = cli.timeframes_of(tf)
    if len(tfs) != 1:
        raise Usage("stream takes one timeframe; start one for each --tf")
    shelves = [layout.shelf(where, BARS, one, name) for one, name in cli.followed_of(symbol, (tfs[0].name,))]
    cli.compiling("live_bar")
    from p2_features import feed as feeding
    from p2_features import state as keeping

    choices = {bars.symbol: decided(bars, set_name) for bars in shelves}
    engines = _engines(choices)
    kept = keeping.load(state, tfs[0]) if state else {}

    def seeded(bars: Shelf) -> str:
        name = bars.symbol
        return keeping.seed(engines[name], bars, choices[name].code(), kept.get(name), state)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        sources = list(pool.map(seeded, shelves))
    cli.say(_started(engines, sources))
    feed = feeding.Feed(tfs[0], engines, cli.say)

    def save() -> None:
        if state:
            found = {name: keeping.of(engine, name, choices[name].code()) for name, engine in engines.items()}
            keeping.save(state, tfs[0], {**kept, **{name: memory for name, memory in found.items() if memory}})

    return _run(feed, feeding.lines(sys.stdin.buffer), save, save_every, strict)


def decided(bars: Shelf, set_name: str | None) -> Choice:
    """Which features has this symbol: those of its FEATURES.json, or else of the set asked for?

    Raises NotReady where nothing was built and no set is named, Refused where the lake's features follow other rules
    than conf's, so that live ones would not be theirs.
    """
    from lake import days, notes
    from p2_features.choice import Asked, chosen

    shelf = bars.sibling(FEATURES)
    said = notes.read(shelf, notes.FEATURES)
    if said is None and set_name is None:
        raise NotReady(f"{shelf} has no {notes.FEATURES}; run `{days.command(shelf)}`, or name a --set")
    choice = chosen(shelf, bars, Asked(set_name=set_name))
    if said is not None and set_name is None and said.get("code") != choice.code():
        raise Refused(f"{shelf} was built by other features or rules than conf's now; run `{days.command(shelf)}`")
    return choice


def _engines(choices: Mapping[str, Choice]) -> dict[str, Engine]:
    """An engine for each symbol; symbols of the same features share one."""
    from p2_features.stream import Engine

    shared: dict[str, Engine] = {}
    for choice in choices.values():
        if choice.code() not in shared:
            shared[choice.code()] = Engine(choice.features, choice.warmup, choice.window)
    return {name: shared[choice.code()] for name, choice in choices.items()}


def _started(engines: Mapping[str, Engine], sources: list[str]) -> str:
    from meta.timeframes import utc

    told = []
    for (name, engine), source in zip(engines.items(), sources, strict=True):
        position = engine.position(name)
        last = utc(position * engine.tf.ms) if position is not None else "nothing"
        told.append(f"{name} from the {source} up to {last}")
    return f"streaming {'; '.join(told)}" if len(told) <= 5 else f"streaming {len(told)} symbols; {told[0]}, …"


def _saved(save: Callable[[], None]) -> None:
    """Keep what was seen so far; a disk that is full for now is told, and no reason to miss bars."""
    try:
        save()
    except OSError as error:
        cli.say(f"warning: the state was not saved: {ending.line_of(error)}")


def _run(feed: Feed, lines: Iterator[bytes], save: Callable[[], None], every: int, strict: bool) -> int:
    """Answer every line until there is none or a signal says so; what was seen is kept in any case."""
    stop, out, skipped, since = _Stop(), sys.stdout.buffer, 0, 0
    try:
        with stop.heard():
            while (line := stop.next(lines)) is not None:
                try:
                    said = feed.answer(line)
                except BadPayload as error:
                    if strict:
                        raise
                    cli.say(f"skipped: {error}")
                    skipped += 1
                    continue
                out.write(said)
                out.flush()
                since += 1
                if since >= every:
                    _saved(save)
                    since = 0
    except _Stopped:  # in the instant after a line was there
        pass
    finally:
        save()
        cli.say(feed.inside.line("features"))
        cli.say(feed.whole.line("line to line") + (f"; {skipped} lines skipped" if skipped else ""))
    if stop.code:
        cli.say("stopped; run the same command again to go on")
    return stop.code
