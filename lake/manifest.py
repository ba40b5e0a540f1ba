"""A manifest says what a day's file is, what it was made from, and by which rules."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import NamedTuple

from meta.errors import Tampered

NONE = "none"
HEX = re.compile("[0-9a-f]{64}")
COUNT, CELL = "0|[1-9][0-9]{0,17}", r"[^\t\n]*"
INSTANT = r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z|"
SHAPES = {"file": r"[^\t\n/]*", "bytes": COUNT, "rows": COUNT, "min_ts": INSTANT, "max_ts": INSTANT, "source": CELL}


@dataclass(frozen=True)
class Provenance:
    """Where a day comes from: source (name and series, never the route), digests of its inputs and of its rules."""

    source: str
    inputs: str
    code: str


class Entry(NamedTuple):  # a frozen dataclass takes ten times as long to make
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


HEADER = "\t".join(Entry._fields)
ROW = re.compile("\t".join(f"({SHAPES.get(name, HEX.pattern)})" for name in Entry._fields))


def digest(data: bytes) -> str:
    """What is the sha256 of these bytes, in hex?"""
    return hashlib.sha256(data).hexdigest()


def written(entries: list[Entry]) -> bytes:
    """How is a manifest written? A header, a row a file, and a digest of all the bytes above."""
    rows = ["\t".join(map(str, entry)) for entry in entries]
    body = "".join(f"{line}\n" for line in [HEADER, *rows]).encode()
    return body + f"#sha256\t{digest(body)}\n".encode()


def mark(entry: Entry | None) -> str:
    """By what is a manifest told apart in the names of files and folders? `none` where there is none."""
    return digest(written([entry]))[:16] if entry else NONE


def parsed(data: bytes, where: str, remedy: str = "run `python -m lake repair`") -> list[Entry]:
    """What does this manifest say? Raises Tampered, naming `where` and the remedy, as `entries_of` raises."""
    try:
        return entries_of(data)
    except ValueError as fact:
        raise Tampered(f"{where} {fact}; {remedy}") from None


def entries_of(data: bytes) -> list[Entry]:
    """What does this manifest say? One entry, or two while a swap is under way.

    Raises ValueError with what is wrong unless every byte is as `written` would have it.
    """
    try:
        header, *rows, end, after = data.decode("utf-8").split("\n")
    except ValueError:  # no text, or not so many lines
        raise ValueError("is cut short or not a manifest") from None
    if header != HEADER or after or end != f"#sha256\t{digest(data[: -len(end) - 1])}":
        raise ValueError("is cut short or does not match its own digest")
    entries = [entry for row in rows if (entry := _entry(row))]
    if not 1 <= len(entries) == len(rows) <= 2:
        raise ValueError("holds what no day can have")
    return entries


def _entry(row: str) -> Entry | None:
    """What does this row say? None where `written` writes no such row, or no day can have it."""
    shape = ROW.fullmatch(row)
    if shape is None:
        return None
    file, sha256, size, rows, first, last, *rest = shape.groups()
    if (rows == "0") != (first == "") or (rows == "0") != (last == ""):
        return None
    return Entry(file, sha256, int(size), int(rows), first, last, *rest)
