"""A venue on loopback that replies from a script, byte for byte; and a clock that only moves when told."""

from __future__ import annotations

import json
import socket
import struct
import threading
from collections.abc import Callable
from types import TracebackType

from p1_ingest.sources.base import Request

Play = Callable[[socket.socket], None]
DAY = 86_400_000


def reply(body: bytes | object, status: int = 200, *headers: str, length: int | None = None) -> bytes:
    """A whole HTTP reply; what is not bytes is sent as JSON."""
    data = body if isinstance(body, bytes) else json.dumps(body, separators=(",", ":")).encode()
    lines = [f"HTTP/1.1 {status} Said", f"Content-Length: {len(data) if length is None else length}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + data


def ok(rows: object) -> bytes:
    return reply({"code": "0", "data": rows})


def cut_short(conn: socket.socket) -> None:
    """A body shorter than it said."""
    conn.sendall(reply(b'{"code":"0","data":[', length=500))
    conn.shutdown(socket.SHUT_WR)


def half_a_chunk(conn: socket.socket) -> None:
    conn.sendall(b"HTTP/1.1 200 Said\r\nTransfer-Encoding: chunked\r\n\r\nff\r\nabc")
    conn.shutdown(socket.SHUT_WR)


def half_a_head(conn: socket.socket) -> None:
    conn.sendall(b"HTTP/1.1 200 Said\r\nX-Half: ")
    conn.shutdown(socket.SHUT_WR)


def reset(conn: socket.socket) -> None:
    conn.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    conn.close()


def hang_up(conn: socket.socket) -> None:
    conn.shutdown(socket.SHUT_RDWR)


def nonsense(conn: socket.socket) -> None:
    conn.sendall(b"\x00\x01 220 mail.example ready\r\n\r\n")
    conn.shutdown(socket.SHUT_WR)


def for_ever(first: bytes, again: bytes, every: float = 0.0) -> Play:
    """Say `first`, then `again` until the other side hangs up."""

    def play(conn: socket.socket) -> None:
        conn.sendall(first)
        tick = threading.Event()
        while True:
            conn.sendall(again)
            tick.wait(every)

    return play


class Canned:
    """Plays one item of the script a request, the last one again and again; `heads` are the requests' heads."""

    def __init__(self, *script: bytes | Play) -> None:
        self.script, self.heads = list(script), list[str]()
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> Canned:
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                conn, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._talk, args=(conn,), daemon=True).start()

    def _talk(self, conn: socket.socket) -> None:
        with conn:
            try:
                conn.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                while head := self._head(conn):
                    with self._lock:
                        self.heads.append(head)
                        item = self.script[min(len(self.heads), len(self.script)) - 1]
                    if callable(item):
                        item(conn)
                        return
                    conn.sendall(item)
            except OSError:
                return

    def _head(self, conn: socket.socket) -> str:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            more = conn.recv(65536)
            if not more:
                return ""
            head += more
        return head.decode("latin-1")


class Clock:
    """Seconds that pass by sleeping only."""

    def __init__(self) -> None:
        self.now, self.slept = 1000.0, list[float]()

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


def request(**changes: object) -> Request:
    """A request for a day of BTCUSDT at 5m."""
    base: dict[str, object] = {"series": "oi", "host": "venue", "path": "/api/x", "params": (("symbol", "BTC"),)}
    base |= {"days": (), "start": 0, "end": DAY, "symbol": "BTCUSDT", "tf": "5m"}
    return Request(**{**base, **changes})  # type: ignore[arg-type]
