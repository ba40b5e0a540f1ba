"""What does CoinGlass mean when it does not answer? Its HTTP status and the code in its body, taken together."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from meta.errors import BadPayload, NotReady, PerplakeError, Retryable, VenueRefused
from p1_ingest.payload import said
from p1_ingest.sources.base import Reply, Request

# A success is told from its first bytes: a page is parsed once, by `read`.
SUCCESS = re.compile(rb'\s*\{\s*"code"\s*:\s*(?:"0"|0)\s*[,}]')
AGAIN = {408, 429, 50001}  # and 5xx; 50001 is hearsay
NEVER = {400, 401, 402, 403, 404, 405, 409, 410, 418, 422, 451, 30001}


@dataclass(frozen=True)
class Terms:
    """What a refusal is explained with: the key's name, the plan the timeframe needs, seconds to wait on a limit."""

    key_name: str
    key_header: str
    plan: str
    wait: float


def judge(request: Request, reply: Reply, terms: Terms) -> None:
    """Is this an answer?

    Raises Retryable (408, 429, 5xx, broken JSON), VenueRefused (key, plan, symbol, path), NotReady (no such path),
    BadPayload.
    """
    if reply.status == 200 and SUCCESS.match(reply.body[:64]) and reply.body.rstrip()[-1:] == b"}":
        return
    code, words = _told(reply.body)
    codes = {reply.status, code} - {200, 0, None}
    if not codes and code == 0:
        return
    fact = f"{request.host} answers {_shown(reply.status, code, words)}"
    if codes & NEVER:
        raise _refusal(request, codes, words, fact, terms)
    if 429 in codes:
        raise Retryable(f"{fact} ({request.path})", after=terms.wait)
    if any(c in AGAIN or 500 <= c < 600 for c in codes if c is not None):
        raise Retryable(f"{fact} ({request.path})")
    if codes:
        raise BadPayload(f"{fact} to {request.path}, which its documents do not know; nothing of it is used")
    if reply.body.lstrip()[:1] == b"{" and code is None:
        raise Retryable(f"{request.host} sent JSON that is broken or cut short ({request.path})")
    raise BadPayload(f"{request.host} {request.path} answers {said(words, 60) or 'nothing'!r} instead of JSON")


def _told(body: bytes) -> tuple[int | None, str]:
    """The body's own code (None where it tells none that is a number) and its words."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return None, body[:400].decode(errors="replace")
    if not isinstance(found, dict) or "code" not in found:
        return None, body[:400].decode(errors="replace")
    code = str(found["code"])
    return (int(code) if re.fullmatch(r"[0-9]{1,6}", code, re.ASCII) else -1), str(found.get("msg") or "")


def _shown(status: int, code: int | None, words: str) -> str:
    told = f"HTTP {status}" if status != 200 else ""
    if code:
        told += f"{' and ' if told else ''}code {code}"
    return told + (f" ({said(words)})" if words and code is not None else "")


def _refusal(request: Request, codes: set[int | None], words: str, fact: str, terms: Terms) -> PerplakeError:
    """Which of the known refusals is this, and what helps?"""
    low, host, key = words.lower(), request.host, terms.key_name or "the key"
    if "interval" in low and "plan" in low:
        need = f"needs the {terms.plan} plan or above" if terms.plan else "is served by no plan"
        return VenueRefused(f"{host}: {request.tf} {need}; ask for a longer --tf, or upgrade")
    if "interval" in low and "support" in low:
        return VenueRefused(
            f"{host} has no {request.tf} bars; ingest a shorter --tf that divides them, "
            f"then `python -m p1_ingest resample --from TF --to {request.tf}`"
        )
    if "upgrade" in low:
        return VenueRefused(f"{host}: the plan of this key has no {request.path}; upgrade it, or use another source")
    if 30001 in codes or "key missing" in low:
        return VenueRefused(
            f"{host} misses its key: {key} is not set, or something between drops the {terms.key_header} header; "
            "put it into secrets/.env"
        )
    if (codes & {401, 403} and not low) or ("key" in low and ("invalid" in low or "wrong" in low)) or 401 in codes:
        return VenueRefused(f"{host} does not accept {key} ({said(words, 60)}); check it in secrets/.env")
    if any(word in low for word in ("pair", "coin", "symbol")) and ("exist" in low or "support" in low):
        asked = dict(request.params).get("symbol", "")
        return VenueRefused(
            f"{host} does not know {request.symbol} (asked as {asked}); check the symbol, or name its coin "
            "(and no spot, where it has no spot pair) in conf/sources.yaml, coinglass: symbols"
        )
    if 404 in codes:
        # Not "unpublished": a series' path that is not there will not be there tomorrow. An account's may be absent.
        kind = NotReady if request.series == "account" else VenueRefused
        return kind(f"{host} has no {request.path}; check its base URL, and the paths in conf/sources.yaml")
    return VenueRefused(f"{fact} to {request.path}; check what conf/sources.yaml asks")
