"""A manifest says what a day's file is, what it was made from, and by which rules."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, fields
from operator import attrgetter

from meta.errors import Tampered

HEX = re.compile(r"[0-9a-f]{64}")
NONE = "none"
STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z|", re.ASCII)


@dataclass(frozen=True)
class Provenance:
    """Where a day comes from: source (name and series, never the route), digests of its inputs and of its rules."""

    source: str
    inputs: str
    code: str


@dataclass(frozen=True)
class Entry:
    """One file of a day, in the manifest's column order. min_ts and max_ts are ISO 8601, empty for 0 rows."""

    file: str
    sha256: str
    bytes: int
    rows: int
    min_ts: str
    max_ts: str
    schema: str
    keys: str
    source: str
    inputs: str
    code: str


NAMES = tuple(field.name for field in fields(Entry))
HEADER = "\t".join(NAMES)
_cells = attrgetter(*NAMES)  # dataclasses.astuple copies deeply, at ten times the price


def digest(data: bytes) -> str:
    """What is the sha256 of these bytes, in hex?"""
    return hashlib.sha256(data).hexdigest()


def written(entries: list[Entry]) -> bytes:
    """How is a manifest written? A header, a row a file, and a digest of all the bytes above."""
    rows = ["\t".join(str(cell) for cell in _cells(entry)) for entry in entries]
    body = "".join(f"{line}\n" for line in [HEADER, *rows]).encode()
    return body + f"#sha256\t{digest(body)}\n".encode()


def mark(entry: Entry | None) -> str:
    """By what is a manifest told apart in the names of files and folders? `none` where there is none."""
    return digest(written([entry]))[:16] if entry else NONE


def parsed(data: bytes, where: str, remedy: str = "run `python -m lake repair`") -> list[Entry]:
    """What does this manifest say? One entry, or two while a swap is under way.

    Raises Tampered, naming `where` and the remedy, unless every byte is as `written` would have it.
    """
    try:
        lines = data.decode("utf-8").split("\n")
    except UnicodeDecodeError:
        raise Tampered(f"{where} is not a manifest; {remedy}") from None
    if len(lines) < 4 or lines[0] != HEADER or lines[-1] or not lines[-2].startswith("#sha256\t"):
        raise Tampered(f"{where} is cut short or not a manifest; {remedy}")
    try:
        entries = [_entry(line) for line in lines[1:-2]]
    except ValueError as error:
        raise Tampered(f"{where} holds {error}; {remedy}") from None
    if not 1 <= len(entries) <= 2 or written(entries) != data:
        raise Tampered(f"{where} does not match its own digest; {remedy}")
    return entries


def _entry(line: str) -> Entry:
    cells = line.split("\t")
    if len(cells) != len(NAMES):
        raise ValueError(f"a row of {len(cells)} cells")
    entry = Entry(cells[0], cells[1], int(cells[2]), int(cells[3]), *cells[4:])
    for name in ("sha256", "schema", "keys", "inputs", "code"):
        if not HEX.fullmatch(getattr(entry, name)):
            raise ValueError(f"no digest under {name}")
    if not (STAMP.fullmatch(entry.min_ts) and STAMP.fullmatch(entry.max_ts)):
        raise ValueError("no instant under min_ts or max_ts")
    if "/" in entry.file or entry.bytes < 0 or entry.rows < 0:
        raise ValueError("a row no day can have")
    if any((entry.rows == 0) != (instant == "") for instant in (entry.min_ts, entry.max_ts)):
        raise ValueError("a row no day can have")
    return entry
