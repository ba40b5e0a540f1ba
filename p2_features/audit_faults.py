"""What an audit found: each feature caught, by which check, through which input and at which bar."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from lake.checks import Check, Report

CHECKS = (
    Check("future", "features that changed when later bars were scaled, emptied, taken away or shuffled", "<= 0"),
    Check("reach", "features that changed when bars before their declared reach were taken away", "<= 0"),
    Check("undeclared", "features that moved with an input they do not declare", "<= 0"),
    Check("live", "features whose live bits are not the batch build's", "<= 0"),
    Check("definition", "features that are not what their definition gives, computed plainly bar by bar", "<= 0"),
    Check("insensitive", "inputs of a feature that can be shifted by a bar without moving it", "", "<= 0"),
    Check("empty", "features without a single value here, of which nothing is proved", "", "<= 0"),
)


@dataclass(frozen=True)
class Fault:
    """One feature caught: by which check, through which input, at which bar (its close), and how."""

    check: str
    feature: str
    input: str
    bar: str
    how: str

    def line(self) -> str:
        """How is it told?"""
        return f"{self.check}: feature {self.feature}, input {self.input}, bar {self.bar}: {self.how}"

    def data(self) -> dict[str, str]:
        """How is it told to machines?"""
        return {"check": self.check, "feature": self.feature, "input": self.input, "bar": self.bar, "how": self.how}


@dataclass
class Audit:
    """What an audit found: its faults, the first of each check and feature; and what it rests on.

    valued: feature -> at how many of the cuts it had a value. moved: feature -> input -> share of its bars that moved
    when the input was shifted by one bar.
    """

    cuts: int
    faults: list[Fault] = field(default_factory=list)
    valued: dict[str, int] = field(default_factory=dict)
    moved: dict[str, dict[str, float]] = field(default_factory=dict)

    def add(self, found: Iterable[Fault]) -> None:
        """Keep the first fault of each check, feature, and input of a shift."""
        seen = {(f.check, f.feature, f.input if f.check in ("undeclared", "insensitive") else "") for f in self.faults}
        for fault in found:
            key = (fault.check, fault.feature, fault.input if fault.check in ("undeclared", "insensitive") else "")
            if key not in seen:
                seen.add(key)
                self.faults.append(fault)

    def report(self, symbol: str, title: str, facts: Mapping[str, object]) -> Report:
        """How is it told as checks?"""
        told = {"cuts": self.cuts, **facts, "features": self.valued, "moved": self.moved}
        told["faults"] = [fault.data() for fault in self.faults]
        report = Report(symbol, title, told)
        for check in CHECKS:
            mine = [fault for fault in self.faults if fault.check == check.name]
            note = f"{mine[0].feature}, input {mine[0].input}, bar {mine[0].bar}: {mine[0].how}" if mine else ""
            report.findings.append(check.found(len(mine), note, [fault.data() for fault in mine]))
        return report
