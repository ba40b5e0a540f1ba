"""What did one run do, in a few lines people can act on?"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import date, timedelta

from meta import dropped

MOST = 5  # lines of one sort


@dataclass
class Summary:
    """What one run did for one symbol and timeframe; days by what became of them."""

    symbol: str
    tf: str
    asked: int = 0
    present: int = 0
    committed: list[date] = field(default_factory=list)
    changed: list[date] = field(default_factory=list)
    unchanged: int = 0
    bars: int = 0
    waiting: dict[date, str] = field(default_factory=dict)
    failed: dict[date, str] = field(default_factory=dict)
    not_offered: Counter[str] = field(default_factory=Counter)
    counts: Counter[str] = field(default_factory=Counter)
    notes: Counter[str] = field(default_factory=Counter)

    def lines(self) -> list[str]:
        """How is it told to people?"""
        name = f"{self.symbol} {self.tf}"
        new = len(self.committed) - len(self.changed)
        told = [
            f"{name}: {self.asked} days asked for: {new} new, {len(self.changed)} changed, "
            f"{self.unchanged} unchanged, {self.present} already there, {len(self.waiting)} waiting, "
            f"{len(self.failed)} failed; {self.bars:,} bars read"
        ]
        if self.changed:
            told.append(f"{name}: the venue restated {_spans(self.changed)}")
        told += [f"{name}: {series} is not offered on {n} days (null there)" for series, n in self.not_offered.items()]
        told += [f"{name}: {n:,} x {dropped.told(why)}" for why, n in sorted(self.counts.items())]
        told += [f"{name}: {note}{f' ({n} files)' if n > 1 else ''}" for note, n in self.notes.most_common(MOST)]
        told += [f"{name}: waiting: {_spans(days)}: {why}" for why, days in _by_reason(self.waiting)]
        return told

    def trouble(self) -> list[str]:
        """Why did days fail? One line a cause."""
        return [
            f"{self.symbol} {self.tf}: {_spans(days)} not committed: {why}" for why, days in _by_reason(self.failed)
        ]

    def data(self) -> dict[str, object]:
        """How is it told to machines?"""
        return {
            "symbol": self.symbol,
            "tf": self.tf,
            "asked": self.asked,
            "present": self.present,
            "committed": [str(day) for day in self.committed],
            "changed": [str(day) for day in self.changed],
            "unchanged": self.unchanged,
            "bars": self.bars,
            "waiting": {str(day): why for day, why in self.waiting.items()},
            "failed": {str(day): why for day, why in self.failed.items()},
            "not_offered_days": dict(self.not_offered),
            "counts": dict(self.counts),
            "notes": dict(self.notes),
        }


def _by_reason(days: dict[date, str]) -> list[tuple[str, list[date]]]:
    grouped: dict[str, list[date]] = defaultdict(list)
    for day, why in sorted(days.items()):
        grouped[why].append(day)
    found = list(grouped.items())
    if len(found) > MOST:
        rest = sorted(day for _, days_of in found[MOST:] for day in days_of)
        found = [*found[:MOST], (f"and {len(found) - MOST} more causes; see --json", rest)]
    return found


def _spans(days: list[date]) -> str:
    """Days as spans: 2025-01-01 … 2025-01-05 (5 days), 2025-02-01."""
    spans: list[list[date]] = []
    for day in sorted(days):
        if spans and day - spans[-1][-1] == timedelta(days=1):
            spans[-1].append(day)
        else:
            spans.append([day])
    told = [str(s[0]) if len(s) == 1 else f"{s[0]} … {s[-1]} ({len(s)} days)" for s in spans]
    return ", ".join(told[:MOST]) + (f" and {len(told) - MOST} more spans" if len(told) > MOST else "")
