"""Every way perplake says no, and what the caller should do about it.

    PerplakeError        exit 1
    ├── Retryable        the same call may succeed later: network trouble, a venue's 5xx, a rate limit
    ├── Refused          the caller must change something first
    │   ├── Usage        … in the command line or the configuration (exit 2)
    │   ├── Busy         … wait for another writer (exit 75)
    │   └── VenueRefused … at the venue: key, plan, symbol, region; never retried
    │       └── Banned   … nothing but wait: the venue has shut this address out
    ├── BadPayload       the venue answered, and the answer is not believed
    ├── NotReady         not yet: unpublished, unsettled, or an earlier phase has not run
    ├── Tampered         the disk disagrees with its manifest
    ├── DurabilityUnknown  state valid, but fsync failed: run again
    └── ChecksRed        the data failed its checks (exit 3)

A message names the subject, the fact and the next step.
"""

from __future__ import annotations


class PerplakeError(Exception):
    """A failure with one clear line for the caller; `exit_code` is what the process ends with."""

    exit_code = 1


class Retryable(PerplakeError):
    """The same call may succeed later."""

    def __init__(self, message: str, *, after: float | None = None) -> None:
        super().__init__(message)
        self.after = after  # seconds the venue asked us to wait, where it said so


class Refused(PerplakeError):
    """The caller must change something first."""


class Usage(Refused):
    """The command line or the configuration makes no sense."""

    exit_code = 2


class Busy(Refused):
    """Another writer holds the lock."""

    exit_code = 75


class VenueRefused(Refused):
    """The venue will not serve this: key, plan, symbol or region."""


class Banned(VenueRefused):
    """The venue has shut this address out for a while; each further request makes it longer."""

    def __init__(self, message: str, *, after: float | None = None) -> None:
        super().__init__(message)
        self.after = after  # seconds it is to last, where the venue said so


class BadPayload(PerplakeError):
    """The venue answered, and the answer is not believed."""


class NotReady(PerplakeError):
    """Not yet: unpublished, unsettled, or an earlier phase has not run."""


class Tampered(PerplakeError):
    """The disk disagrees with its manifest."""


class DurabilityUnknown(PerplakeError):
    """The state is valid, but the disk did not confirm it; run again."""


class ChecksRed(PerplakeError):
    """The data failed its checks."""

    exit_code = 3
