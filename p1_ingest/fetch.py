"""What does a venue say about these days, and has it answered fully?"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from datetime import date

from meta.errors import BadPayload, NotReady, Retryable
from meta.timeframes import DAY, Timeframe, day_of
from p1_ingest.bars import together
from p1_ingest.fetched import Fetched, State
from p1_ingest.http import Sender
from p1_ingest.sources.base import Answer, Request, Series, Source

OLD = 7 * DAY  # an archive's 404 younger than this means "not yet", older means "not offered"


@dataclass(frozen=True)
class Outcome:
    """What became of one request: an answer, a 404, or a failure; and why. heard : an answer came, believed or not."""

    request: Request
    answer: Answer | None = None
    why: str = ""
    missing: bool = False
    heard: bool = True
    body: str = ""  # its sha256


class Fetcher:
    """Asks one source about one symbol, several requests at a time; `unasked` hears what its listing spares."""

    def __init__(
        self,
        source: Source,
        sender: Sender,
        pool: Executor,
        now: Callable[[], int],
        accept_checksum: bool = False,
        unasked: Callable[[Request, str], None] = lambda request, why: None,
    ) -> None:
        self._source, self._sender, self._pool, self._now = source, sender, pool, now
        self._accept, self._unasked = accept_checksum, unasked
        self._scouted = False
        self.listing = source.listing()

    def fetch(self, series: Sequence[Series], symbol: str, tf: Timeframe, days: Sequence[date]) -> Fetched:
        """What does the source say about these (ascending) days?

        Raises VenueRefused and Usage, which no other request would escape; other failures stay with their days.
        """
        requests = self._requests(series, symbol, tf, days)
        scouts = self._scouts(requests)
        outcomes = self._all(scouts)
        lines = [self._look_up(outcomes, [])]
        outcomes += self._all([request for request in requests if request not in scouts])
        chains = list(outcomes)
        asked_instead: set[tuple[Request, date]] = set()
        while chains:
            second: list[Request] = []
            for outcome in chains:
                lacking = [day for day in _days_of(outcome.request) if not (outcome.answer and outcome.answer.has(day))]
                asks = lacking and outcome.heard
                more = self._source.instead(outcome.request, lacking, bool(outcome.why)) if asks else []
                second += more
                asked_instead |= {(outcome.request, day) for request in more for day in request.days}
            lines.append(self._look_up(chains, second))
            chains = self._all(_one_a_file(second))
            outcomes += chains
        fetched = self._settled(outcomes, asked_instead, tf, set(days))
        fetched.notes.update(line for line in lines if line)
        fetched.bodies = _bodies(outcomes, series, set(days))
        fetched.whole = together(series, fetched.answers)
        return fetched

    def _requests(self, series: Sequence[Series], symbol: str, tf: Timeframe, days: Sequence[date]) -> list[Request]:
        """Everything to ask. Where a sample series reaches into other days, their bars too: labels are read by them."""
        found = [request for one in series for request in self._source.ask(one, symbol, tf, days)]
        samples = {one.name for one in series if one.kind == "sample"}
        beside = {day for r in found if r.series in samples for day in _span(r)} - set(days)
        for one in series:
            if one.required and beside:
                found += self._source.ask(one, symbol, tf, sorted(beside))
        return found

    def _scouts(self, requests: Sequence[Request]) -> list[Request]:
        """The oldest of each series, where a listing can spare us the others should it be missing. Once a run."""
        if self.listing is None or self._scouted:
            return []
        self._scouted = True
        return list({request.series: request for request in reversed(requests)}.values())

    def _look_up(self, outcomes: Sequence[Outcome], coming: Sequence[Request]) -> str:
        """Have the listing tell of the folders whose files are missing for good: between two rounds of requests, so
        that what is asked for never depends on which answer came first."""
        if self.listing is None:
            return ""
        gone = [one.request for one in outcomes if one.missing and one.request.end <= self._now() - OLD]
        series = {request.series for request in gone}
        after = [one for one in coming if one.series in series and one.end <= self._now() - OLD]
        return self.listing.look_up(gone, after, lambda one: self._sender.send(one, self._source.judge)) if gone else ""

    def _all(self, requests: Sequence[Request]) -> list[Outcome]:
        return list(self._pool.map(self._one, requests))

    def _one(self, request: Request) -> Outcome:
        if self.listing is not None and (why := self.listing.denies(request)):
            self._unasked(request, why)
            return Outcome(request, missing=True)
        try:
            body = self._sender.send(request, self._source.judge)
            digest = self._digest(request)
        except NotReady:
            return Outcome(request, missing=True)
        except (Retryable, BadPayload) as error:
            return Outcome(request, why=str(error), heard=False)
        try:
            note = self._source.verify(request, body, digest, self._accept)
            answer = self._source.read(request, body)
        except BadPayload as error:
            return Outcome(request, why=str(error))
        sha = hashlib.sha256(body).hexdigest()
        return Outcome(request, answer if not note else _noted(answer, note), body=sha)

    def _digest(self, request: Request) -> bytes | None:
        companion = self._source.companion(request)
        if companion is None:
            return None
        try:
            return self._sender.send(companion, self._source.judge)
        except NotReady:
            return None

    def _settled(
        self, outcomes: list[Outcome], asked_instead: set[tuple[Request, date]], tf: Timeframe, wanted: set[date]
    ) -> Fetched:
        answers: dict[str, list[Answer]] = defaultdict(list)
        for outcome in outcomes:
            if outcome.answer is not None:
                answers[outcome.request.series].append(outcome.answer)
        settled = self._source.settle(dict(answers), tf)
        fetched = Fetched(settled, {})
        for said in settled.values():
            fetched.notes.update(f"{a.series}: {a.note}" for a in said if a.note)
        answered = {(one.request.series, day) for one in outcomes if one.answer for day in _days_of(one.request)}
        for outcome in outcomes:
            for day in outcome.request.days:
                replaced = outcome.missing or (outcome.heard and (outcome.request.series, day) in answered)
                if (outcome.request, day) in asked_instead and not outcome.answer and replaced:
                    if outcome.why:
                        doubt = outcome.why.partition(";")[0]
                        fetched.notes[f"{outcome.request.series}: {doubt}; the files of its days were taken"] = 1
                elif day in wanted:
                    self._mark(fetched, outcome, day)
        return fetched

    def _mark(self, fetched: Fetched, outcome: Outcome, day: date) -> None:
        request = outcome.request
        state, why = State.ANSWERED, ""
        if outcome.why:
            state, why = State.FAILED, outcome.why
            fetched.unheard |= set() if outcome.heard else {day}
        elif outcome.missing and not self._source.spared(request, fetched.answers, [day]):
            old = request.end <= self._now() - OLD
            state = State.NOT_OFFERED if old else State.WAITS
            why = "" if old else f"{request.series} is not published yet"
        if state is State.ANSWERED and day not in _span(request):
            state = State.NOT_OFFERED  # a neighbour's file adds rows to the day; only the day's own makes it answered
        where = (request.series, day)
        if state > fetched.states.get(where, State.NOT_OFFERED) or where not in fetched.states:
            fetched.states[where] = state
            if why:
                fetched.reasons[day] = why


def _bodies(
    outcomes: Sequence[Outcome], series: Sequence[Series], wanted: set[date]
) -> dict[date, dict[str, list[str]]]:
    """Which bodies is each day made of? Also, of days its samples reach into, the bars their labels are read by."""
    samples, required = {s.name for s in series if s.kind == "sample"}, {s.name for s in series if s.required}
    serves: dict[date, set[date]] = {day: {day} for day in wanted}
    for outcome in outcomes:
        if outcome.body and outcome.request.series in samples:
            for beside in _span(outcome.request):
                serves.setdefault(beside, set()).update(outcome.request.days)
    found: dict[date, dict[str, list[str]]] = {day: {} for day in wanted}
    for outcome in outcomes:
        name, asked = outcome.request.series, set(outcome.request.days)
        if name in required:
            asked = {day for each in asked for day in serves.get(each, ())}
        for day in asked & wanted if outcome.body else ():
            said = found[day].setdefault(name, [])
            if outcome.body not in said:
                said.append(outcome.body)
    return found


def _one_a_file(requests: Sequence[Request]) -> list[Request]:
    """The same requests, those for one file made one: several missing days of a month ask for the same."""
    days: dict[Request, set[date]] = defaultdict(set)
    for request in requests:
        days[replace(request, days=())].update(request.days)
    return [replace(request, days=tuple(sorted(asked))) for request, asked in days.items()]


def _noted(answer: Answer, note: str) -> Answer:
    return Answer(
        answer.series, answer.at, answer.values, answer.counts, answer.variant, f"{answer.note} {note}".strip()
    )


def _span(request: Request) -> list[date]:
    """Which days does the request's own span touch?"""
    return [day_of(ms) for ms in range(request.start // DAY * DAY, request.end, DAY)]


def _days_of(request: Request) -> list[date]:
    """Which of the days that need this answer lie in its own span?"""
    span = set(_span(request))
    return [day for day in request.days if day in span]
