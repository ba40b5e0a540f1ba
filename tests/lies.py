"""The ways to lie, by name: on the wire, in the status, in the body; and in the rows and the zip, from beside."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable

from tests import canned
from tests.canned import Play, for_ever, reply
from tests.liar import CLOSE, Kind, Said
from tests.row_lies import HTML, ROWS, ZIP

ELSEWHERE = "http://127.0.0.2:9"  # another host; whoever sends a key there has lost it


def played(play: Play) -> Kind:
    return Kind(lambda said: play)


def answered(body: bytes, status: int = 200, *headers: str) -> Kind:
    return Kind(lambda said: reply(body, status, CLOSE, *headers))


def _with(change: Callable[[bytes], bytes], *headers: str) -> Kind:
    """The true body, changed as bytes."""
    return Kind(lambda said: reply(change(said.body), 200, CLOSE, *headers), signed=True)


def _lengthy(by: int) -> Kind:
    return Kind(lambda said: reply(said.body, 200, CLOSE, length=len(said.body) + by))


def _bomb(said: Said) -> bytes:
    packed = zlib.compressobj(9, zlib.DEFLATED, 31)
    body = b"".join(packed.compress(b"[" * (1 << 20)) for _ in range(8)) + packed.flush()
    return reply(body, 200, CLOSE, "Content-Encoding: gzip")


def _gzipped(change: Callable[[bytes], bytes]) -> Kind:
    return Kind(lambda said: reply(change(gzip.compress(said.body)), 200, CLOSE, "Content-Encoding: gzip"))


WIRE = {
    "body cut short": played(canned.cut_short),
    "chunk cut short": played(canned.half_a_chunk),
    "head cut short": played(canned.half_a_head),
    "connection reset": played(canned.reset),
    "hangs up": played(canned.hang_up),
    "another protocol": played(canned.nonsense),
    "says nothing": played(for_ever(b"", b"", every=0.05)),
    "drips": played(for_ever(b"HTTP/1.1 200 Said\r\nContent-Length: 9999\r\n\r\n", b" ", every=0.02)),
    "head without end": played(for_ever(b"HTTP/1.1 200 Said\r\n", b"X-More: " + b"x" * 4096 + b"\r\n")),
    "chunks without end": played(
        for_ever(b"HTTP/1.1 200 Said\r\nTransfer-Encoding: chunked\r\n\r\n", b"1000\r\n" + b"[" * 4096 + b"\r\n")
    ),
    "longer than it says": _lengthy(-7),
    "shorter than it says": _lengthy(7),
    "gzip bomb": Kind(_bomb),
    "gzip cut short": _gzipped(lambda body: body[:-9]),
    "gzip broken": _gzipped(lambda body: body[:20] + b"\xff\xff" + body[22:]),
    "gzip and more": _gzipped(lambda body: body + b"more"),
    "an encoding nobody asked for": Kind(lambda said: reply(said.body, 200, CLOSE, "Content-Encoding: br")),
}
STATUS = {
    "redirect to another host": answered(b"", 302, f"Location: {ELSEWHERE}/api"),
    "permanent redirect": answered(b"", 308, f"Location: {ELSEWHERE}/api"),
    "not modified, unasked": answered(b"", 304),
    "no content": answered(b"", 204),
    "created": answered(b"", 201),
    "bad request": answered(b'{"code":-1100,"msg":"Illegal characters"}', 400),
    "who are you": answered(b'{"code":-2015,"msg":"Invalid API-key"}', 401),
    "firewall": answered(HTML, 403),
    "timeout": answered(b"", 408),
    "banned": answered(b'{"code":-1003,"msg":"Way too much request weight used; IP banned until 1."}', 418),
    "limit": answered(b"{}", 429),
    "limit, wait a year": answered(b"{}", 429, "Retry-After: 31536000"),
    "limit, wait less than nothing": answered(b"{}", 429, "Retry-After: -5"),
    "limit, wait until a date": answered(b"{}", 429, "Retry-After: Wed, 21 Oct 2037 07:28:00 GMT"),
    "limit, wait no number": answered(b"{}", 429, "Retry-After: ٣"),
    "region": answered(b'{"code":0,"msg":"Service unavailable from a restricted location"}', 451),
    "server fault": answered(HTML, 500),
    "bad gateway": answered(HTML, 502),
    "unavailable": answered(b"", 503, "Retry-After: 1e9"),
    "gateway timeout": answered(b"", 504),
    "a status of its own": answered(b"", 599),
    "plan": answered(b'{"code":"401","msg":"Upgrade plan"}'),
    "busy in a body": answered(b'{"code":"50001","msg":"Server busy"}'),
    "limit in a body": answered(b'{"code":-1003,"msg":"Too many requests queued."}'),
}
BODY = {
    "HTML": answered(HTML),
    "nothing": answered(b""),
    "null": answered(b"null"),
    "a text": answered(b'"busy"'),
    "a number": answered(b"1"),
    "an array of nulls": answered(b"[null,null]"),
    "an object": answered(b'{"data":{"list":1},"code":"0"}'),
    "half the body": _with(lambda body: body[: len(body) // 2]),
    "without its first byte": _with(lambda body: body[1:]),
    "NUL bytes inside": _with(lambda body: body[:40] + b"\0\0" + body[40:]),
    "no UTF-8": _with(lambda body: body[:1] + b"\xff\xfe" + body[1:]),
    "UTF-16": _with(lambda body: body.decode("latin-1").encode("utf-16")),
    "nests for ever": answered(b"[" * 200_000),
    "JSON and more": Kind(lambda said: reply(said.body + b"]", 200, CLOSE)),
}
KINDS: dict[str, Kind] = {**WIRE, **STATUS, **BODY, **ROWS, **ZIP}
