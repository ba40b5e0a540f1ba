"""A venue on loopback: real HTTP, synthetic data, CoinGlass v4 on the wire."""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import sys
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from meta.errors import Usage
from meta.timeframes import MINUTE
from p1_ingest.sim import body
from p1_ingest.sim.answers import Refusal, answer
from p1_ingest.sim.quirks import HEALTHY, Quirks, fails_first
from p1_ingest.sim.series import HISTORY

KEY_HEADER = "CG-API-KEY"
EMPTY = b'{"code":"0","data":[]}'


def wall_clock() -> int:
    """What time is it? UTC milliseconds."""
    return time.time_ns() // 1_000_000


@dataclass(frozen=True)
class Seen:
    """One request as it was answered; the key itself is not kept."""

    path: str
    query: dict[str, str]
    status: int
    code: str


class SimVenue:
    """The stand-in venue, serving between `start` and `stop`, or for the length of a `with` block.

    quirks : how it misbehaves · clock : what time it is there, UTC ms · log : the last 100,000 requests, oldest first
    counts : requests by path. Raises Usage where `host` is not a loopback address or the port is taken.
    """

    def __init__(
        self,
        quirks: Quirks = HEALTHY,
        clock: Callable[[], int] = wall_clock,
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        self.quirks, self.clock, self._host, self._port = quirks, clock, host, port
        self.log: deque[Seen] = deque(maxlen=100_000)
        self.counts: Counter[str] = Counter()
        self._used: Counter[tuple[str, int]] = Counter()
        self._asked: set[tuple[str, str]] = set()
        self._lock = threading.Lock()
        self._server: _Server | None = None

    @property
    def url(self) -> str:
        """Where does it listen? Raises Usage where it does not."""
        if self._server is None:
            raise Usage("the stand-in venue is not running; start it, or use it in a `with` block")
        return f"http://{self._host}:{self._server.server_address[1]}"

    def start(self) -> SimVenue:
        """Listen, and answer in the background."""
        self._server = _listening(self, self._host, self._port)
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True, name="sim-venue").start()
        return self

    def stop(self) -> None:
        """Answer no more."""
        if self._server is not None:
            self._server.shutdown()
            self._server.hang_up()
            self._server.server_close()
            self._server = None

    def __enter__(self) -> SimVenue:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    def reply(self, target: str, key: str | None) -> tuple[int, dict[str, str], bytes]:
        """Which status, headers and body answer a GET of this target under this key?"""
        parts = urlsplit(target)
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        now = self.clock()
        used = self._count(parts.path, key or "", now)
        headers = {"API-KEY-MAX-LIMIT": str(self.quirks.per_minute), "API-KEY-USE-LIMIT": str(used)}
        try:
            self._admit(parts.path, target, key, used)
            status, code, sent = 200, "0", self._body(parts.path, query, target, now)
        except Refusal as refusal:
            status, code, sent = self._status(refusal.code), refusal.code, body.error(refusal.code, str(refusal))
        self.log.append(Seen(parts.path, query, status, code))
        return status, headers, sent

    def _count(self, path: str, key: str, now: int) -> int:
        with self._lock:
            self.counts[path] += 1
            minute = now // MINUTE
            for past in [slot for slot in self._used if slot[1] < minute]:
                del self._used[past]
            self._used[key, minute] += 1
            return self._used[key, minute]

    def _admit(self, path: str, target: str, key: str | None, used: int) -> None:
        """May this request be answered? Raises Refusal."""
        if not key:
            raise Refusal("30001", "API key missing.")
        if self.quirks.keys is not None and key not in self.quirks.keys:
            raise Refusal(self.quirks.bad_key, "Invalid API key provided")
        if used > self.quirks.per_minute:
            raise Refusal("429", "Too Many Requests")
        if self.quirks.no_plan:
            raise Refusal("401", "Upgrade plan")
        if path in HISTORY and self._first(self.quirks.server_errors, "error", target):
            raise Refusal("500", "Server Error")

    def _body(self, path: str, query: dict[str, str], target: str, now: int) -> bytes:
        if path in HISTORY and self._first(self.quirks.empty_pages, "empty", target):
            return EMPTY
        return answer(path, query, self.quirks, now)

    def _first(self, rate: float, word: str, target: str) -> bool:
        """Does this question meet this trouble now? Only once each, so that asking again helps."""
        if rate <= 0 or not fails_first(rate, word, target):
            return False
        with self._lock:
            new = (word, target) not in self._asked
            self._asked.add((word, target))
        return new

    def _status(self, code: str) -> int:
        if code == "401":
            return self.quirks.refusal_status
        return {"404": 404, "405": 405, "429": self.quirks.rate_status}.get(code, 200)


class _Handler(BaseHTTPRequestHandler):
    """One connection; each reply leaves in one write."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = 60
    server: _Server

    def do_GET(self) -> None:
        self._send(*self.server.venue.reply(self.path, self.headers.get(KEY_HEADER)))

    def do_POST(self) -> None:
        self.close_connection = True
        self._send(405, {}, body.error("405", "Method Not Allowed"))

    def _send(self, status: int, headers: dict[str, str], sent: bytes) -> None:
        lines = [f"HTTP/1.1 {status} {self.responses[status][0]}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        lines += ["Content-Type: application/json;charset=UTF-8", f"Content-Length: {len(sent)}"]
        if self.close_connection:
            lines.append("Connection: close")
        self.wfile.write("\r\n".join([*lines, "", ""]).encode("latin-1") + sent)

    def log_message(self, format: str, *args: object) -> None:
        """Requests are kept in the venue's log instead of on stderr."""


class _Server(ThreadingHTTPServer):
    """The listening socket and its open connections."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 64
    venue: SimVenue

    def __init__(self, address: tuple[str, int]) -> None:
        self.open: set[socket.socket] = set()
        super().__init__(address, _Handler)

    def get_request(self) -> tuple[socket.socket, object]:
        """Which client is next?"""
        connection, address = super().get_request()
        self.open.add(connection)
        return connection, address

    def shutdown_request(self, request: Any) -> None:
        """One connection is over."""
        self.open.discard(request)
        super().shutdown_request(request)

    def hang_up(self) -> None:
        """End every connection: kept-alive ones would otherwise go on being answered after the venue has closed."""
        for connection in list(self.open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is its own business; anything else is a fault of ours and shows."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


def _listening(venue: SimVenue, host: str, port: int) -> _Server:
    try:
        loopback = ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = False
    if not loopback:
        raise Usage(f"the stand-in venue serves loopback only, not {host!r}; use 127.0.0.1")
    try:
        server = _Server((host, port))
    except (OSError, OverflowError) as error:
        raise Usage(f"the stand-in venue cannot listen on {host} port {port}: {error}; give another --port") from None
    server.venue = venue
    return server


def serve(port: int = 0, quirks: Quirks = HEALTHY, announce: Callable[[str], object] = print) -> None:
    """Serve until KeyboardInterrupt, which is passed on; `announce` is told once where."""
    with SimVenue(quirks, port=port) as venue:
        announce(
            f"SYNTHETIC: stand-in venue at {venue.url}; set COINGLASS_BASE_URL to it, any COINGLASS_API_KEY will do"
        )
        threading.Event().wait()
