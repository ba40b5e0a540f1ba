"""The archive lists its own files, page by page in S3's XML; what the list denies is not asked for file by file.

The list may be stale, so it is believed on what is older than the oldest file it names, or, where it names none, than a
file that answered 404; and first a digest just there is seen to be missing. What is newer it cannot know: there the
files themselves and their digests tell.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from itertools import pairwise
from typing import NoReturn
from urllib.parse import quote, unquote
from xml.parsers import expat

from meta.errors import BadPayload, NotReady, Refused, Retryable
from meta.timeframes import DAY, day_of
from p1_ingest.payload import said
from p1_ingest.sources import binance_archive as archive
from p1_ingest.sources.base import Listing, Reply, Request

HOST = "binance_listing"
PAGE, MOST_PAGES = 1000, 50  # keys; a day's zip and digest are two: fifty pages are 68 years
LARGEST = 4 << 20  # bytes; a full page is some 400 kB
DEEPEST, LONGEST = 8, 1024  # elements within elements; bytes of a key, S3's own limit
RECENT = 60 * DAY  # a month's file comes two weeks late at times, so the 404 of a younger one denies nothing
YOUNG = 3  # days, newer than the newest listed, whose digests are looked for
FILE = re.compile(r"(.+-)(\d{4}-\d\d(?:-\d\d)?)\.zip")
STALE = "0"  # older than any stamp: the folder denies nothing
DENIED = "not asked for: the archive's listing has no file so old"

Fetch = Callable[[Request], bytes]


@dataclass(frozen=True)
class Page:
    """What one page says: its keys, ascending, and the parameters that bring the next page (none after the last).

    folders : the prefixes of what lies deeper, ascending.
    """

    keys: tuple[str, ...]
    after: tuple[tuple[str, str], ...]
    folders: tuple[str, ...] = ()


def judged(reply: Reply) -> None:
    """Is this reply a page? Raises Retryable, NotReady (no listing here) or BadPayload if not."""
    if reply.status in (408, 425, 429) or reply.status >= 500:
        raise Retryable(f"the archive's listing answered {reply.status}")
    if reply.status != 200:
        raise NotReady(f"the archive's listing answered {reply.status}")
    if not reply.body[:64].lstrip().startswith((b"<?xml", b"<ListBucketResult")):
        raise BadPayload("a page came instead of the archive's listing; check BINANCE_LISTING_URL")


def page(body: bytes) -> Page:
    """What does this body say? S3's ListBucketResult, first version or second; no DTD, so no entities.

    Raises BadPayload.
    """
    found = _Reader(body).found
    keys, truncated = tuple(found.get("Contents/Key", ())), found.get("IsTruncated", [])
    folders = tuple(found.get("CommonPrefixes/Prefix", ()))
    if truncated not in (["true"], ["false"]):
        raise BadPayload("the archive's listing does not say whether it goes on; it is not used")
    if len(keys) + len(folders) > PAGE or any(a >= b for told in (keys, folders) for a, b in pairwise(told)):
        raise BadPayload(f"the archive's listing has more than {PAGE} keys on a page, or not in order; it is not used")
    if truncated == ["false"]:
        return Page(keys, (), folders)
    if token := "".join(found.get("NextContinuationToken", ())):
        return Page(keys, (("list-type", "2"), ("continuation-token", token)), folders)
    marker = "".join(found.get("NextMarker", ())) or max((*keys[-1:], *folders[-1:]), default="")
    return Page(keys, (("marker", marker),), folders)


def keys(prefix: str, series: str, fetch: Fetch) -> Iterator[str]:
    """Which files lie under this prefix, zips and digests, ascending? The next page is asked for when it is needed.

    Raises BadPayload where pages do not advance or do not end, and what `fetch` raises.
    """
    return (key for found in _pages(prefix, series, fetch) for key in found.keys)


def folders(prefix: str, series: str, fetch: Fetch) -> Iterator[str]:
    """What are the folders right under this prefix called? Raises as `keys` does."""
    return (name[len(prefix) :].rstrip("/") for found in _pages(prefix, series, fetch) for name in found.folders)


def _pages(prefix: str, series: str, fetch: Fetch) -> Iterator[Page]:
    after: tuple[tuple[str, str], ...] = (("list-type", "2"),)
    what, last, seen = (("prefix", prefix), ("delimiter", "/"), ("max-keys", str(PAGE))), prefix, set()
    for _ in range(MOST_PAGES):
        seen.add(after)
        found = page(fetch(Request(series, HOST, "/", what + after, (), 0, 0, expects="text")))
        named = sorted((*found.keys, *found.folders))
        if named and (named[0] <= last or not all(name.startswith(prefix) for name in named)):
            raise BadPayload(f"the archive's listing of {prefix} strays or goes back; it is not used")
        yield found
        if not found.after:
            return
        last, after = (named or (last,))[-1], found.after
        if after in seen:
            raise BadPayload(f"the archive's listing of {prefix} does not advance; it is not used")
    raise BadPayload(f"the archive's listing of {prefix} has no end after {MOST_PAGES} pages; it is not used")


@dataclass
class Folders(Listing):
    """What one run knows of the archive's folders, each looked up when a file of it was missing.

    now : UTC ms. silent : shared by runs, and filled once the listing does not answer.
    """

    now: Callable[[], int]
    silent: set[str]
    _oldest: dict[str, str] = field(default_factory=dict)  # folder -> stamp; "" where it lists nothing
    _denied: dict[str, int] = field(default_factory=dict)  # folder -> end of the newest file that answered 404
    _known: dict[str, list[bool]] = field(default_factory=dict)  # series -> does a folder of it hold anything?

    def look_up(self, gone: Sequence[Request], coming: Sequence[Request], fetch: Fetch) -> str:
        """Learn of the folders of files that answered 404, and of those to be asked for instead."""
        for request in gone:
            self._gone(request)
        try:
            for request in sorted((*gone, *coming), key=lambda one: -one.end):
                if request.host == archive.HOST and not self.silent:
                    self._learn(request, fetch)
        except (Retryable, BadPayload, NotReady, Refused) as error:
            self.silent.add(HOST)
            return f"the archive's files are asked for one by one ({said(str(error))})"
        return ""

    def denies(self, request: Request) -> str:
        """Is it known that this file is not there? Says how, "" where it is not known."""
        folder = _folder(request)
        oldest = self._oldest.get(folder) if request.host == archive.HOST else None
        if oldest is None:
            return ""
        denied = _parts(request)[1] < oldest if oldest else request.end <= self._denied.get(folder, 0)
        return DENIED if denied else ""

    def has(self, series: str) -> bool | None:
        """Does the archive hold any file of this series? None where nobody looked."""
        known = self._known.get(series, [])
        folder = archive.FOLDERS[series]
        return any(known) if any(known) or len(known) == folder.daily + folder.monthly else None

    def _learn(self, request: Request, fetch: Fetch) -> None:
        """Look its folder up, once; where that lists nothing, look for the digest of this file, the newest first."""
        folder = _folder(request)
        if folder not in self._oldest:
            self._oldest[folder] = self._looked_up(request, folder, fetch)
        if self._oldest[folder] or self.denies(request) or request.end > self.now() - RECENT:
            return
        if is_there(request, _parts(request)[1], fetch):
            self._oldest[folder] = STALE
        else:
            self._gone(request)

    def _gone(self, request: Request) -> None:
        """What is older than this missing file is missing too, if its folder turns out to list nothing."""
        if request.end <= self.now() - RECENT:
            self._denied[_folder(request)] = max(request.end, self._denied.get(_folder(request), 0))

    def _looked_up(self, request: Request, folder: str, fetch: Fetch) -> str:
        """The oldest stamp that is listed, "" where none is; STALE where the archive has an older file."""
        oldest = next(stamps(request, fetch), "")
        self._known.setdefault(request.series, []).append(bool(oldest))
        return STALE if oldest and is_there(request, _before(oldest), fetch) else oldest


def reach(requests: Sequence[Request], fetch: Fetch, now: int) -> str:
    """From when to when are there files of each series? One request for a file of each tells which folder is meant.

    By the listing, and for the newest days by their digests. Raises what `fetch` does, BadPayload.
    """
    told = []
    for request in requests:
        listed = list(stamps(request, fetch))
        if not listed:
            told.append(f"{request.series} none")
            continue
        newest, yesterday = listed[-1], day_of(now) - timedelta(days=1)
        young = [str(yesterday - timedelta(days=i)) for i in range(YOUNG)] if len(newest) == 10 else []
        newest = next((day for day in young if day > newest and is_there(request, day, fetch)), newest)
        told.append(f"{request.series} {listed[0]} … {newest}")
    return ", ".join(told)


def stamps(request: Request, fetch: Fetch) -> Iterator[str]:
    """Which stamps have the files listed beside this one, its own kind alone, oldest first?"""
    stem, prefix = _parts(request)[0], _folder(request)
    for key in keys(prefix, request.series, fetch):
        found = FILE.fullmatch(key[len(prefix) :])
        if found and found[1] == stem:
            yield found[2]


def is_there(request: Request, stamp: str, fetch: Fetch) -> bool:
    """Does the digest of the file with this stamp answer?"""
    path = "/" + quote(f"{_folder(request)}{_parts(request)[0]}{stamp}.zip")
    try:
        fetch(archive.checksum_of(replace(request, path=path, days=())))
    except NotReady:
        return False
    return True


def _folder(request: Request) -> str:
    return unquote(request.path).rpartition("/")[0][1:] + "/"


def _parts(request: Request) -> tuple[str, str]:
    """A file's name up to its stamp, and the stamp."""
    found = FILE.fullmatch(archive.file_of(request.path))
    return (found[1], found[2]) if found else ("", "")


def _before(stamp: str) -> str:
    """The day, or month, before."""
    first = date.fromisoformat(stamp if len(stamp) == 10 else f"{stamp}-01")
    return str(first - timedelta(days=1))[: len(stamp)]


class _Reader:
    """Texts of the root's children and grandchildren, by their names' path."""

    def __init__(self, body: bytes) -> None:
        self.found: dict[str, list[str]] = {}
        self._path: list[str] = []
        self._text: list[str] = []
        if len(body) > LARGEST:
            raise BadPayload(f"the archive's listing sent {len(body):,} bytes, too many for a page; it is not used")
        parser = expat.ParserCreate(namespace_separator=" ")
        parser.StartDoctypeDeclHandler = self._doctype
        parser.StartElementHandler, parser.EndElementHandler = self._start, self._end
        parser.CharacterDataHandler = self._text.append
        try:
            parser.Parse(body, True)
        except (expat.ExpatError, LookupError, ValueError) as error:  # an encoding of another name, or of none
            raise BadPayload(f"the archive's listing is no XML ({said(str(error), 80)}); it is not used") from None

    def _doctype(self, *args: object) -> NoReturn:
        raise BadPayload("the archive's listing declares a document type, and S3's has none; it is not used")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._path.append(name.rpartition(" ")[2])
        self._text.clear()
        if self._path[0] != "ListBucketResult" or len(self._path) > DEEPEST:
            raise BadPayload(f"the archive's listing holds {said(name, 60)!r}; it is not used")

    def _end(self, name: str) -> None:
        text = "".join(self._text)
        if self._path[-1] == "Key" and len(text.encode()) > LONGEST:
            raise BadPayload("the archive's listing holds a key longer than keys can be; it is not used")
        self.found.setdefault("/".join(self._path[1:]), []).append(text)
        self._path.pop()
        self._text.clear()
