"""Symbols are kept up with for weeks: each is looked at as its bars close, and its days are promoted as they settle."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field

from lake import following
from lake.ending import line_of
from meta.errors import (
    BadPayload,
    Banned,
    Busy,
    DurabilityUnknown,
    PerplakeError,
    Retryable,
    Tampered,
    VenueRefused,
)
from meta.timeframes import DAY, HOUR, MINUTE, day_of, day_start, utc
from p1_ingest.follower import Follower
from p1_ingest.hearing import Hearing
from p1_ingest.http import Sender
from p1_ingest.ingest import workers
from p1_ingest.look import Look, look
from p1_ingest.silence import Silence
from p1_ingest.sources.base import Source
from p1_ingest.summary import Summary
from p1_ingest.venue_clock import VenueClock
from p1_ingest.wanted import Choice

SLICE = MINUTE  # ms slept at a time: a clock that jumps is noticed within one, and each is a sign of life
BANNED = HOUR  # ms a ban is waited out where the venue does not say how long it lasts
REFUSED_AGAIN = HOUR  # ms to the next try of a symbol the venue refuses while it serves others
PROMOTE_AGAIN, LEAST_OFTEN = 15 * MINUTE, 6 * HOUR  # ms to the next try of days that wait or failed: doubled each time
BUSY_AGAIN = MINUTE
SET_BACK = 10_000  # ms: less is a clock being trimmed
TOLD_AFTER = 3  # promotions the venue left unanswered, while it answers looks
LOOKS = 8  # symbols looked at at once, at most


@dataclass
class Follow:
    """Some symbols of one source, kept up with by one process.

    sleep : seconds. committed : called after days were published. Raises, from `run`, VenueRefused where the venue
    refuses every symbol, and whatever no later try could mend.
    """

    source: Source
    sender: Sender
    record: Hearing
    followers: Sequence[Follower]
    choice: Choice
    sleep: Callable[[float], object]
    say: Callable[[str], object]
    committed: Callable[[], object] = lambda: None
    refused: dict[str, VenueRefused] = field(default_factory=dict)

    @property
    def now(self) -> VenueClock:
        """What time is it, UTC ms?"""
        return self.record.clock

    def run(self) -> None:
        """Keep up until the process is told to stop; say how it stands at every turn, and that it ended."""
        self._started, self._turned = self.now.local(), self.now()
        self._silence, self._live = Silence(self.say), self.source.today()
        self._held_until = 0
        try:
            with workers(self.choice.workers) as requests, workers(min(self.choice.workers, LOOKS)) as looks:
                while True:
                    self._turn(requests, looks)
        finally:
            error = sys.exception()
            why = line_of(error) if isinstance(error, Exception) else ""  # a signal is none: it is somebody's wish
            for one in self.followers:
                self._stand(one, following.FAILED if why else following.ENDED, why)

    def _turn(self, requests: Executor, looks: Executor) -> None:
        now = self._clock()
        for one in self.followers:
            if one.promote_at <= now:
                self._promoted(one)
                self._beat()
                if one.due:  # at the start all days come first, later on bars do not wait for more than one symbol's
                    break
        self._look(requests, looks)
        self._beat()
        self._rest()

    def _clock(self) -> int:
        """What time is it? One that was set back would leave every symbol waiting for the old one."""
        now = self.now()
        if now < self._turned - SET_BACK:
            self.say(f"the clock went back by {(self._turned - now) / 1000:.0f} s, to {utc(now)}; known bars stay")
            for one in self.followers:
                one.due, one.promote_at = min(one.due, one.pace.next(now)), min(one.promote_at, now)
            self._held_until = min(self._held_until, now + BANNED)
        self._turned = now
        return now

    def _look(self, requests: Executor, looks: Executor) -> None:
        """Look for the bars of every symbol whose moment has come, several at a time; take what was seen one by one."""
        now = self.now()
        ready = [one for one in self.followers if max(one.due, self._held_until) <= now]

        def looked(one: Follower) -> Look | PerplakeError | OSError | None:
            at = self.now()
            try:
                wanted = one.days(at)
                asked = (self._live, self.sender, requests, one.shelf, wanted, at)
                return look(*asked, after_failure=bool(one.failures)) if wanted else None
            except (PerplakeError, OSError) as error:
                return error

        for one, found in zip(ready, looks.map(looked, ready), strict=True):
            try:
                self._take(one, found)
            except BrokenPipeError:  # nobody listens any more
                raise
            except (PerplakeError, OSError) as error:
                one.failures += 1
                one.due = one.pace.again(self.now(), one.failures)
                self._trouble(one, error, one.due)

    def _take(self, one: Follower, found: Look | PerplakeError | OSError | None) -> None:
        if isinstance(found, Exception):
            raise found
        if one.owed:
            self._promoted(one)
            if not one.owed:  # what was seen may be of days that are committed now
                one.due = self.now()
                return
        if found is None:  # its day is committed already, by a lake or a clock ahead of ours
            one.due = one.pace.next(self.now())
            return
        if one.failures:  # who found the venue answering again tells the others
            for other in self.followers:
                other.due = self.now() if other.failures and other.name not in self.refused else other.due
        one.take(found)
        one.answered = self.now.local()
        self.refused.pop(one.name, None)
        self._silence.well(one.name, self.now())

    def _trouble(self, one: Follower, error: PerplakeError | OSError, again: int) -> None:
        """What is done about a failure, to be tried again then (UTC ms)? Raises what no later try could mend."""
        one.errors += 1
        one.trouble = line_of(error)
        if isinstance(error, Banned):
            self._banned(error)
        elif isinstance(error, VenueRefused):
            self._refuse(one, error)
        elif isinstance(error, Retryable | BadPayload):
            self._silence.failed(one.name, one.trouble, self.now(), again)
        elif isinstance(error, Tampered | DurabilityUnknown) or not isinstance(error, PerplakeError):
            one.voice.once(f"warning: {one.name}: {one.trouble}")
        else:
            raise error

    def _banned(self, error: Banned) -> None:
        wait = max(int((error.after or 0) * 1000), BANNED)
        self._held_until = self.now() + wait
        self.say(f"{error}; nothing is asked until {utc(self._held_until)}, and what is missed is caught up with")

    def _refuse(self, one: Follower, error: VenueRefused) -> None:
        """One symbol may be gone while others are served; where all are refused, it is key, plan or region."""
        if one.name not in self.refused:
            self.say(f"{one.name}: {error}; the other symbols go on")
        self.refused[one.name] = error
        if len(self.refused) == len(self.followers):
            raise error
        one.due = one.promote_at = self.now() + REFUSED_AGAIN

    def _promoted(self, one: Follower) -> None:
        """Commit what is settled by now, and decide when that is tried again."""
        if self._held_until > self.now():
            one.promote_at = self._held_until
            return
        self.record.listens = True
        try:
            self._tell(one, one.promote(self.source, self.sender, self.choice, self.record, self.now))
        except Busy as error:
            one.voice.once(f"{error}; its days are committed after that")
            one.promote_at = self.now() + BUSY_AGAIN
        except BrokenPipeError:
            raise
        except (PerplakeError, OSError) as error:
            one.owed = isinstance(error, Retryable)
            one.promotions_failed += 1
            if isinstance(error, Retryable | BadPayload):
                one.promote_at = one.pace.again(self.now(), one.promotions_failed)
                self._unpromoted(one, line_of(error))
            else:
                one.promote_at = self._later(one)
                self._trouble(one, error, one.promote_at)
        finally:
            self.record.listens = False

    def _unpromoted(self, one: Follower, why: str) -> None:
        """The venue would not tell what days need: that it is silent is for the looks to say, unless they go well."""
        one.errors += 1
        if one.promotions_failed == TOLD_AFTER and not one.failures:
            one.trouble = why
            one.voice.once(f"warning: {one.name}: bars go on, but no day is committed: {why.partition(';')[0]}")

    def _tell(self, one: Follower, summary: Summary | None) -> None:
        """Say what became of the days that were asked for; those that wait or failed are asked for again."""
        unsettled = summary is not None and bool(summary.failed or summary.waiting)
        one.promotions_failed, one.owed = one.promotions_failed + 1 if unsettled else 0, False
        one.promote_at = self._later(one) if unsettled else self._next_settled(one)
        for line in [] if summary is None else [*summary.trouble(), *summary.lines()[1:]]:
            one.voice.once(line)
        if summary is not None and summary.committed:
            self.say(summary.lines()[0])
            self.committed()

    def _later(self, one: Follower) -> int:
        return self.now() + min(PROMOTE_AGAIN << min(one.promotions_failed - 1, 10), LEAST_OFTEN)

    def _next_settled(self, one: Follower) -> int:
        """When is the next day settled, and a little more?"""
        today = day_start(day_of(self.now() - self.source.settle_lag_ms))
        return today + DAY + self.source.settle_lag_ms + one.pace.after_close

    def _beat(self) -> None:
        """Give a sign of life."""
        for one in self.followers:
            self._stand(one, "waiting" if one.failures else "following")

    def _stand(self, one: Follower, state: str, why: str = "") -> None:
        told = following.Told(
            tf=one.shelf.tf.name,
            symbol=one.shelf.symbol,
            source=self.source.name,
            pid=os.getpid(),
            host=socket.gethostname(),
            started=self._started,
            beat=self.now.local(),
            state=state,
            last_bar=one.newest,
            lag_ms=one.lag,
            answered=one.answered,
            live=len(one.bars),
            bars=one.told_bars,
            restated=one.restated,
            errors=one.errors,
            trouble=why or one.trouble,
            committed=one.committed,
        )
        try:
            following.tell(one.shelf, told)
        except OSError as error:
            one.voice.once(f"warning: {one.name}: how it stands was not written: {line_of(error)}")

    def _rest(self) -> None:
        """Sleep until something is due, but no longer than a slice."""
        now = self.now()
        first = min(min(max(one.due, self._held_until), one.promote_at) for one in self.followers)
        wait = min(max(first - now, 0), SLICE)
        if wait:
            self.sleep(wait / 1000)
