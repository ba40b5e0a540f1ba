"""How do bytes come over the wire? One GET at a time, bounded in bytes and in seconds."""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import certifi
import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from meta.errors import BadPayload, Retryable, VenueRefused
from p1_ingest.deadlines import Deadlines
from p1_ingest.sources.base import Reply, Request

MIB = 1 << 20
CHUNK = 1 << 16
CONNECT, SILENCE = 10.0, 30.0  # seconds to connect, and between two reads


@dataclass(frozen=True)
class Bounds:
    """The most one answer may take: bytes on the wire, bytes decoded, seconds over all tries."""

    wire: int
    decoded: int
    seconds: float


BOUNDS: Mapping[str, Bounds] = {
    "json": Bounds(16 * MIB, 32 * MIB, 120.0),
    "text": Bounds(8 * MIB, 8 * MIB, 120.0),
    "zip": Bounds(256 * MIB, 256 * MIB, 600.0),
}
HOSTS, AT_ONCE = 16, 64  # connections are kept for so many hosts, so many of each
_TROUBLE = (urllib3.exceptions.HTTPError, http.client.HTTPException, OSError, ValueError)
_now = threading.local()  # .lines: those of the deadline of the request under way on this thread


class _Plain(HTTPConnection):
    def request(self, *args: Any, **kwargs: Any) -> None:
        """Send, and note both: the socket comes with connecting, and the connection forgets it for a last reply."""
        _now.lines.append(self)
        super().request(*args, **kwargs)
        _now.lines.append(self.sock)


class _Secure(HTTPSConnection):
    def request(self, *args: Any, **kwargs: Any) -> None:
        """Send, and note both."""
        _now.lines.append(self)
        super().request(*args, **kwargs)
        _now.lines.append(self.sock)


class _PlainPool(HTTPConnectionPool):
    ConnectionCls = _Plain


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _Secure


class Wire:
    """The real transport: urllib3's pools and nothing around them, so no cookies and no word of the environment's.

    No retries, no redirects. Threads may share it. A session of requests around it took twice the time.
    """

    def __init__(
        self, bounds: Mapping[str, Bounds] = BOUNDS, timeout: tuple[float, float] = (CONNECT, SILENCE)
    ) -> None:
        self._bounds, self._timeout, self._deadlines = bounds, timeout, Deadlines()
        self._pools = urllib3.PoolManager(
            HOSTS, retries=False, maxsize=AT_ONCE, cert_reqs="CERT_REQUIRED", ca_certs=certifi.where()
        )
        self._pools.pool_classes_by_scheme = {"http": _PlainPool, "https": _SecurePool}

    def __call__(self, request: Request, url: str, headers: Mapping[str, str], left: float) -> Reply:
        """What does the venue reply to this GET, within `left` seconds?

        Raises Retryable for trouble on the way, BadPayload for more bytes than allowed.
        """
        with self._deadlines.within(left) as deadline:
            _now.lines = deadline.lines
            try:
                reply = self._get(request, url, headers, left)
            except _TROUBLE as error:
                late = left if deadline.passed.is_set() else None
                raise _explained(error, request, late, self._timeout) from None
        if deadline.passed.is_set():  # http.client takes a head that ends in mid-air for a whole one
            raise _explained(TimeoutError(), request, left, self._timeout)
        return reply

    def close(self) -> None:
        """Close every connection."""
        self._pools.clear()
        self._deadlines.close()

    def _get(self, request: Request, url: str, headers: Mapping[str, str], left: float) -> Reply:
        asked = {"Accept-Encoding": "identity" if request.expects == "zip" else "gzip", **headers}
        timeout = urllib3.Timeout(connect=min(self._timeout[0], left), read=min(self._timeout[1], left))
        response = self._pools.urlopen(
            "GET", url, headers=asked, timeout=timeout, redirect=False, preload_content=False
        )
        try:
            told = {name.lower(): response.headers[name] for name in response.headers}
            body = _body(response, told.get("content-encoding", ""), request, self._bounds[request.expects])
            if not body and not {"content-length", "transfer-encoding"} & told.keys() and response.status == 200:
                raise http.client.IncompleteRead(b"")  # the same: a head cut short says nothing of a length
            return Reply(response.status, told, body)
        finally:
            response.close()  # a connection whose answer was read to its end is back in its pool by now, and stays


def _body(response: urllib3.BaseHTTPResponse, encoding: str, request: Request, bounds: Bounds) -> bytes:
    if encoding.strip().lower() not in ("", "identity", "gzip", "x-gzip"):
        raise BadPayload(f"{request.host} answers in an encoding nobody asked for; check what stands between")
    chunks = _counted(response, request, bounds.wire)
    if "gzip" in encoding.lower():
        chunks = _gunzipped(chunks)
    body = bytearray()
    for chunk in chunks:
        body += chunk
        if len(body) > bounds.decoded:
            raise _too_much(request, bounds.decoded)
    return bytes(body)


def _counted(response: urllib3.BaseHTTPResponse, request: Request, most: int) -> Iterator[bytes]:
    """The body as sent, at most `most` bytes of it."""
    count = 0
    while chunk := response.read(CHUNK, decode_content=False):
        count += len(chunk)
        if count > most:
            raise _too_much(request, most)
        yield chunk


def _gunzipped(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """The gzip member in `chunks`, a bounded piece at a time: a small body may unpack to any size."""
    unpack = zlib.decompressobj(16 + zlib.MAX_WBITS)
    empty = True
    for chunk in chunks:
        empty = False
        while chunk:
            try:
                yield unpack.decompress(chunk, CHUNK)
            except zlib.error:
                raise urllib3.exceptions.DecodeError("broken gzip") from None
            chunk = unpack.unconsumed_tail
        if unpack.unused_data:
            raise urllib3.exceptions.DecodeError("bytes after the gzip end")
    while not unpack.eof and (rest := unpack.decompress(b"", CHUNK)):
        yield rest
    if not (unpack.eof or empty):
        raise urllib3.exceptions.DecodeError("gzip cut short")


def _too_much(request: Request, most: int) -> BadPayload:
    return BadPayload(
        f"{request.host} {request.path} answers with more than {most / MIB:g} MiB, more than any {request.expects} "
        "of it needs; nothing of it is used"
    )


def _explained(
    error: BaseException, request: Request, deadline: float | None, timeout: tuple[float, float]
) -> Retryable | VenueRefused:
    """What does this trouble mean? Never the exception's own text, which may quote URL and headers."""
    causes = list(_chain(error))
    if any(isinstance(cause, ssl.SSLCertVerificationError) for cause in causes):
        return VenueRefused(
            f"{request.host}'s certificate is not trusted; check its URL, this machine's clock and any proxy between"
        )
    fact = f"did not finish within {deadline:.3g} s" if deadline is not None else _fact(causes, timeout)
    return Retryable(f"{request.host} {fact} ({request.path})")


def _fact(causes: list[BaseException], timeout: tuple[float, float]) -> str:
    known: tuple[tuple[type[BaseException], str], ...] = (
        (socket.gaierror, "has a name that cannot be resolved"),
        (urllib3.exceptions.NameResolutionError, "has a name that cannot be resolved"),
        (ConnectionRefusedError, "refuses connections"),
        (urllib3.exceptions.ConnectTimeoutError, f"cannot be reached within {timeout[0]:g} s"),
        (urllib3.exceptions.ReadTimeoutError, f"was silent for {timeout[1]:g} s"),
        (TimeoutError, f"was silent for {timeout[1]:g} s"),
        (http.client.IncompleteRead, "cut its answer short"),
        (urllib3.exceptions.IncompleteRead, "cut its answer short"),
        (urllib3.exceptions.DecodeError, "sent a broken gzip body"),
        (ConnectionError, "closed the connection"),
        (ssl.SSLError, "broke off the TLS connection"),
        (http.client.HTTPException, "does not speak HTTP"),
    )
    for kind, fact in known:
        if any(isinstance(cause, kind) for cause in causes):
            return fact
    return f"cannot be read from ({type(causes[0]).__name__})"


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """An exception, what it wraps, and what caused it."""
    seen: set[int] = set()
    queue = [error]
    while queue:
        at = queue.pop(0)
        if at is None or id(at) in seen:
            continue
        seen.add(id(at))
        yield at
        wrapped = [part for part in at.args if isinstance(part, BaseException)]
        queue += [*wrapped, getattr(at, "reason", None), at.__cause__, at.__context__]
