"""Mutated bytes for all that parses: refused in one line, or read as something that can be; never a traceback.

python -m tests.fuzz --count 100000        or --seconds 60, --seed 7, --target coinglass
"""

from __future__ import annotations

import json
import random
import resource
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import click

from lake.ending import line_of
from meta.errors import PerplakeError
from tests import lakes
from tests.fuzz_targets import Target, targets

NASTY = (
    b"NaN", b"-NaN", b"Infinity", b"1e999", b"-1e999", b"1_000", b"0x10", b"1e-400", b"-0", b"9" * 40, b"true", b"null",
    b"{}", b"[]", b'""', b'"\\u0000"', "١٢".encode(), b"\xff\xfe", b"\x00", b"1735689600000", b"1735689600000000",
    b"-1735689600", b"1e13", b"../../x", b"=1+1", b"'", b'"', b",", b"\t", b"\r\n", b"\xef\xbb\xbf", b"[" * 60,
)  # fmt: skip
MARKS = b'{}[]",:\n\t'


@dataclass
class Report:
    """How many were tried and taken, and what was wrong."""

    tried: Counter[str] = field(default_factory=Counter)
    taken: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    grown: int = 0  # bytes the process grew by

    def lines(self) -> Iterator[str]:
        """The report for people."""
        for name in sorted(self.tried):
            yield f"{name:28} {self.tried[name]:>9,} tried  {self.taken[name]:>9,} taken as they stand"
        faults, grown = len(self.faults), self.grown >> 20
        yield f"{sum(self.tried.values()):,} in all, {faults} faults, the process grew by {grown} MiB"


def mutated(seed: bytes, others: Sequence[bytes], rng: random.Random) -> bytes:
    """The bytes with one to four things wrong with them."""
    data = seed
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        data = rng.choice(MUTATIONS)(data, others, rng)
    return data


def _flip(data: bytes, others: Sequence[bytes], rng: random.Random) -> bytes:
    if not data:
        return data
    at = rng.randrange(len(data))
    return data[:at] + bytes([data[at] ^ (1 << rng.randrange(8))]) + data[at + 1 :]


def _cut(data: bytes, others: Sequence[bytes], rng: random.Random) -> bytes:
    return data[: rng.randrange(len(data) + 1)] if rng.random() < 0.7 else data[rng.randrange(len(data) + 1) :]


def _drop(data: bytes, others: Sequence[bytes], rng: random.Random) -> bytes:
    at = rng.randrange(len(data) + 1)
    return data[:at] + data[at + rng.choice((1, 2, 7, 64)) :]


def _again(data: bytes, others: Sequence[bytes], rng: random.Random) -> bytes:
    at = rng.randrange(len(data) + 1)
    piece = data[at : at + rng.choice((1, 8, 64, 512))]
    return data[:at] + piece * rng.choice((2, 3, 40)) + data[at:]


def _splice(data: bytes, others: Sequence[bytes], rng: random.Random) -> bytes:
    other = rng.choice(others)
    at, there = rng.randrange(len(data) + 1), rng.randrange(len(other) + 1)
    return data[:at] + other[there : there + rng.choice((4, 40, 400))] + data[at:]


def _nasty(data: bytes, others: Sequence[bytes], rng: random.Random) -> bytes:
    at = rng.randrange(len(data) + 1)
    return data[:at] + rng.choice(NASTY) + data[at:]


def _token(data: bytes, others: Sequence[bytes], rng: random.Random) -> bytes:
    """One value between two marks, another in its place."""
    at = rng.randrange(len(data) + 1)
    start = max((data.rfind(bytes([mark]), 0, at) for mark in MARKS), default=-1) + 1
    ends = [end for mark in MARKS if (end := data.find(bytes([mark]), at)) >= 0]
    return data[:start] + rng.choice(NASTY) + data[min(ends, default=len(data)) :]


def _structured(data: bytes, others: Sequence[bytes], rng: random.Random) -> bytes:
    """JSON with one value exchanged, lost or nested deeper; whatever else is no JSON is left alone."""
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        return _token(data, others, rng)
    at, above = found, None
    while isinstance(at, dict | list) and at and (above is None or rng.random() < 0.8):
        key = rng.choice(list(at)) if isinstance(at, dict) else rng.randrange(len(at))
        above, at = (at, key), at[key]
    if above is not None:
        place, key = above
        if rng.random() < 0.3:
            del place[key]
        else:
            place[key] = rng.choice((None, True, -1, 0, 1e300, "", "x", [], {}, [at], {"a": at}, str(at), 10**20))
    return json.dumps(found).encode()


MUTATIONS: tuple[Callable[[bytes, Sequence[bytes], random.Random], bytes], ...] = (
    _flip, _cut, _drop, _again, _splice, _nasty, _token, _token, _structured, _structured,
)  # fmt: skip


def fuzz(chosen: Sequence[Target], seed: int, count: int | None, seconds: float | None) -> Report:
    """Try mutations of each target's seeds by turns, until the count or the time is used up."""
    rng, report = random.Random(seed), Report()
    until = time.monotonic() + seconds if seconds else float("inf")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    everything = [body for target in chosen for body in target.seeds]
    while (count is None or sum(report.tried.values()) < count) and time.monotonic() < until:
        for target in chosen:
            body = mutated(rng.choice(target.seeds), everything, rng)
            report.tried[target.name] += 1
            report.taken[target.name] += _tried(target, body, report)
    report.grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) << 10
    return report


def _tried(target: Target, body: bytes, report: Report) -> bool:
    try:
        target.parse(body)
    except (PerplakeError, OSError) as error:
        if "\n" in line_of(error) or len(line_of(error)) > 2000:
            report.faults.append(f"{target.name}: not one line: {line_of(error)!r:.300}")
        return False
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        last = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{Path(last.filename).name}:{last.lineno}"
        report.faults.append(f"{target.name}: {type(error).__name__}: {error!s:.200} at {place}; {body!r:.300}")
        return False
    return True


@click.command()
@click.option("--count", type=int, help="How many mutations.")
@click.option("--seconds", type=float, help="For how long.")
@click.option("--seed", type=int, default=1, help="Another seed, other mutations.")
@click.option("--target", "wanted", default="", help="Only targets whose name holds this.")
def main(count: int | None, seconds: float | None, seed: int, wanted: str) -> None:
    """Mutate what every parser reads, and show what went wrong."""
    with ExitStack() as running, lakes.scratch() as scratch:
        chosen = [target for target in targets(running, scratch) if wanted in target.name]
        report = fuzz(chosen, seed, count or (None if seconds else 100_000), seconds)
    for line in report.lines():
        click.echo(line)
    for fault in list(dict.fromkeys(report.faults))[:40]:
        click.echo(f"fault: {fault}")
    raise SystemExit(1 if report.faults else 0)


if __name__ == "__main__":
    main()
