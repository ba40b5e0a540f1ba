"""Who talks to the network? One sender: it classifies, retries, waits, and keeps the key to itself."""

from __future__ import annotations

import itertools
import random
import re
import threading
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Protocol
from urllib.parse import quote, urlencode, urlsplit

from meta.errors import BadPayload, Banned, NotReady, PerplakeError, Retryable, Usage, VenueRefused
from p1_ingest.addresses import base_url, keys_for
from p1_ingest.budget import Budget, Pool
from p1_ingest.outages import PROBE, Outages
from p1_ingest.payload import said
from p1_ingest.sources.base import Host, Reply, Request
from p1_ingest.wire import BOUNDS, CONNECT, SILENCE, Bounds, Wire

TRIES = 6
FIRST_WAIT, LONGEST_WAIT = 1.0, 20.0  # full jitter: a random share of 1, 2, 4, … 20 s
LONGEST_ASKED = 60.0  # what a venue may ask us to wait between two tries; it could say a year
BANNED = 418
STOP = (403, BANNED, 451)  # asking again makes these worse
SECRET = 8  # a shorter key is no secret, and striking it out of bodies would spoil data

Judge = Callable[[Request, Reply], None]
Record = Callable[[Request, bytes, Reply], None]
Failed = Callable[[Request, str], None]


class Transport(Protocol):
    """One GET: the network (`Wire`), or a recording of it."""

    def __call__(self, request: Request, url: str, headers: Mapping[str, str], left: float) -> Reply:
        """What comes back within `left` seconds? Raises Retryable, BadPayload, VenueRefused or NotReady."""


class Sender:
    """Sends requests to the hosts it was given, and returns bodies the source's judge accepted.

    keys : environment name -> key, see `keys_for`. pools : Request.pool -> limit; an unnamed pool has none until the
    venue's headers say so. record(request, body, reply) sees every accepted answer, and what says "not there";
    failed(request, why) what was given up. log gets one line a try, tell one for each thing that is waited for long.
    Nothing it raises, tells, logs or records holds a key. Threads may share it.
    """

    def __init__(
        self,
        hosts: Mapping[str, Host],
        *,
        keys: Mapping[str, str] | None = None,
        pools: Mapping[str, Pool] | None = None,
        transport: Transport | None = None,
        tries: int = TRIES,
        timeout: tuple[float, float] = (CONNECT, SILENCE),
        bounds: Mapping[str, Bounds] = BOUNDS,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
        rng: random.Random | None = None,
        record: Record | None = None,
        failed: Failed | None = None,
        log: Callable[[str], None] | None = None,
        tell: Callable[[str], None] = lambda line: None,
        probe: float = PROBE,
    ) -> None:
        self._hosts = {name: (base_url(name, host.url), host) for name, host in hosts.items()}
        self._keys = dict(keys_for(hosts) if keys is None else keys)
        self._secrets = [form for key in self._keys.values() if len(key) >= SECRET for form in {key, quote(key, "")}]
        self._wire = Wire(bounds, timeout) if transport is None else None
        self._transport: Transport = self._wire or transport  # type: ignore[assignment]
        self._tries, self._bounds = tries, bounds
        self._clock, self._sleep, self._rng = clock, sleep, rng or random.Random()
        self._record, self._failed, self._log = record, failed, log
        self._tell = lambda line: tell(self._hidden(line))
        self._outages = Outages(self._tell, clock, probe)
        self._pools, self._budgets, self._lock = dict(pools or {}), dict[str, Budget](), threading.Lock()

    def send(self, request: Request, judge: Judge) -> bytes:
        """What is the answer to this request?

        Raises Retryable once tries or time are used up, and at once whatever else the judge, the wire or a redirect
        amounts to (VenueRefused, NotReady, BadPayload); Usage where the host's key is not set.
        """
        try:
            return self._until_answered(request, judge)
        except (Retryable, BadPayload) as error:
            if self._failed:
                self._failed(request, str(error))
            raise

    def _until_answered(self, request: Request, judge: Judge) -> bytes:
        url, headers = self._addressed(request)
        most, budget = self._bounds[request.expects].seconds, self.budget(request.pool or request.host)
        began, queued = self._clock(), 0.0
        for number in itertools.count(1):
            self._outages.check(request.host)
            queued += budget.take(request.weight)
            try:
                body = self._once(request, url, headers, most - (self._clock() - began - queued), number, judge, budget)
            except Retryable as error:
                pause, spent = self._pause(error, number), self._clock() - began - queued
                if number >= self._tries or spent + pause >= most:
                    raise self._given_up(request, error, number, spent) from None
                self._outages.tried(request.host, number, self._tries, str(error))
                if error.after is not None:
                    budget.hold(pause)
                self._sleep(pause)
            except PerplakeError as error:
                self._outages.answered(request.host)
                error.args = (self._hidden(str(error)),)
                raise error from None
            else:
                self._outages.answered(request.host)
                return body
        raise AssertionError("the loop above ends by return or raise")

    def _given_up(self, request: Request, error: Retryable, number: int, spent: float) -> Retryable:
        fact = self._hidden(f"{error}; gave up after {_times(number)} in {spent:.0f} s")
        self._outages.gave_up(request.host, fact)
        return Retryable(f"{fact}, run the same command again later", after=error.after)

    def budget(self, pool: str) -> Budget:
        """What may still be spent of this pool?"""
        with self._lock:
            if pool not in self._budgets:
                limit = self._pools.get(pool, Pool())
                self._budgets[pool] = Budget(limit, pool, clock=self._clock, sleep=self._sleep, tell=self._tell)
            return self._budgets[pool]

    def close(self) -> None:
        """Close the connections."""
        if self._wire:
            self._wire.close()

    def __enter__(self) -> Sender:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _addressed(self, request: Request) -> tuple[str, dict[str, str]]:
        base, host = self._hosts[request.host]
        headers = {"Accept": "application/json" if request.expects == "json" else "*/*", "User-Agent": "perplake"}
        key = host.public_key or (self._keys.get(host.key_name) if host.key_name else None)
        if host.key_name and not key:
            raise Usage(f"{host.key_name} is not set; put it into secrets/.env (see secrets/.env.example)")
        if host.key_header and key:
            headers[host.key_header] = key
        query = urlencode(request.params, safe=",")
        return base + request.path + (f"?{query}" if query else ""), headers

    def _once(
        self,
        request: Request,
        url: str,
        headers: Mapping[str, str],
        left: float,
        number: int,
        judge: Judge,
        budget: Budget,
    ) -> bytes:
        """One try: send, listen to what the headers say of limits, judge, record."""
        began, asked = self._clock(), f"GET {request.host} {request.path} {urlencode(request.params, safe=',')}"
        try:
            reply = self._clean(self._transport(request, url, headers, left))
        except PerplakeError as error:
            self._say(f"{asked} -> {error}, try {number}")
            raise
        budget.hear(reply.headers)
        took = self._clock() - began
        self._say(f"{asked} -> {reply.status}, {len(reply.body)} bytes in {took:.2f} s, try {number}")
        try:
            self._judged(request, reply, judge)
        except NotReady:  # that it is not there is an answer too: without it nobody could replay the run
            self._recorded(request, reply)
            raise
        self._recorded(request, reply)
        return reply.body

    def _recorded(self, request: Request, reply: Reply) -> None:
        if self._record:
            self._record(request, reply.body, reply)

    def _judged(self, request: Request, reply: Reply, judge: Judge) -> None:
        if reply.status == BANNED:  # whatever the venue says with it
            raise _stopped(request, reply)
        if 300 <= reply.status < 400:
            raise VenueRefused(
                f"{request.host} redirects to {_host_of(reply.headers.get('location', ''))}, which is not followed; "
                "check its base URL"
            )
        try:
            judge(request, reply)
        except Retryable as error:
            if reply.status in STOP:
                raise _stopped(request, reply) from None
            asked = [wait for wait in (error.after, retry_after(reply)) if wait is not None]
            raise Retryable(str(error), after=max(asked, default=None)) from None
        if reply.status in STOP:
            raise _stopped(request, reply)
        if not 200 <= reply.status < 300:
            raise BadPayload(f"{request.host} {request.path} answers HTTP {reply.status}; nothing of it is used")

    def _pause(self, error: Retryable, number: int) -> float:
        jitter = self._rng.uniform(0, min(LONGEST_WAIT, FIRST_WAIT * 2 ** (number - 1)))
        return jitter if error.after is None else max(jitter, min(error.after, LONGEST_ASKED))

    def _say(self, line: str) -> None:
        if self._log:
            self._log(self._hidden(line))

    def _hidden(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text

    def _clean(self, reply: Reply) -> Reply:
        """The reply without our key, should the venue echo it: the judge quotes bodies, the record keeps them."""
        body = reply.body
        for secret in self._secrets:
            body = body.replace(secret.encode(), b"***")
        return Reply(reply.status, {name: self._hidden(value) for name, value in reply.headers.items()}, body)


def retry_after(reply: Reply) -> float | None:
    """How many seconds does the reply ask us to wait? None where it says nothing, or nothing sane.

    Dates are taken for nothing too: they would need the venue's clock.
    """
    value = reply.headers.get("retry-after", "").strip()
    return float(value) if re.fullmatch(r"[0-9]{1,9}", value, re.ASCII) else None


def _host_of(location: str) -> str:
    try:
        return said(urlsplit(location).hostname or "another path", 80)
    except ValueError:
        return "an odd address"


def _stopped(request: Request, reply: Reply) -> VenueRefused:
    why = {403: "forbids this", BANNED: "has banned this address for a while", 451: "does not serve this region"}
    line = (
        f"{request.host} {why[reply.status]} (HTTP {reply.status}); "
        "it is not asked again: wait, or use another network or source"
    )
    return Banned(line, after=retry_after(reply)) if reply.status == BANNED else VenueRefused(line)


def _times(number: int) -> str:
    return "1 try" if number == 1 else f"{number} tries"
