"""What a live engine remembers, kept in one file across restarts: whole or not at all."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from lake import days, disk, frames, fresh, live, regular
from lake.layout import Shelf
from lake.settings import shown
from meta.errors import NotReady, Refused, Tampered
from meta.timeframes import Timeframe
from p2_features.stream import Engine

Floats = NDArray[np.float64]
KIND = "perplake P2 live state, 2"
MOST_HEADER = 1 << 24


class Held(msgspec.Struct, frozen=True):
    """What the file's first line says of one symbol: whose rules, and the bars behind it."""

    code: str
    columns: list[str]
    first: int
    bars: int


class Header(msgspec.Struct, frozen=True):
    """The file's first line, JSON; then the bars of all symbols in order, little-endian float64, row by row.

    sha256 : of all of this line but itself, and of the bars.
    """

    kind: str
    tf: str
    symbols: dict[str, Held]
    sha256: str


@dataclass(frozen=True)
class Memory:
    """The last bars a symbol's engine has seen, and the digest of the rules (Choice.code) it went by.

    columns : which ones. bars : (n, columns) float64 on the grid, NaN is missing. first : absolute position of row 0.
    """

    code: str
    columns: tuple[str, ...]
    bars: Floats
    first: int


def of(engine: Engine, symbol: str, code: str) -> Memory | None:
    """What does an engine remember of a symbol? None where it has seen no bar."""
    if engine.position(symbol) is None:
        return None
    bars, first = engine.bars(symbol)
    seen = ~np.isnan(bars).all(axis=1)
    skip = int(np.argmax(seen)) if seen.any() else len(bars) - 1  # the last position is kept, bar or no bar
    return Memory(code, engine.columns, bars[skip:], first + skip)


def save(path: Path, tf: Timeframe, memories: Mapping[str, Memory]) -> None:
    """Write what is remembered of these symbols, in the place of what the file held."""
    data = b"".join(np.ascontiguousarray(memory.bars, "<f8").tobytes() for memory in memories.values())
    held = {s: Held(m.code, list(m.columns), m.first, len(m.bars)) for s, m in memories.items()}
    header = Header(KIND, tf.name, held, "")
    header = msgspec.structs.replace(header, sha256=_digest(header, data))
    disk.make_folders(path.absolute().parent)
    disk.write_over(path, msgspec.json.encode(header) + b"\n" + data)


def load(path: Path, tf: Timeframe) -> dict[str, Memory]:
    """What does this file remember? Nothing where it does not exist.

    Raises Tampered where it is no state or a damaged one, Refused where it is of another timeframe.
    """
    try:
        head, found, data = regular.read(path).partition(b"\n")
    except FileNotFoundError:
        return {}
    try:
        header = msgspec.json.decode(head, type=Header)
    except (msgspec.DecodeError, UnicodeDecodeError):
        header = None
    if not found or header is None or header.kind != KIND:
        raise Tampered(f"{shown(path)} is not a state that `stream` wrote; give another --state, or remove it")
    if _digest(header, data) != header.sha256 or _size(header) != len(data):
        raise Tampered(f"{shown(path)} is damaged (sha256 differs); remove it, and the lake's days start the stream")
    if header.tf != tf.name:
        raise Refused(
            f"{shown(path)} is a state of {header.tf} bars, not {tf}; give each timeframe a --state of its own"
        )
    return dict(_memories(header, data))


def _digest(header: Header, data: bytes) -> str:
    unsigned = msgspec.structs.replace(header, sha256="")
    return hashlib.sha256(msgspec.json.encode(unsigned) + b"\n" + data).hexdigest()


def _size(header: Header) -> int:
    return sum(8 * held.bars * len(held.columns) for held in header.symbols.values())


def _memories(header: Header, data: bytes) -> Iterable[tuple[str, Memory]]:
    at = 0
    for symbol, held in header.symbols.items():
        size = held.bars * len(held.columns)
        bars = np.frombuffer(data, "<f8", size, at).reshape(held.bars, len(held.columns)).astype(np.float64)
        at += 8 * size
        yield symbol, Memory(held.code, tuple(held.columns), bars, held.first)


class Piece(NamedTuple):
    """Bars from one place: (n, columns) float64, the position of row 0, and which rows count though they are empty."""

    place: str
    bars: Floats
    first: int
    whole: NDArray[np.bool_]

    @property
    def end(self) -> int:
        """Which position comes after them?"""
        return self.first + len(self.bars)


def seed(engine: Engine, bars: Shelf, code: str, kept: Memory | None, path: Path | None = None) -> str:
    """Start a symbol from its committed days, the bars in live/ and what was kept of bars; returns what reached last.

    A committed day wins over the same bars in live/, and these over those kept: they may have been restated. Raises
    Refused where the state is of other features or rules, NotReady where there is none of them, Tampered.
    """
    symbol = bars.symbol
    if kept is not None and (kept.code, kept.columns) != (code, engine.columns):
        place = shown(path) if path else "the state"
        raise Refused(f"{place} remembers {symbol} by other features or rules than it has now; remove the file")
    pieces = [*_kept(kept), *_live(engine, bars), *_committed(engine, bars)]
    if not pieces:
        raise NotReady(f"{bars} has no committed day to start from; run `{days.command(bars)}`")
    joined, first = _joined(pieces, engine.reach + 1)
    engine.seed(symbol, dict(zip(engine.columns, joined.T, strict=True)), first)
    return max(reversed(pieces), key=lambda piece: piece.end).place


def _kept(kept: Memory | None) -> list[Piece]:
    return [] if kept is None else [Piece("state", kept.bars, kept.first, np.zeros(len(kept.bars), bool))]


def _live(engine: Engine, bars: Shelf) -> list[Piece]:
    """The bars of days that are not committed, as `follow` keeps them."""
    found = live.grid(bars, engine.columns)
    return [] if found is None else [Piece("live bars", *found, np.zeros(len(found[0]), bool))]


def _committed(engine: Engine, bars: Shelf) -> list[Piece]:
    """The bars of the last committed days the engine can see."""
    last = next((day for day in reversed(bars.days_on_disk()) if days.is_committed(bars, day)), None)
    if last is None:
        return []
    start = last - timedelta(days=fresh.days_back(engine.reach, bars.tf))
    grid = frames.grid(bars, start, last, engine.columns)
    columns = np.stack([grid.columns[name] for name in engine.columns], axis=1)
    return [Piece("lake", columns, grid.first, grid.committed)]


def _joined(pieces: Sequence[Piece], most: int) -> tuple[Floats, int]:
    """The last `most` bars of these pieces on one grid; of two that have a bar the later piece's stands."""
    end = max(piece.end for piece in pieces)
    first = max(min(piece.first for piece in pieces), end - most)
    rows = np.full((end - first, pieces[0].bars.shape[1]), np.nan)
    for piece in pieces:
        inside = piece.bars[max(first - piece.first, 0) :]
        said = (piece.whole | ~np.isnan(piece.bars).all(axis=1))[max(first - piece.first, 0) :]
        start = max(piece.first, first) - first
        rows[start : start + len(inside)][said] = inside[said]
    return rows, first
