"""Closed bars come in as JSON lines, and each is answered with its features or with why it has none."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, BinaryIO

import msgspec
import numpy as np

from meta.columns import BAR_COLUMNS
from meta.errors import BadPayload
from meta.timeframes import DAY, Timeframe, utc
from p2_features.expressions import COLUMNS
from p2_features.stream import Engine

MOST_LINE = 1 << 16  # bytes; a bar takes less than a thousand
EARLIEST, LATEST = 14_000 * DAY, 48_000 * DAY  # ms, 2008 … 2101: stamps in seconds or microseconds lie outside
TIMED = 100_000  # the last bars whose times are kept
SAME, BEYOND = "the same bar again", "too old to matter to any bar to come"
LATE = "late: in its place for the bars to come; the batch build has its features and those since"

Answer = dict[str, Any]


class Latency:
    """How long did bars take? Count and longest of all of them, quantiles of the last ones."""

    def __init__(self) -> None:
        self.count = self.most = 0
        self._last: deque[int] = deque(maxlen=TIMED)

    def add(self, ns: int) -> None:
        """Count one bar."""
        self.count += 1
        self.most = max(self.most, ns)
        self._last.append(ns)

    def line(self, what: str) -> str:
        """How is it told?"""
        if not self.count:
            return f"{what}: no bar"
        p50, p99 = np.percentile(np.array(self._last), [50, 99]) / 1e3
        return f"{what}: {self.count:,} bars, p50 {p50:.1f} µs, p99 {p99:.1f} µs, max {self.most / 1e3:.1f} µs"


class Feed:
    """Some symbols' engines at one timeframe, spoken to in JSON lines.

    A line is one closed bar: {"symbol": "BTCUSDT", "tf": "5m", "ts": its close, ISO 8601 UTC or ms, and bar columns by
    name}; null or no mention is missing. Each is answered by one line with symbol, tf and ts, and either `written` true
    and `features`, or `written` false and `why`.
    """

    def __init__(self, tf: Timeframe, engines: Mapping[str, Engine], tell: Callable[[str], None]) -> None:
        self.tf, self.engines = tf, engines
        self.whole, self.inside = Latency(), Latency()  # from line to line, and the features alone
        self._tell = tell
        self._told: set[str] = set()

    def answer(self, line: bytes) -> bytes:
        """Which line answers this one? Raises BadPayload, naming the bar, where it is not one that can be taken."""
        began = time.perf_counter_ns()
        said = msgspec.json.encode(self.taken(*self.read(line))) + b"\n"
        self.whole.add(time.perf_counter_ns() - began)
        return said

    def read(self, line: bytes) -> tuple[str, int, Mapping[str, float | None]]:
        """Which symbol, close (UTC ms) and columns does this line give? Raises BadPayload."""
        try:
            said = msgspec.json.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise BadPayload(f"not JSON ({error}): {_shown(line)}") from None
        if not isinstance(said, dict) or not isinstance(said.get("symbol"), str) or "ts" not in said:
            raise BadPayload(f'no bar; write {{"symbol": …, "tf": …, "ts": …, columns}}: {_shown(line)}')
        symbol, tf, ts = said.pop("symbol"), said.pop("tf", self.tf.name), said.pop("ts")
        where = f"{_word(symbol)} {_word(tf)} {_word(ts)}"
        if symbol not in self.engines:
            raise BadPayload(f"{where}: this symbol is not streamed here; start with --symbol {_word(symbol)}")
        if tf != self.tf.name:
            raise BadPayload(f"{where}: bars of {self.tf} are streamed here; start another with --tf")
        for name, value in said.items():
            if name not in BAR_COLUMNS:
                self._unknown(name)
            elif name in COLUMNS and not (value is None or type(value) is float or type(value) is int):
                raise BadPayload(f"{where}: {name} is {_word(value)}, not a number")
        return symbol, self._close(ts, where), said

    def taken(self, symbol: str, ts: int, bar: Mapping[str, float | None]) -> Answer:
        """What is said to this bar, whether it is the next one, late or known? Raises BadPayload off the grid."""
        engine, position = self.engines[symbol], ts // self.tf.ms
        answer: Answer = {"symbol": symbol, "tf": self.tf.name, "ts": utc(ts)}
        last = engine.position(symbol)
        if last is None or position > last:
            engine.keep(symbol)
            began = time.perf_counter_ns()
            features = engine.step(symbol, ts, bar)
            self.inside.add(time.perf_counter_ns() - began)
        else:
            why = self._again(engine, symbol, ts, bar)
            if why or position < last:
                return {**answer, "written": False, "why": why or LATE}
            features = engine.last(symbol)
        if features is None:
            return {**answer, "written": False, "why": engine.why(symbol)}
        return {**answer, "written": True, "features": features}

    def _again(self, engine: Engine, symbol: str, ts: int, bar: Mapping[str, float | None]) -> str | None:
        """Take a bar that is not the next one; why does nothing come of it, if nothing does?"""
        bars, first = engine.bars(symbol)
        place = ts // self.tf.ms - first
        if place < 0:
            return BEYOND
        if np.array_equal(bars[place], engine.row(bar)[0], equal_nan=True):
            return SAME
        engine.correct(symbol, ts, bar)
        return None

    def _close(self, ts: object, where: str) -> int:
        found = ts if type(ts) is int else _instant(ts) if isinstance(ts, str) else None
        if found is None or not EARLIEST < found < LATEST:
            raise BadPayload(f"{where}: ts is no time; give the bar's close, ISO 8601 or UTC ms")
        if found % self.tf.ms:
            raise BadPayload(f"{where}: {utc(found)} is no close of a {self.tf} bar; bars are stamped by their close")
        return found

    def _unknown(self, name: str) -> None:
        if name not in self._told and len(self._told) < 100:
            self._told.add(name)
            self._tell(f"warning: {_word(name)} is no bar column (see meta/DICTIONARY.md) and is not looked at")


def _instant(text: str) -> int | None:
    """Which UTC ms does this ISO 8601 text mean? Without a zone it is UTC."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    seconds = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    return round(seconds * 1000) if math.isfinite(seconds) else None


def _word(value: object) -> str:
    text = value if isinstance(value, str) else repr(value)
    return "".join(c if c.isprintable() else "?" for c in text[:40])


def _shown(line: bytes) -> str:
    return _word(line[:60].decode("utf-8", "replace").strip())


def lines(source: BinaryIO) -> Iterator[bytes]:
    """Which lines come in? One as soon as it is there; one too long to be a bar comes in pieces, none of them JSON."""
    while line := source.readline(MOST_LINE):
        if line.strip():
            yield line
