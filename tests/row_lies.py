"""Lies about rows, in whatever form they come, and about the zip they come in."""

from __future__ import annotations

import io
import json
import struct
import zipfile
from collections.abc import Callable
from typing import Any

from tests.archive import zipped
from tests.canned import reply
from tests.liar import CLOSE, Kind, Said

HOUR, DAY = 3_600_000, 86_400_000
HTML = b"<!doctype html><html><body>Just a moment...</body></html>"
STAMPS = ("time", "timestamp", "fundingTime")
Row = Any  # a list of cells, or an object
Rows = list[Row]


def _stamped(row: Row, change: Callable[[int], int]) -> Row:
    """The row at another time; text stamps (metrics) stay, and then the row says nothing new."""
    if isinstance(row, dict):
        return {k: type(v)(change(int(v))) if k in STAMPS else v for k, v in row.items()}
    places = (0, 6) if len(row) == 12 else (0,)
    out = list(row)
    for place in places:
        if str(row[place]).isdigit():
            out[place] = type(row[place])(change(int(row[place])))
    return out


def _valued(row: Row, change: Callable[[Any], Any], which: int = -1) -> Row:
    """The row with another value in one of its numbers: prices where it has prices."""
    if isinstance(row, dict):
        names = [k for k, v in row.items() if k not in STAMPS and _is_number(v)]
        name = names[min(1, len(names) - 1)] if which < 0 else names[which % len(names)]
        return {**row, name: change(row[name])}
    out, place = list(row), 2 if len(row) > 3 else len(row) - 1
    out[place] = change(row[place])
    return out


def _is_number(value: Any) -> bool:
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return not isinstance(value, bool)


def of_rows(change: Callable[[Rows], Rows]) -> Kind:
    """The true rows, changed, in the form they came in: what is odd in a row may stay out, and the rest be believed."""

    def spoil(said: Said) -> bytes:
        if said.body[:2] == b"PK":
            return reply(_zip(said.body, change), 200, CLOSE)
        found = json.loads(said.body)
        if isinstance(found, dict) and isinstance(found.get("data"), list):
            found = {**found, "data": change(found["data"])}
        elif isinstance(found, list):
            found = change(found)
        return reply(json.dumps(found).encode(), 200, CLOSE)

    return Kind(spoil, believable=True, signed=True)


def _zip(body: bytes, change: Callable[[Rows], Rows]) -> bytes:
    with zipfile.ZipFile(io.BytesIO(body)) as packed:
        name = packed.namelist()[0]
        lines = packed.read(name).decode().splitlines()
    header = [line for line in lines[:1] if not line[0].isdigit()]
    rows = change([line.split(",") for line in lines[len(header) :]])
    text = "".join(f"{line}\n" for line in [*header, *(",".join(map(str, row)) for row in rows)])
    return zipped(name.removesuffix(".csv") + ".zip", text)


def _at(change: Callable[[Row], Row], first: int = 3, step: int = 10**9) -> Callable[[Rows], Rows]:
    """Some rows changed: from `first` on each `step`-th."""
    return lambda rows: [change(row) if i >= first and (i - first) % step == 0 else row for i, row in enumerate(rows)]


def _raw(said_as: str) -> Kind:
    """A value that only a lenient parser takes for a number, as it stands in the text."""
    mark = "9999.125"
    marked = of_rows(_at(lambda row: _valued(row, lambda value: type(value)(mark) if value is not None else value)))

    def spoil(said: Said) -> bytes:
        told = marked.spoil(said)
        assert isinstance(told, bytes)
        if said.body[:2] == b"PK":
            changed = _zip(said.body, _at(lambda row: _valued(row, lambda value: said_as)))
            return reply(changed, 200, CLOSE)
        _, body = told.split(b"\r\n\r\n", 1)
        quoted = f'"{mark}"'.encode()
        return reply(body.replace(quoted, said_as.encode()).replace(mark.encode(), said_as.encode()), 200, CLOSE)

    return Kind(spoil, believable=True, signed=True)


ROWS = {
    "NaN": _raw("NaN"),
    "1e999": _raw("1e999"),
    "an underscore in a number": _raw("1_000"),
    "digits of another script": _raw('"١٢٣"'),
    "a text for a number": _raw('"abc"'),
    "a truth for a number": _raw("true"),
    "high below low": of_rows(
        _at(lambda row: _valued(row, lambda v: type(v)(0.000001 if type(v) is float else "1e-6")))
    ),
    "a negative price": of_rows(_at(lambda row: _valued(row, lambda v: type(v)(-1 if type(v) is not str else "-1")))),
    "rows twice": of_rows(lambda rows: [row for row in rows for _ in (1, 2)]),
    "rows twice with other values": of_rows(
        lambda rows: [
            *rows,
            *(_valued(r, lambda v: type(v)(float(v) * 1.01) if _is_number(v) else v) for r in rows[4:6]),
        ]
    ),
    "newest first": of_rows(lambda rows: rows[::-1]),
    "off the grid": of_rows(_at(lambda row: _stamped(row, lambda at: at + 17_000))),
    "in seconds": of_rows(lambda rows: [_stamped(row, lambda at: at // 1000) for row in rows]),
    "one row in microseconds": of_rows(_at(lambda row: _stamped(row, lambda at: at * 1000))),
    "a row of the future": of_rows(_at(lambda row: _stamped(row, lambda at: at + 3650 * DAY))),
    "rows of another year": of_rows(lambda rows: [_stamped(row, lambda at: at - 365 * DAY) for row in rows]),
    "shifted by a bar": of_rows(lambda rows: [_stamped(row, lambda at: at + HOUR) for row in rows]),
    "bars vanished": of_rows(lambda rows: [row for i, row in enumerate(rows) if i % 3]),
    "all rows vanished": of_rows(lambda rows: []),
    "the last rows vanished": of_rows(lambda rows: rows[: len(rows) // 2]),
    "restated": of_rows(_at(lambda r: _valued(r, lambda v: type(v)(float(v) * 1.001) if _is_number(v) else v), 0, 4)),
    "a field less": of_rows(_at(lambda row: row[:-2] if isinstance(row, list) else dict(list(row.items())[:1]), 0, 2)),
    "a field more": of_rows(_at(lambda row: [*row, "1"] if isinstance(row, list) else {**row, "more": 1}, 0, 1)),
    "the same page for ever": Kind(lambda said: reply(said.first, 200, CLOSE), believable=True),
}


def _rezipped(change: Callable[[str, bytes], list[tuple[str, bytes]]]) -> Kind:
    """The zip with other members; a JSON answer stays as it is."""

    def spoil(said: Said) -> bytes:
        if said.body[:2] != b"PK":
            return reply(HTML, 200, CLOSE)
        with zipfile.ZipFile(io.BytesIO(said.body)) as packed:
            name = packed.namelist()[0]
            text = packed.read(name)
        made = io.BytesIO()
        with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
            for member, data in change(name, text):
                archive.writestr(zipfile.ZipInfo(member), data, zipfile.ZIP_DEFLATED)
        return reply(made.getvalue(), 200, CLOSE)

    return Kind(spoil, signed=True)


def _encrypted(said: Said) -> bytes:
    body = bytearray(said.body)
    if said.body[:2] == b"PK":
        for mark, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
            at = body.index(mark) + place
            body[at : at + 2] = struct.pack("<H", 1)
    return reply(bytes(body), 200, CLOSE) if said.body[:2] == b"PK" else reply(HTML, 200, CLOSE)


ZIP = {
    "a member of another name": _rezipped(lambda name, text: [("other.csv", text)]),
    "a member outside": _rezipped(lambda name, text: [("../../" + name, text)]),
    "two members": _rezipped(lambda name, text: [(name, text), ("second.csv", text)]),
    "no member": _rezipped(lambda name, text: []),
    "a member that unpacks without end": _rezipped(lambda name, text: [(name, b"1," * (1 << 20))]),
    "an empty member": _rezipped(lambda name, text: [(name, b"")]),
    "encrypted": Kind(_encrypted, signed=True),
    "another file than its checksum says": Kind(
        lambda said: reply(_zip(said.body, lambda rows: rows[:-1]) if said.body[:2] == b"PK" else HTML, 200, CLOSE)
    ),
}
