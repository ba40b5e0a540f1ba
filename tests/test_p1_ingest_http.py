"""The sender bounds every answer in bytes, tries and seconds, and keeps the key to itself."""

from __future__ import annotations

import gzip
import random
import socket
import ssl
import threading
import tracemalloc
import zlib
from collections.abc import Callable, Mapping

import pytest
import urllib3

from meta.errors import BadPayload, NotReady, PerplakeError, Retryable, Usage, VenueRefused
from p1_ingest import wire
from p1_ingest.budget import Budget, Pool
from p1_ingest.http import LONGEST_ASKED, Sender, retry_after
from p1_ingest.sources.base import Host, Reply, Request
from p1_ingest.wire import Bounds
from tests.canned import (
    Canned,
    Clock,
    cut_short,
    for_ever,
    half_a_chunk,
    half_a_head,
    hang_up,
    nonsense,
    reply,
    request,
    reset,
)

KEY = "canary-7f3a9c51e0d2b846"
GOOD = reply(b"good")
CHUNKED = b"HTTP/1.1 200 Said\r\nTransfer-Encoding: chunked\r\n\r\n"
GZIP_HEAD = b"HTTP/1.1 200 Said\r\nContent-Encoding: gzip\r\n\r\n" + gzip.compress(b"")[:10]
SMALL = {"json": Bounds(1 << 20, 1 << 20, 120.0), "zip": Bounds(1 << 20, 1 << 20, 120.0)}


def plain(request: Request, reply: Reply) -> None:
    """The judge of a simple venue."""
    if reply.status == 404:
        raise NotReady(f"{request.host} has no {request.path}")
    if reply.status >= 400:
        raise Retryable(f"{request.host} answers HTTP {reply.status}")


def sender(venue: Canned, **options: object) -> Sender:
    clock = Clock()
    defaults: dict[str, object] = {"keys": {"VENUE_KEY": KEY}, "clock": clock, "sleep": clock.sleep}
    defaults |= {"rng": random.Random(1), "timeout": (2.0, 2.0)}
    made = Sender({"venue": Host(venue.url, "X-Key", "VENUE_KEY")}, **{**defaults, **options})  # type: ignore[arg-type]
    made.test_clock = clock  # type: ignore[attr-defined]
    return made


def encoded(body: bytes, encoding: str = "gzip") -> bytes:
    return reply(body, 200, f"Content-Encoding: {encoding}")


PASSING = {
    "body cut short": (cut_short, "cut its answer short"),
    "half a chunk": (half_a_chunk, "cut its answer short"),
    "reset": (reset, "closed the connection"),
    "hangs up": (hang_up, "closed the connection"),
    "head cut short": (half_a_head, "cut its answer short"),
    "no HTTP": (nonsense, "closed the connection"),
    "500": (reply(b"oops", 500), "HTTP 500"),
    "503 page": (reply(b"<html>", 503), "HTTP 503"),
    "429": (reply(b"{}", 429), "HTTP 429"),
    "broken gzip": (encoded(b"no gzip at all"), "broken gzip"),
    "gzip cut short": (encoded(gzip.compress(b"good" * 999)[:-9]), "broken gzip"),
    "gzip and more": (encoded(gzip.compress(b"good") + b"more"), "broken gzip"),
    "gzip checksum": (encoded(gzip.compress(b"good")[:-8] + bytes(8)), "broken gzip"),
}


@pytest.mark.parametrize("kind", PASSING)
def test_trouble_that_passes_is_asked_again(kind: str) -> None:
    with Canned(PASSING[kind][0], PASSING[kind][0], GOOD) as venue, sender(venue) as send:
        assert send.send(request(), plain) == b"good"
        assert len(venue.heads) == 3


@pytest.mark.parametrize("kind", PASSING)
def test_trouble_that_stays_ends_in_one_clear_line(kind: str) -> None:
    play, fact = PASSING[kind]
    with Canned(play) as venue, sender(venue, tries=3) as send, pytest.raises(Retryable) as caught:
        send.send(request(), plain)
    line = str(caught.value)
    assert len(venue.heads) == 3
    assert line.startswith("venue ") and "3 tries" in line and "run the same command again" in line
    assert "\n" not in line and KEY not in line
    if kind != "no HTTP":
        assert fact in line


def test_a_gzip_body_and_a_plain_one_read_alike() -> None:
    with Canned(encoded(gzip.compress(b"good")), GOOD, encoded(b"")) as venue, sender(venue) as send:
        assert [send.send(request(), plain) for _ in range(3)] == [b"good", b"good", b""]


def test_silence_ends_by_the_read_timeout() -> None:
    def mute(conn: socket.socket) -> None:
        conn.recv(1)

    line = r"venue was silent for 0\.1 s \(/api/x\); gave up after 2 tries"
    with (
        Canned(mute) as venue,
        sender(venue, tries=2, timeout=(1.0, 0.1)) as send,
        pytest.raises(Retryable, match=line),
    ):
        send.send(request(), plain)


def test_a_venue_that_is_not_there_is_one_line() -> None:
    with Canned(GOOD) as venue:
        pass
    with sender(venue, tries=2) as send, pytest.raises(Retryable, match="venue refuses connections"):
        send.send(request(), plain)


def test_a_name_that_does_not_resolve_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def lost(*args: object, **kwargs: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    with Canned(GOOD) as venue, sender(venue, tries=2) as send:
        monkeypatch.setattr(socket, "getaddrinfo", lost)
        with pytest.raises(Retryable, match="venue has a name that cannot be resolved"):
            send.send(request(), plain)


def test_tls_to_a_venue_that_speaks_none_is_retried_and_a_bad_certificate_is_not() -> None:
    with Canned(nonsense) as venue:
        tls = Host(venue.url.replace("http:", "https:"))
        with (
            Sender({"venue": tls}, tries=2, sleep=lambda _: None, timeout=(0.2, 0.2)) as send,
            pytest.raises(Retryable, match=r"TLS|closed|silent|reached"),
        ):
            send.send(request(), plain)
    reason = urllib3.exceptions.SSLError(ssl.SSLCertVerificationError("self-signed"))
    error = urllib3.exceptions.MaxRetryError(None, "/?key", reason)  # type: ignore[arg-type]
    assert isinstance(wire._explained(error, request(), None, (1, 1)), VenueRefused)


SLOW = {
    "head a byte at a time": for_ever(b"HTTP/1.1 200 Said\r\nX-Long: ", b"a", 0.02),
    "endless 100 Continue": for_ever(b"", b"HTTP/1.1 100 Continue\r\n\r\n", 0.005),
    "body a byte at a time": for_ever(reply(b"", length=10**6), b"a", 0.02),
    "a body of no length": for_ever(b"HTTP/1.1 200 Said\r\n\r\n", b"a", 0.02),
    "a last reply": for_ever(reply(b"", 200, "Connection: close", length=10**6), b"a", 0.02),
    "chunks without end": for_ever(CHUNKED, b"1\r\na\r\n", 0.02),
}


@pytest.mark.parametrize("kind", SLOW)
def test_a_venue_that_drips_is_cut_off_at_the_deadline(kind: str) -> None:
    bounds = {"json": Bounds(1 << 20, 1 << 20, 0.3)}
    with Canned(SLOW[kind]) as venue:
        send = Sender({"venue": Host(venue.url)}, tries=1, bounds=bounds)
        with send, pytest.raises(Retryable, match=r"did not finish within 0\.\d+ s"):
            send.send(request(), plain)


@pytest.mark.parametrize(
    "play",
    [
        for_ever(CHUNKED, b"10000\r\n" + b"a" * 65536 + b"\r\n"),
        for_ever(reply(b"", length=10**12), b"a" * 65536),
        for_ever(GZIP_HEAD, b"\x00\x00\x00\xff\xff" * 10_000),
    ],
    ids=["endless chunks", "a terabyte", "gzip of nothing"],
)
def test_an_endless_body_is_stopped_and_not_asked_for_again(play: Callable[[socket.socket], None]) -> None:
    with Canned(play) as venue, sender(venue, bounds=SMALL) as send:
        with pytest.raises(BadPayload, match="more than 1 MiB"):
            send.send(request(), plain)
        assert len(venue.heads) == 1


def test_a_gzip_bomb_is_stopped_before_it_fills_memory() -> None:
    bomb = gzip.compress(bytes(1 << 28), 1)
    bounds = {"json": Bounds(4 << 20, 1 << 20, 120.0)}
    assert len(bomb) < 4 << 20
    with Canned(encoded(bomb)) as venue, sender(venue, bounds=bounds) as send:
        tracemalloc.start()
        with pytest.raises(BadPayload, match="more than 1 MiB"):
            send.send(request(), plain)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 8 << 20


def test_an_encoding_nobody_asked_for_is_not_believed() -> None:
    with Canned(encoded(zlib.compress(b"good"), "deflate")) as venue, sender(venue) as send:
        with pytest.raises(BadPayload, match="encoding nobody asked for"):
            send.send(request(), plain)
        assert "Accept-Encoding: gzip\r\n" in venue.heads[0]


def test_a_redirect_is_refused_by_name_and_the_key_stays_home() -> None:
    with Canned(GOOD) as other, Canned(reply(b"x" * 999, 302, f"Location: {other.url}/api/x")) as venue:
        with sender(venue) as send, pytest.raises(VenueRefused, match=r"venue redirects to 127\.0\.0\.1"):
            send.send(request(), plain)
        assert len(venue.heads) == 1 and other.heads == []


@pytest.mark.parametrize("where", ["http://[oops", "//", "", "/elsewhere", "http://\u0661.example/", "javascript:1"])
def test_an_odd_redirect_is_one_line_too(where: str) -> None:
    moved = reply(b"", 301, f"Location: {where}")
    with Canned(moved) as venue, sender(venue) as send, pytest.raises(VenueRefused, match="redirects to"):
        send.send(request(), plain)


@pytest.mark.parametrize("status", [403, 418, 451])
def test_a_ban_is_never_asked_twice_whatever_the_judge_says(status: int) -> None:
    for judge in (plain, lambda request, reply: None):
        with Canned(reply(b"{}", status)) as venue, sender(venue) as send:
            with pytest.raises(VenueRefused, match=f"HTTP {status}"):
                send.send(request(), judge)
            assert len(venue.heads) == 1


def test_what_the_judge_refuses_is_not_asked_again() -> None:
    with Canned(reply(b"", 404)) as venue, sender(venue) as send:
        with pytest.raises(NotReady, match="venue has no /api/x"):
            send.send(request(), plain)
        assert len(venue.heads) == 1


def test_a_status_the_judge_overlooks_is_no_answer() -> None:
    with Canned(reply(b"good", 500)) as venue, sender(venue) as send, pytest.raises(BadPayload, match="HTTP 500"):
        send.send(request(), lambda request, reply: None)


def waits(*headers: str, tries: int = 2) -> list[float]:
    """How long does the sender wait after a 503 with these headers?"""
    with Canned(*[reply(b"", 503, *headers)] * (tries - 1), GOOD) as venue, sender(venue) as send:
        assert send.send(request(), plain) == b"good"
        return send.test_clock.slept  # type: ignore[attr-defined,no-any-return]


def test_retry_after_is_honoured_and_capped() -> None:
    assert waits("Retry-After: 7") == [7.0]
    assert waits("Retry-After: 999999") == [LONGEST_ASKED]


@pytest.mark.parametrize(
    "odd", ["-7", "1e3", "7.5", "soon", "", "9" * 40, "Wed, 21 Oct 2026 07:28:00 GMT", "0x7", "７"]
)
def test_an_odd_retry_after_says_nothing(odd: str) -> None:
    assert retry_after(Reply(503, {"retry-after": odd}, b"")) is None
    if odd.isascii():
        assert waits(f"Retry-After: {odd}")[0] < 1.0


def test_waits_are_drawn_from_a_doubling_range() -> None:
    pauses = waits(tries=6)
    assert all(0 <= pause <= 2.0**i for i, pause in enumerate(pauses)) and len(set(pauses)) == 5


def test_the_deadline_holds_over_all_tries() -> None:
    clock = Clock()

    def slow(request: Request, url: str, headers: Mapping[str, str], left: float) -> Reply:
        clock.now += min(left, 50.0)
        raise Retryable("venue was silent")

    send = Sender({"venue": Host("http://127.0.0.1:9")}, transport=slow, clock=clock, sleep=clock.sleep, tries=99)
    with pytest.raises(Retryable, match=r"gave up after [23] tries in 1\d\d s"):
        send.send(request(), plain)
    assert clock.now - 1000 <= 120 + 1e-6


def test_the_environment_can_neither_send_us_through_a_proxy_nor_set_cookies(monkeypatch: pytest.MonkeyPatch) -> None:
    with Canned(reply(b"good", 200, "Set-Cookie: a=b; Path=/")) as venue, sender(venue) as send:
        for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, "http://127.0.0.1:9")
        send.send(request(), plain)
        send.send(request(), plain)
        assert not any("cookie" in head.lower() for head in venue.heads)


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com",
        "http://127.0.0.1.example.com",
        "ftp://127.0.0.1",
        "https://user:pass@example.com",
        "https://example.com/?a=b",
        "https://exa mple.com",
        "https://[::1",
        "https://example.com:99999",
        "example.com",
        "",
    ],
)
def test_a_base_url_that_could_leak_the_key_is_refused(url: str) -> None:
    with pytest.raises(Usage, match=r"^venue: its base URL") as caught:
        Sender({"venue": Host(url)}, keys={})
    assert "pass" not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["https://example.com/", "http://localhost:1", "http://[::1]:8080/api", "http://127.9.9.9"]
)
def test_https_and_loopback_are_fine(url: str) -> None:
    Sender({"venue": Host(url)}, keys={}).close()


def test_the_key_goes_to_its_own_host_alone() -> None:
    with Canned(GOOD) as venue, Canned(GOOD) as other, Canned(GOOD) as third:
        hosts = {
            "venue": Host(venue.url, "X-Key", "VENUE_KEY"),
            "other": Host(other.url),
            "third": Host(third.url, "X-Key", public_key="open"),
        }
        with Sender(hosts, keys={"VENUE_KEY": KEY}) as send:
            for name in hosts:
                send.send(request(host=name), plain)
        assert f"X-Key: {KEY}\r\n" in venue.heads[0] and KEY not in venue.heads[0].split("\r\n")[0]
        assert KEY not in other.heads[0] + third.heads[0] and "X-Key: open" in third.heads[0]


def test_without_its_key_nothing_is_sent() -> None:
    with Canned(GOOD) as venue, sender(venue, keys={}) as send:
        with pytest.raises(Usage, match=r"^VENUE_KEY is not set; put it into secrets/\.env"):
            send.send(request(), plain)
        assert venue.heads == []


def test_the_key_shows_in_no_output() -> None:
    def quoting(request: Request, reply: Reply) -> None:
        plain(request, reply)
        if b"no " in reply.body:
            raise VenueRefused(f"venue says {reply.body.decode()}")

    echoes = [
        reply(f"no {KEY}".encode(), 200, f"X-Echo: {KEY}"),
        reply(b"", 302, f"Location: http://{KEY}.example/"),
        reply(f"fine {KEY}".encode(), 200, f"X-Echo: {KEY}"),
        *[play for play, _ in PASSING.values()],
    ]
    seen: list[str] = []
    for play in echoes:
        with Canned(play) as venue:
            send = sender(
                venue, tries=2, log=seen.append, record=lambda r, body, reply: seen.append(f"{body!r}{reply}")
            )
            with send:
                try:
                    seen.append(send.send(request(params=(("key", KEY),)), quoting).decode())
                except PerplakeError as error:
                    seen.append(f"{error!r} {error.__cause__!r}")
            assert KEY in venue.heads[0]
    assert len(seen) > 2 * len(echoes) and "***" in "".join(seen)
    assert KEY not in "".join(seen)


@pytest.mark.parametrize("kind", [Retryable, BadPayload, VenueRefused, NotReady])
def test_the_key_shows_in_no_error_of_a_transport(kind: type[PerplakeError]) -> None:
    def leaky(request: Request, url: str, headers: Mapping[str, str], left: float) -> Reply:
        raise kind(f"sent {dict(headers)}")

    with Canned() as venue, pytest.raises(kind, match=r"\*\*\*") as caught:
        sender(venue, transport=leaky).send(request(), plain)
    assert KEY not in repr(caught.value) and caught.value.__cause__ is None


def test_every_accepted_answer_is_recorded_once_also_that_there_is_none() -> None:
    seen: list[tuple[Request, bytes, int]] = []
    with Canned(reply(b"bad", 500), GOOD, reply(b"", 404)) as venue:
        send = sender(venue, record=lambda r, body, reply: seen.append((r, body, reply.status)))
        send.send(request(), plain)
        with send, pytest.raises(NotReady):
            send.send(request(), plain)
    assert seen == [(request(), b"good", 200), (request(), b"", 404)]


def test_what_is_given_up_is_told_with_its_reason() -> None:
    seen: list[tuple[Request, str]] = []
    with Canned(reply(b"bad", 500), reply(b"bad", 500)) as venue:
        send = sender(venue, tries=2, failed=lambda r, why: seen.append((r, why)))
        with send, pytest.raises(Retryable) as caught:
            send.send(request(), plain)
    assert seen == [(request(), str(caught.value))]


def test_a_transport_takes_the_place_of_the_network() -> None:
    told: list[str] = []

    def tape(request: Request, url: str, headers: Mapping[str, str], left: float) -> Reply:
        told.append(url)
        return Reply(200, {}, b"from tape")

    send = Sender({"venue": Host("https://example.com/base/")}, transport=tape, keys={})
    assert send.send(request(params=(("list", "a,b"), ("x", "1 2"))), plain) == b"from tape"
    assert told == ["https://example.com/base/api/x?list=a,b&x=1+2"]


def test_threads_share_a_sender() -> None:
    with Canned(GOOD) as venue, sender(venue) as send:
        got: list[bytes] = []
        threads = [
            threading.Thread(target=lambda: got.extend(send.send(request(), plain) for _ in range(5))) for _ in range(6)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert got == [b"good"] * 30


def budget(limit: int, **options: object) -> tuple[Budget, Clock]:
    clock = Clock()
    return Budget(Pool(limit, **options), clock=clock, sleep=clock.sleep), clock  # type: ignore[arg-type]


def test_no_minute_holds_more_than_the_limit() -> None:
    pool, clock = budget(30)
    taken = []
    for _ in range(100):
        pool.take()
        taken.append(clock.now)
        clock.now += 0.1
    assert max(sum(start <= t < start + 60 for t in taken) for start in taken) == 30
    assert clock.now - 1000 < 3 * 60 + 30


def test_weights_count_and_one_too_heavy_goes_alone() -> None:
    pool, _ = budget(10)
    pool.take(6)
    assert pool.take(4) == 0
    assert pool.take(1) == pytest.approx(60, abs=0.1)
    assert pool.take(99) == pytest.approx(60, abs=0.1)


def test_the_venue_count_stands_above_ours() -> None:
    pool, _ = budget(0)
    assert pool.take() == 0
    pool.hear({"api-key-max-limit": "80", "api-key-use-limit": "79"})
    assert pool.limit == 80
    assert pool.take() == 0
    assert pool.take() == pytest.approx(60, abs=0.1)
    binance, _ = budget(2400)
    binance.hear({"x-mbx-used-weight-1m": "2395"})
    assert binance.take(5) == 0
    assert binance.take(5) == pytest.approx(60, abs=0.1)


@pytest.mark.parametrize("odd", ["", "-5", "1e3", "many", "0", "٣", "9" * 20, "80, 80"])
def test_odd_limit_headers_say_nothing(odd: str) -> None:
    pool, _ = budget(7)
    pool.hear({"api-key-max-limit": odd, "api-key-use-limit": "x"})
    assert pool.limit == 7 and pool.take() == 0


def test_a_pool_that_headers_do_not_count_keeps_to_its_own_count() -> None:
    pool, _ = budget(5, seconds=300.0, heard=False)
    pool.hear({"x-mbx-used-weight-1m": "2400", "api-key-max-limit": "1"})
    assert sum(pool.take() for _ in range(5)) == 0
    assert pool.take() == pytest.approx(300, abs=0.1)


def test_the_sender_keeps_to_the_limit_its_replies_name() -> None:
    clock = Clock()
    sent: list[float] = []

    def venue(request: Request, url: str, headers: Mapping[str, str], left: float) -> Reply:
        sent.append(clock.now)
        clock.now += 0.2
        used = sum(t // 60 == clock.now // 60 for t in sent)  # a fixed minute, as its headers may mean
        return Reply(200 if used <= 20 else 429, {"api-key-max-limit": "20", "api-key-use-limit": str(used)}, b"good")

    send = Sender({"venue": Host("http://127.0.0.1:9")}, transport=venue, clock=clock, sleep=clock.sleep, tries=1)
    for _ in range(70):
        assert send.send(request(), plain) == b"good"
    assert len(sent) == 70


def test_one_threads_rate_limit_holds_the_others() -> None:
    clock, sent = Clock(), list[tuple[str, float]]()

    def venue(request: Request, url: str, headers: Mapping[str, str], left: float) -> Reply:
        sent.append((request.path, clock.now - 1000))
        return Reply(429 if len(sent) == 1 else 200, {"retry-after": "9"}, b"good")

    def meanwhile(seconds: float) -> None:
        if len(sent) == 1 and not clock.slept:  # another thread comes along while the first one waits
            clock.slept.append(0)
            send.send(request(path="/api/other"), plain)
        clock.sleep(seconds)

    send = Sender({"venue": Host("http://127.0.0.1:9")}, transport=venue, clock=clock, sleep=meanwhile)
    send.send(request(), plain)
    assert sent[0] == ("/api/x", 0) and sent[1] == ("/api/other", pytest.approx(9, abs=0.1))


def test_waiting_for_the_budget_is_not_the_venues_delay() -> None:
    with Canned(reply(b"", 500), GOOD) as venue, sender(venue, pools={"venue": Pool(1, 3600.0)}) as send:
        assert send.send(request(), plain) == b"good"
        assert send.test_clock.now > 4000  # type: ignore[attr-defined]
