"""The servers that tests speak to tell of their own faults, and of nothing a client does."""

from __future__ import annotations

import http.server
import socket
import struct
import threading
from urllib.parse import urlsplit

import pytest

from tests.loopback import Quiet, listening


@pytest.mark.parametrize("fault", [False, True])
def test_a_client_that_is_gone_is_no_fault_of_the_server(fault: bool, capsys: pytest.CaptureFixture[str]) -> None:
    """A reset while a request is read, as an interrupted command leaves it; what a handler does wrong shows."""
    begun, answering = threading.Event(), []

    class Reading(Quiet, http.server.BaseHTTPRequestHandler):
        def handle(self) -> None:
            answering.append(threading.current_thread())
            begun.set()
            if fault:
                raise ValueError("of ours")
            self.rfile.read(1)

    with listening(Reading) as url:
        client = socket.create_connection(("127.0.0.1", urlsplit(url).port), timeout=10)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # close by a reset
        assert begun.wait(10)
        client.close()
        answering[0].join(10)
    told = capsys.readouterr().err
    assert ("Traceback" in told) == fault
