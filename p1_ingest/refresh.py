"""Files of an archive are replaced in place at times; a refresh finds which, and the days that were made of them."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from types import TracebackType

import msgspec

from lake import days, raw
from lake.layout import Shelf
from meta.errors import BadPayload, NotReady, Retryable, Tampered, Usage
from meta.timeframes import days_between
from p1_ingest.http import Sender
from p1_ingest.sources.base import Reply, Request, Source
from p1_ingest.wire import Wire

Key = tuple[str, str, tuple[tuple[str, str], ...]]  # host, path, params
DIGEST = ".CHECKSUM"  # the end of a digest's path
ABSENT = ""  # the sha256 of a file that answered 404
SHOWN = 5  # names in a line


@dataclass(frozen=True)
class File:
    """A file of the archive as days were made of it: its newest recorded answer; sha256 -> the days made of that.

    digest : the recorded answer that brought its published digest, where one was asked for. lost : the body that was
    kept of it is damaged or gone.
    """

    line: raw.Answer
    made: Mapping[str, set[date]]
    digest: raw.Answer | None
    lost: bool

    @property
    def name(self) -> str:
        """How is it told to people?"""
        return self.line.path.rpartition("/")[2]


@dataclass(frozen=True)
class Looked:
    """What a look at the archive found: how many files of how many days it saw, and which days to ask for again.

    unseen : file -> why it could not be looked at. unrecorded : days whose files no record tells.
    """

    files: int
    days: int
    again: frozenset[date]
    changed: Sequence[str]
    unseen: Mapping[str, str]
    unrecorded: int

    def lines(self) -> list[str]:
        """How is it told to people?"""
        more = f" and {len(self.changed) - SHOWN} more" if len(self.changed) > SHOWN else ""
        names = ", ".join(self.changed[:SHOWN]) + more
        what = f"{len(self.changed)} changed ({names}); their {len(self.again)} days are asked for again"
        told = [f"{self.files} archive files of {self.days} days checked: {what if self.changed else 'none changed'}"]
        if self.unrecorded:
            told.append(f"{self.unrecorded} days have no record of their files; --no-skip-present asks for them again")
        return told

    def trouble(self) -> list[str]:
        """What could not be looked at, and why?"""
        return [f"{name} was not checked: {why}" for name, why in list(self.unseen.items())[:SHOWN]]


@dataclass
class Revalidating:
    """A transport that asks whether files it knows are still the same, and answers those that are from the record."""

    root: Path
    wire: Wire = field(default_factory=Wire)
    _known: dict[Key, raw.Answer] = field(default_factory=dict)
    _now: dict[Key, Reply] = field(default_factory=dict)
    _settled: dict[Key, raw.Answer | Reply] = field(default_factory=dict)

    def __call__(self, request: Request, url: str, headers: Mapping[str, str], left: float) -> Reply:
        """What does the venue reply, or has it confirmed? Raises what the network does, Tampered."""
        key = (request.host, request.path, request.params)
        if settled := self._settled.get(key):
            return settled if isinstance(settled, Reply) else self._recorded(settled)
        line = self._known.get(key)
        if line is None:
            return self.wire(request, url, headers, left)
        reply = self.wire(request, url, {**headers, **_validators(line)}, left)
        if reply.status == 304:
            return self._recorded(line)
        if reply.status == 200:
            self._now[key] = reply
        return reply

    def know(self, file: File) -> None:
        """From now on, have this file sent only if it is another; whole, where the body that was kept is lost."""
        self._known[_key(file.line)] = (
            msgspec.structs.replace(file.line, etag="", modified="") if file.lost else file.line
        )

    def settle(self, file: File, same: bool) -> None:
        """From now on, ask for this file no more: it is as recorded, its digest too, or what came just now."""
        key = _key(file.line)
        reply = self._now.pop(key, None)
        if key in self._settled:  # another timeframe of the same symbol had it looked at
            return
        if not same and reply is not None:
            self._settled[key] = reply
        for line in (file.line, file.digest) if same else ():
            if line is not None:
                self._settled[_key(line)] = line

    def _recorded(self, line: raw.Answer) -> Reply:
        told = {name: value for name, value in {"etag": line.etag, "last-modified": line.modified}.items() if value}
        if not line.sha256:
            return Reply(404, {}, b"")
        return Reply(200, told, line.text.encode() or raw.body(self.root, line.sha256))

    def __enter__(self) -> Revalidating:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.wire.close()


def looked(source: Source, transport: Revalidating, shelf: Shelf, wanted: Sequence[date], workers: int) -> Looked:
    """Which of these committed days were made of files that the archive has replaced since, or did not have then?

    Nothing is written. Files are compared by sha256; one that is the same is not sent again where the archive
    understands ETag or Last-Modified, or else publishes its digest. Raises Usage for a source that has no archive,
    VenueRefused.
    """
    if not source.files:
        raise Usage(f"{source.name} has no archive to look at; --no-skip-present asks for committed days again")
    files, known, unrecorded = _files(source, shelf, wanted)
    for file in files:
        transport.know(file)
    with Sender(source.hosts, pools=source.pools, transport=transport) as sender, ThreadPoolExecutor(workers) as pool:
        found = list(pool.map(lambda file: _sha_now(source, sender, shelf.root, file), files))
    again, changed, unseen = set[date](), [], {}
    for file, (sha, why) in zip(files, found, strict=True):
        if why:
            unseen[file.name] = why
            continue
        transport.settle(file, sha == file.line.sha256 and not file.lost)
        made_of_others = {day for was, made in file.made.items() if was != sha or file.lost for day in made}
        if made_of_others:
            changed.append(file.name)
            again |= made_of_others
    return Looked(len(files), known, frozenset(again), sorted(changed), unseen, unrecorded)


def _sha_now(source: Source, sender: Sender, root: Path, file: File) -> tuple[str, str]:
    """The sha256 of what the archive has now, or why that cannot be told."""
    request = _request(file.line)
    try:
        if _is_as_published(source, sender, root, file, request):
            return file.line.sha256, ""
        return hashlib.sha256(sender.send(request, source.judge)).hexdigest(), ""
    except NotReady:
        return ABSENT, "the archive has it no more, its days stay as they are" if file.line.sha256 else ""
    except (Retryable, BadPayload) as error:
        return ABSENT, str(error)


def _is_as_published(source: Source, sender: Sender, root: Path, file: File, request: Request) -> bool:
    """Where the record has no validators: does the published digest describe the body that was kept?"""
    companion = source.companion(request)
    if _validators(file.line) or not file.line.sha256 or file.lost or companion is None:
        return False
    try:
        return source.verify(request, raw.body(root, file.line.sha256), sender.send(companion, source.judge)) == ""
    except (BadPayload, NotReady, Tampered):
        return False


def _files(source: Source, shelf: Shelf, wanted: Sequence[date]) -> tuple[list[File], int, int]:
    """The files that committed days were made of, or would have been; how many days those are, and how many lack a
    record."""
    lines, entries = list(raw.about(shelf)), days.committed(shelf)
    of_part = {(line.day, line.part): line for line in lines if isinstance(line, raw.Day)}
    found = {day: of_part.get((str(day), entries[day].sha256)) for day in wanted if day in entries}
    recorded = {day: line for day, line in found.items() if line is not None}
    runs = {line.run for line in recorded.values()}
    answers = [a for a in lines if isinstance(a, raw.Answer) and a.run in runs and a.host == source.files]
    digests = {_key(a): a for a in answers if a.path.endswith(DIGEST)}
    newest, made = dict[Key, raw.Answer](), defaultdict[Key, dict[str, set[date]]](lambda: defaultdict(set))
    for answer, day in _made_of([a for a in answers if not a.path.endswith(DIGEST)], recorded):
        newest[_key(answer)] = answer
        made[_key(answer)][answer.sha256].add(day)
    files = []
    for key, line in newest.items():
        lost = bool(line.sha256 and raw.fault(shelf.root, line.sha256))
        files.append(File(line, made[key], digests.get((line.host, line.path + DIGEST, line.params)), lost))
    return files, len(recorded), len(found) - len(recorded)


def _made_of(answers: Sequence[raw.Answer], recorded: Mapping[date, raw.Day]) -> Iterator[tuple[raw.Answer, date]]:
    """Each answer with each day it was asked for, or is part of, in that day's own run."""
    by_body = defaultdict[tuple[str, str], list[date]](list)
    for day, line in recorded.items():
        for sha in {sha for said in line.bodies.values() for sha in said}:
            by_body[line.run, sha].append(day)
    for answer in answers:
        asked = {day for first, last in answer.days for day in days_between(*map(date.fromisoformat, (first, last)))}
        for day in {*asked, *by_body.get((answer.run, answer.sha256), ())} & recorded.keys():
            if recorded[day].run == answer.run:
                yield answer, day


def _request(line: raw.Answer) -> Request:
    asked = (line.series, line.host, line.path, line.params, (), line.start, line.end, line.symbol, line.tf)
    return Request(*asked, expects="zip", route=line.route)


def _validators(line: raw.Answer) -> dict[str, str]:
    told = {"If-None-Match": line.etag, "If-Modified-Since": line.modified}
    return {name: value for name, value in told.items() if value}


def _key(line: raw.Answer) -> Key:
    return line.host, line.path, line.params
