"""Whatever is read, mutated, is refused in one line or read as something that can be; never a traceback."""

from __future__ import annotations

from contextlib import ExitStack

from tests import lakes
from tests.fuzz import fuzz
from tests.fuzz_targets import targets

COUNT, MOST = 12_000, 200 << 20  # `make fuzz` tries a hundred thousand, or for as long as one likes


def test_mutated_bytes_are_never_a_traceback_nor_taken_for_what_cannot_be() -> None:
    with ExitStack() as running, lakes.scratch() as scratch:
        report = fuzz(targets(running, scratch), seed=3, count=COUNT, seconds=None)
    assert not report.faults, report.faults[:5]
    assert report.grown < MOST
    names = [name for name in report.tried if name.endswith((" klines csv", " price", " ohlcv"))]
    assert names and all(report.taken[name] for name in names), "some are harmless: the parsers are really run"


def test_a_parser_that_lets_a_fault_through_is_seen() -> None:
    from tests.fuzz_targets import Target

    def careless(data: bytes) -> None:
        float(data.split(b",")[1])

    report = fuzz([Target("careless", [b"1,2,3"], careless)], seed=1, count=200, seconds=None)
    assert any("ValueError" in fault for fault in report.faults)
