"""A ccxt exchange that never talks: it says what it would ask, and reads what somebody else was answered."""

from __future__ import annotations

import difflib
import importlib
import math
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from meta.errors import BadPayload, PerplakeError, Refused, Retryable, Usage, VenueRefused
from p1_ingest.payload import parse, said
from p1_ingest.sources.base import Host

# What ccxt's parsers raise on a body of another shape than they know.
SHAPE = (KeyError, IndexError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError)
NEEDS_KEY = "it needs an account's key"


@dataclass(frozen=True)
class Call:
    """One GET as ccxt would send it; `weight` is its cost in ccxt's units."""

    host: str
    path: str
    params: tuple[tuple[str, str], ...]
    weight: int = 1


class _Would(BaseException):
    """Thrown through ccxt's own code to stop it where it would send; not an Exception, which it may catch."""

    def __init__(self, call: Call) -> None:
        self.call = call


def ccxt_module() -> ModuleType:
    """The ccxt library. Raises Refused where the extra is not installed."""
    try:
        return importlib.import_module("ccxt")
    except ImportError:
        raise Refused(
            "ccxt is not installed here: run `pip install 'ccxt>=4.5.90'` in this environment, or take --source binance"
        ) from None


class Exchange:
    """One exchange as ccxt knows it. Threads may share it: ccxt's objects keep state, so one call runs at a time.

    url : where every one of its hosts is to be found instead (a stand-in). clock : UTC ms, what it takes for now.
    Raises Usage for an exchange ccxt does not know, Refused without ccxt.
    """

    def __init__(self, name: str, clock: Callable[[], int], url: str = "") -> None:
        self._ccxt = ccxt_module()
        if name not in self._ccxt.exchanges:
            near = difflib.get_close_matches(name, self._ccxt.exchanges, 1, 0.5)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise Usage(f"ccxt {self._ccxt.__version__} knows no exchange {name!r}{hint}")
        self.name = name
        self._api = getattr(self._ccxt, name)({"enableRateLimit": True})
        self._lock = threading.RLock()
        self._answer: Callable[[Call], Any] = _stop
        self._cost = 1
        self._api.fetch, self._api.throttle = self._fetch, self._throttle
        self._api.milliseconds = clock
        self._api.seconds, self._api.microseconds = lambda: clock() // 1000, lambda: clock() * 1000
        self.hosts = self._https(url)
        self.per_minute = int(60_000 / self._api.rateLimit) if self._api.rateLimit else 0
        self.timeframes: tuple[str, ...] = tuple(self._api.timeframes or ())

    def has(self, method: str) -> bool:
        """Does ccxt offer this unified method (fetchOHLCV …) on this exchange, natively?"""
        return self._api.has.get(method) is True

    def load(self, send: Callable[[Call], bytes]) -> None:
        """Learn the exchange's markets, once. Raises what `send` raises, and BadPayload."""
        with self._lock:
            if self._api.markets:
                return

            def answered(call: Call) -> Any:
                return self._api.parse_json(_text(send(call), f"{self.name} {call.path}"))

            self._run(answered, "its markets", self._api.load_markets)

    def market(self, symbol: str) -> Mapping[str, Any]:
        """What does the exchange say of this market? Raises Usage where it lists none of that name."""
        markets = self._api.markets or {}
        if symbol not in markets:
            near = difflib.get_close_matches(symbol, markets, 1, 0.6)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise Usage(
                f"{self.name} lists no {symbol!r}{hint}" if markets else f"the markets of {self.name} are not loaded"
            )
        return markets[symbol]

    def page(self, symbol: str, method: str) -> int | None:
        """How many rows does one answer hold at most, where ccxt knows?"""
        found = self._api.feature_value(symbol, method, "limit")
        return int(found) if found else None

    def would(self, method: str, *args: Any) -> Call:
        """Which GET would this unified method send? Raises Refused where it cannot be called so, or is no GET."""
        with self._lock:
            try:
                self._run(_stop, method, getattr(self._api, method), *args)
            except _Would as stopped:
                return stopped.call
        raise Refused(f"{self.name}: ccxt's {method} sends nothing; leave the series out in conf/sources.yaml, ccxt")

    def read(self, call: Call, body: bytes, what: str, method: str, *args: Any) -> Any:
        """What does ccxt make of this body, as the answer to that call? Raises BadPayload."""
        text = _text(body, what)

        def answered(asked: Call) -> Any:
            if (asked.host, asked.path, asked.params) != (call.host, call.path, call.params):
                raise Refused(f"{self.name}: ccxt's {method} asks for more than one page at a time; it cannot be used")
            return self._api.parse_json(text)

        with self._lock:
            return self._run(answered, what, getattr(self._api, method), *args)

    def complains(self, status: int, headers: Mapping[str, str], body: bytes, call: Call, what: str) -> None:
        """Raise what ccxt takes this reply for, where it is no answer: VenueRefused, Retryable; else nothing."""
        text = body.decode("utf-8", "replace")
        with self._lock:

            def judge() -> None:
                found, url = self._api.parse_json(text), f"https://{call.host}{call.path}"
                self._api.handle_errors(status, "", url, "GET", dict(headers), text, found, {}, None)

            self._run(_stop, what, judge)

    def _run(self, answer: Callable[[Call], Any], what: str, method: Callable[..., Any], *args: Any) -> Any:
        self._answer = answer
        try:
            return method(*args)
        except self._ccxt.BaseError as error:
            raise self._meant(error, what) from None
        except SHAPE as error:
            raise BadPayload(f"{what}: ccxt cannot read it ({type(error).__name__}); nothing of it is used") from None
        finally:
            self._answer = _stop

    def _meant(self, error: Exception, what: str) -> PerplakeError:
        ccxt, told = self._ccxt, said(str(error), 160)
        if isinstance(error, ccxt.NetworkError):  # rate limits, maintenance, time-outs too
            return Retryable(f"{what}: {told}")
        if isinstance(error, ccxt.AuthenticationError):
            return VenueRefused(
                f"{what}: it needs an account's key ({told}); leave the series out in conf/sources.yaml"
            )
        return VenueRefused(f"{what}: {told}")

    def _fetch(self, url: str, method: str = "GET", headers: Any = None, body: Any = None) -> Any:
        """Takes the place of ccxt's own, the only function of it that talks."""
        parts = urlsplit(url)
        if method != "GET" or body:
            raise Refused(
                f"{self.name} is asked for {parts.path} by {method}, and only GET is sent; take another exchange"
            )
        if parts.netloc not in self.hosts:
            raise Refused(
                f"{self.name} would be asked at {parts.scheme}://{parts.netloc}, which is none of its https hosts"
            )
        query = tuple(parse_qsl(parts.query, keep_blank_values=True))
        return self._answer(Call(parts.netloc, parts.path, query, self._cost))

    def _throttle(self, cost: float | None = None) -> None:
        """Takes the place of ccxt's own, which sleeps: the sender waits, once it really sends."""
        self._cost = max(1, math.ceil(cost or 1))

    def _https(self, url: str) -> dict[str, Host]:
        """The exchange's hosts by name, each to be found at `url` where that is given."""
        named = [f"https://{name}" for name in _texts(self._api.urls.get("hostnames", {}))]
        found = {urlsplit(self._api.implode_hostname(text)) for text in (*_texts(self._api.urls["api"]), *named)}
        return {one.netloc: Host(url or f"https://{one.netloc}") for one in found if one.scheme == "https"}


def _stop(call: Call) -> Any:
    raise _Would(call)


def _text(body: bytes, what: str) -> str:
    """The body as text. Raises BadPayload for anything but a strict JSON list or object: ccxt takes the rest for an
    answer that says nothing."""
    if not isinstance(parse(body, what), list | dict):
        raise BadPayload(f"{what}: the answer is neither a list nor an object; nothing of it is used")
    return body.decode("utf-8")


def _texts(found: Any) -> Iterator[str]:
    if isinstance(found, dict):
        for inner in found.values():
            yield from _texts(inner)
    elif isinstance(found, str):
        yield found
