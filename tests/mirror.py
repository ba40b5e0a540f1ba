"""A mirror of the archive on loopback: files with ETags, answered 304 where the asker has them, and S3's listing."""

from __future__ import annotations

import contextlib
import hashlib
import http.server
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.utils import formatdate
from pathlib import Path
from typing import Literal
from urllib.parse import parse_qsl, unquote, urlsplit
from xml.sax.saxutils import escape

from tests import loopback

SPACE = "http://s3.amazonaws.com/doc/2006-03-01/"


@dataclass
class Mirror:
    """A folder, and how it is listed: by which version of S3's protocol (0: not at all), so many keys a page.

    asked : method-less log of paths, in order; wholes : those answered with a whole file; until : the newest stamp
    listed (a stale listing ends there). validators : which of ETag and Last-Modified it sends, and understands.
    """

    root: Path
    version: Literal[0, 1, 2] = 2
    page: int = 1000
    until: str = ""
    validators: tuple[str, ...] = ("etag",)
    asked: list[str] = field(default_factory=list)
    wholes: list[str] = field(default_factory=list)

    def keys(self, prefix: str) -> list[str]:
        """Every key under the prefix, as S3 orders them."""
        folder = self.root / prefix if prefix.endswith("/") else self.root
        found = [path.relative_to(self.root).as_posix() for path in folder.rglob("*") if path.is_file()]
        stamps = {key: re.search(r"\d{4}-\d\d(-\d\d)?", key) for key in found if key.startswith(prefix)}
        return sorted(key for key, at in stamps.items() if not self.until or (at and at[0] <= self.until))

    def folded(self, prefix: str, delimiter: str) -> list[str]:
        """The same, with all that lies deeper than the delimiter told once, as a folder."""
        if not delimiter:
            return self.keys(prefix)
        told = (key[len(prefix) :].partition(delimiter) for key in self.keys(prefix))
        return sorted({prefix + name + cut for name, cut, _ in told})

    def listed(self, query: dict[str, str]) -> bytes:
        """One page of the listing."""
        prefix, second = query["prefix"], self.version == 2 and query.get("list-type") == "2"
        after = query.get("continuation-token", "")[::-1] if second else query.get("marker", "")
        rest = [key for key in self.folded(prefix, query.get("delimiter", "")) if key > after]
        shown = rest[: min(self.page, int(query.get("max-keys", "1000")))]
        more = len(rest) > len(shown)
        cursor = ""
        if more:
            name, last = ("NextContinuationToken", shown[-1][::-1]) if second else ("NextMarker", shown[-1])
            cursor = f"<{name}>{escape(last)}</{name}>"
        items = "".join(
            f"<CommonPrefixes><Prefix>{escape(key)}</Prefix></CommonPrefixes>"
            if key.endswith("/")
            else f"<Contents><Key>{escape(key)}</Key><Size>1</Size></Contents>"
            for key in shown
        )
        head = f"<Name>data.binance.vision</Name><Prefix>{escape(prefix)}</Prefix><IsTruncated>{str(more).lower()}"
        told = f'<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult xmlns="{SPACE}">{head}</IsTruncated>'
        return f"{told}{cursor}{items}</ListBucketResult>".encode()

    def answer(self, path: str, headers: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
        """The status, headers and body of one GET."""
        self.asked.append(path)
        url = urlsplit(path)
        if url.path == "/" and self.version:
            return 200, {"Content-Type": "application/xml"}, self.listed(dict(parse_qsl(url.query)))
        file = self.root / unquote(url.path)[1:]
        if not file.is_file():
            return 404, {}, b"<?xml version='1.0'?><Error><Code>NoSuchKey</Code></Error>"
        body = file.read_bytes()
        told = {
            "etag": f'"{hashlib.md5(body).hexdigest()}"',
            "last-modified": formatdate(file.stat().st_mtime, usegmt=True),
        }
        known = {"etag": headers.get("if-none-match"), "last-modified": headers.get("if-modified-since")}
        told = {name: value for name, value in told.items() if name in self.validators}
        if any(known[name] == value for name, value in told.items()):
            return 304, told, b""
        self.wholes.append(url.path)
        return 200, told, body

    def files(self) -> list[str]:
        """Which files were asked for since the last look, pages of the listing aside? Forgets them."""
        found = [path for path in self.asked if not path.startswith("/?")]
        self.asked.clear()
        self.wholes.clear()
        return found


@contextlib.contextmanager
def mirrored(mirror: Mirror) -> Iterator[str]:
    """The mirror on loopback: yields its base URL."""

    class Handler(loopback.Quiet, http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, told, body = mirror.answer(self.path, {name.lower(): value for name, value in self.headers.items()})
            self.send_response(status)
            for name, value in told.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    with loopback.listening(Handler) as url:
        yield url
