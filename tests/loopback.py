"""A real HTTP server on loopback, with whatever handler a test needs behind it."""

from __future__ import annotations

import contextlib
import http.server
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any


class Quiet:
    """What every handler of ours does: connections stay open, an answer is one packet, and nothing is printed."""

    protocol_version = "HTTP/1.1"
    wbufsize = 1 << 16  # head and body in one packet, or each answer waits 40 ms for an acknowledgement
    disable_nagle_algorithm = True

    def log_message(self, format: str, *args: object) -> None:
        """Keep the test's output to itself."""


class _Server(http.server.ThreadingHTTPServer):
    """The listening socket."""

    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that was interrupted hangs up as it likes; anything else is a fault of ours and shows."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


@contextlib.contextmanager
def listening(handler: Callable[..., Any]) -> Iterator[str]:
    """Serve by this handler: yields the base URL."""
    server = _Server(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join(10)
        server.server_close()
