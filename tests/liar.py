"""A venue that lies: a proxy on loopback before a stand-in, that spoils what comes back in one of many ways.

with Liar(upstream, KINDS["reset"]) as liar:      # every answer; turns=1: the first one of each path only
    …ask liar.url…
"""

from __future__ import annotations

import hashlib
import http.client
import socket
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from tests.canned import Canned, Play, reply

DIGEST = ".CHECKSUM"
CLOSE = "Connection: close"


@dataclass(frozen=True)
class Said:
    """One true answer, which turn at its path it is, and the body of the first turn."""

    body: bytes
    path: str
    turn: int = 0
    first: bytes = b""


@dataclass(frozen=True)
class Kind:
    """One way to lie: a whole reply to send, or something to do with the connection.

    believable : the venue could mean it; only the venue itself, asked again, can say that it did not. Of any other lie
    nothing may be committed. signed : where a digest is published, it is that of the lie.
    """

    spoil: Callable[[Said], bytes | Play]
    believable: bool = False
    signed: bool = False


class Liar(Canned):
    """The proxy. turns : how many answers of each path are spoilt (0: all of them)."""

    def __init__(self, upstream: str, kind: Kind, turns: int = 0) -> None:
        super().__init__()
        self.kind, self.turns, self.spoilt = kind, turns, Counter[str]()
        self._at = urlsplit(upstream)
        self._first: dict[str, bytes] = {}
        self._counting = threading.Lock()

    def _talk(self, conn: socket.socket) -> None:
        with conn:
            try:
                head = self._head(conn)
                if head:
                    self.heads.append(head)
                    said = self._said(head.split(" ", 2)[1], head)
                    if callable(said):
                        said(conn)
                    else:
                        conn.sendall(said)
            except OSError:  # the other side had enough of it
                return

    def _said(self, target: str, head: str) -> bytes | Play:
        path = target.partition("?")[0]
        if path.endswith(DIGEST) and self.kind.signed and not self.turns:
            zipped = path.removesuffix(DIGEST)
            status, body = self._asked(zipped, head)
            lie = self.kind.spoil(Said(body, zipped)) if status == 200 else b""
            if isinstance(lie, bytes) and lie:
                digest = hashlib.sha256(lie.split(b"\r\n\r\n", 1)[1]).hexdigest()
                return reply(f"{digest}  {zipped.rpartition('/')[2]}\n".encode(), 200, CLOSE)
        status, body = self._asked(target, head)
        with self._counting:
            first = self._first.setdefault(path, body)
            turn = self.spoilt[path]
            if status != 200 or path.endswith(DIGEST) or (self.turns and turn >= self.turns):
                return reply(body, status, CLOSE)
            self.spoilt[path] += 1
        return self.kind.spoil(Said(body, path, turn, first))

    def _asked(self, target: str, head: str) -> tuple[int, bytes]:
        """What the venue says."""
        lines = [line.split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line]
        asked = {name: value for name, value in lines if name.lower() not in ("host", "accept-encoding", "connection")}
        connection = http.client.HTTPConnection(self._at.hostname or "", self._at.port or 80, timeout=10)
        try:
            connection.request("GET", target, headers=asked)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()
