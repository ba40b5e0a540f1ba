"""A reply is an answer, or it says what to do next: wait, ask again, or change something."""

from __future__ import annotations

import msgspec

from meta.errors import BadPayload, NotReady, Retryable, VenueRefused
from p1_ingest.payload import said
from p1_ingest.sources.base import Reply, Request
from p1_ingest.sources.binance_archive import file_of
from p1_ingest.sources.binance_rest import TAIL

REFUSALS = {
    403: "its firewall; wait, and ask with fewer workers",
    418: "banned for a while after too many requests; wait before asking again",
    451: "not served to this region; route: daily in conf/sources.yaml asks the archive alone",
}
BUSY = (-1000, -1001, -1003, -1006, -1007, -1008, -1015, -1016)  # trouble or load at the venue, whatever the status
NO_SYMBOL, NO_HISTORY = -1121, -1130
PAGES = (b"<!doctype", b"<html", b"<?xml")


class _Error(msgspec.Struct):
    code: int = 0
    msg: str = ""


def judged(request: Request, reply: Reply, variable: str) -> None:
    """Is this reply an answer? `variable` names the environment variable of its host.

    Raises Retryable, VenueRefused, NotReady (unpublished; no such symbol; beyond the history kept) or BadPayload.
    """
    what = f"binance {file_of(request.path)}" + (f" {request.symbol}" if request.expects == "json" else "").rstrip()
    if reply.status == 451 and request.route == TAIL:
        # The archive serves this region; the day can wait for it, where a refusal would end the whole run.
        raise NotReady(f"{what}: REST is not served to this region, and the archive has it later")
    if reply.status in REFUSALS:
        raise VenueRefused(f"{what}: refused with {reply.status} ({REFUSALS[reply.status]})")
    if reply.status in (408, 425, 429) or reply.status >= 500:
        raise Retryable(f"{what}: answered {reply.status}")
    if request.expects == "json" and reply.status != 200:
        _explained(what, reply)
    if reply.status == 404:
        raise NotReady(f"{what} is not published")
    if reply.status != 200:
        raise BadPayload(f"{what}: answered {reply.status}; check {variable}")
    if reply.body[:512].lstrip()[:15].lower().startswith(PAGES):
        raise BadPayload(f"{what}: a page came instead of it; check {variable} and what stands between")
    if request.expects == "zip" and not reply.body.startswith(b"PK"):
        raise BadPayload(f"{what}: no zip came; fetch it again")


def _explained(what: str, reply: Reply) -> None:
    """Raise what the error's code asks for, where there is one."""
    try:
        error = msgspec.json.decode(reply.body, type=_Error)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return
    if error.code in BUSY:
        raise Retryable(f"{what}: answered {reply.status}, {error.code} {said(error.msg, 80)}")
    if error.code == NO_SYMBOL:
        raise NotReady(f"{what}: not listed there")
    if error.code == NO_HISTORY:
        raise NotReady(f"{what}: older than the 30 days Binance keeps of it")
    if error.code:
        raise BadPayload(f"{what}: answered {reply.status}, {error.code} {said(error.msg, 80)}; nothing of it is used")
