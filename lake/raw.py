"""What venues said is kept as it came: every body once, under its own digest, and a line for every answer.

    raw/ab/<sha256>.zst      a body, zstd; the name is the sha256 of what it unpacks to
    raw/index                JSON lines, appended: run, answer, day, end

A `run` is one ingest of one symbol and timeframe. Each `answer` it accepts (a 404 too) names its body. A `day` says
which bodies a part was made of, by the part's sha256, so that manifests need not tell the route and an older generation
keeps its link. `end` tells which days stayed out, and why; a run without it was cut short.

Bodies are written without waiting for the disk. `tell` first makes all of them durable, then the lines that name them,
and P1 publishes a day only after its line is told. So after a crash no line points to nothing and no committed day
lacks its link; at most a line tells of a day that was never published, and bodies lie there that no line names.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path

import msgspec
import pyarrow as pa

from lake import disk, locks, regular
from lake.layout import Shelf
from lake.manifest import HEX, digest
from meta.errors import Tampered

LEVEL = 3
LARGEST = 1 << 30  # bytes a body may unpack to: no answer comes near
Spans = tuple[tuple[str, str], ...]


class Run(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="kind", tag="run"):
    """One ingest: what it was asked for (first … last), the days it asked the venue about, and how.

    time : ISO 8601, the instant it is of: for its logic no time passes. lag : the source's settle lag, ms.
    required : the series that make the bars. settings : the choices that reach the lake.
    """

    run: str
    time: str
    tf: str
    symbol: str
    source: str
    first: str
    last: str
    asked: Spans
    lag: int
    required: tuple[str, ...]
    settings: dict[str, bool]


class Answer(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="kind", tag="answer"):
    """One answer as accepted: the request, without keys, and what came back.

    days : the days that need it. sha256, size : the body's; empty and 0 where none is kept (a 404, a failure).
    status : HTTP's, 0 where no answer was accepted at all, and `why` says what was the matter. text : a published
    digest, which is one line, stands here and has no file.
    """

    run: str
    time: str
    source: str
    series: str
    host: str
    path: str
    status: int
    params: tuple[tuple[str, str], ...] = ()
    tf: str = ""
    symbol: str = ""
    start: int = 0
    end: int = 0
    days: Spans = ()
    route: str = ""
    sha256: str = ""
    size: int = 0
    etag: str = ""
    modified: str = ""
    why: str = ""
    text: str = ""

    @property
    def name(self) -> str:
        """How is the request told to people?"""
        return told(self.host, self.path, self.params)


class Day(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="kind", tag="day"):
    """What one part was made of: series -> sha256 of its bodies, what was not offered, and what was noted of them.

    quarantined : ts (ISO 8601) -> why that bar was kept out. counts : rows dropped from its answers, by reason.
    nulled : values that were made null, by rule.
    """

    run: str
    time: str
    tf: str
    symbol: str
    day: str
    part: str
    bodies: dict[str, tuple[str, ...]]
    not_offered: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    quarantined: dict[str, str] = {}
    counts: dict[str, int] = {}
    nulled: dict[str, int] = {}


class End(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="kind", tag="end"):
    """How a run ended: the days that stayed out, by (first, last, why)."""

    run: str
    time: str
    tf: str
    symbol: str
    failed: tuple[tuple[str, str, str], ...] = ()
    waiting: tuple[tuple[str, str, str], ...] = ()


Line = Run | Answer | Day | End
_ENCODER, _DECODER = msgspec.json.Encoder(), msgspec.json.Decoder(Line)


def folder(root: Path) -> Path:
    """Where does this lake keep what venues said?"""
    return root / "raw"


def index(root: Path) -> Path:
    """Where are the lines?"""
    return folder(root) / "index"


def path(root: Path, sha: str) -> Path:
    """Where is the body of this sha256?"""
    return folder(root) / sha[:2] / f"{sha}.zst"


def keep(root: Path, body: bytes) -> str:
    """Keep a body, unless it lies there sound; returns its sha256. Not durable before `tell`."""
    sha = digest(body)
    if fault(root, sha):
        disk.write_loose(path(root, sha), pa.Codec("zstd", LEVEL).compress(body, asbytes=True))
    return sha


def body(root: Path, sha: str) -> bytes:
    """What is the body of this sha256? Verified. Raises Tampered where it is gone or is another."""
    found, why = _read(root, sha)
    if why:
        raise Tampered(f"raw body {sha} {why}; ingest its days again, or take it from a copy of {path(root, sha)}")
    return found


def fault(root: Path, sha: str) -> str:
    """What is wrong with the body kept under this sha256? "" where nothing is."""
    return _read(root, sha)[1]


def tell(root: Path, lines: Sequence[Line]) -> None:
    """Add these lines durably, after the bodies they name are durable. Runs of other symbols may tell meanwhile."""
    if not lines:
        return
    disk.make_folders(folder(root))
    named = sorted({line.sha256 for line in lines if isinstance(line, Answer) and line.sha256 and not line.text})
    disk.sync_loose([path(root, sha) for sha in named], folder(root))
    data = b"".join(_ENCODER.encode(line) + b"\n" for line in lines)
    with locks.telling(root):
        disk.append(index(root), data)
        disk.sync_folder(folder(root))


def lines(root: Path, *words: str) -> Iterator[Line]:
    """Which lines does the index hold, oldest first? With `words`, those that hold each of them as a value.

    A line torn by a crash is passed over: what it told was not committed.
    """
    wanted = [_ENCODER.encode(word) for word in words]
    try:
        file = regular.opened(index(root))
    except FileNotFoundError:
        return
    with file:
        for line in file:
            if all(word in line for word in wanted):
                try:
                    yield _DECODER.decode(line)
                except (msgspec.DecodeError, UnicodeDecodeError):
                    continue


def about(shelf: Shelf) -> Iterator[Line]:
    """Which lines are about this shelf's symbol and timeframe?"""
    for line in lines(shelf.root, shelf.symbol, shelf.tf.name):
        if (line.symbol, line.tf) == (shelf.symbol, shelf.tf.name):
            yield line


def days_of(shelf: Shelf) -> dict[tuple[str, str], Day]:
    """Which bodies were this shelf's parts made of? (day, part sha256) -> the newest line."""
    return {(line.day, line.part): line for line in about(shelf) if isinstance(line, Day)}


def spans(days: Sequence[date]) -> Spans:
    """These ascending days as stretches: (first, last), ISO."""
    found: list[list[date]] = []
    for day in days:
        if found and (day - found[-1][1]).days == 1:
            found[-1][1] = day
        else:
            found.append([day, day])
    return tuple((first.isoformat(), last.isoformat()) for first, last in found)


def within(day: date | str, stretches: Spans) -> bool:
    """Does a day lie in one of these stretches?"""
    return any(first <= str(day) <= last for first, last in stretches)


def told(host: str, where: str, params: Sequence[tuple[str, str]]) -> str:
    """How is a request named in messages?"""
    query = "&".join(f"{name}={value}" for name, value in params)
    return f"{host} {where}" + (f"?{query}" if query else "")


def _read(root: Path, sha: str) -> tuple[bytes, str]:
    """The body and "", or nothing and what is wrong with it."""
    if not HEX.fullmatch(sha):
        return b"", "has no name a body can have"
    try:
        packed = regular.read(path(root, sha))
    except FileNotFoundError:
        return b"", "is gone"
    except Tampered:
        return b"", "is no regular file"
    except OSError as error:
        return b"", f"cannot be read ({error.strerror})"
    try:
        with pa.CompressedInputStream(pa.BufferReader(packed), "zstd") as stream:
            found = stream.read(LARGEST)
    except (OSError, pa.ArrowException):
        return b"", "is not what was kept: it does not unpack"
    return (found, "") if digest(found) == sha else (b"", "is not what was kept: its sha256 differs")
