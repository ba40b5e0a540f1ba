"""Are a symbol-day's metrics all there? Strictly: at every bar of it, or the symbol-day is not exported at all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from reports.universe.bars import Bars
from reports.universe.features import IN_REPORT, METRICS, STRICT, Choice

NO_COLUMN = "missing_required_columns"  # not a single value of it on the whole symbol-day
NOT_WHOLE = "missing_required_metrics_after_asof"
EMPTY = "strict_metrics_empty_day"


@dataclass(frozen=True)
class Judged:
    """A day's symbols after judgement: those kept, and for the report what was missing and what was dropped."""

    kept: dict[str, Bars]
    coverage: dict[str, dict[str, Any]]
    exclusions: dict[str, Any]


def judged(day: str, found: Mapping[str, Bars], choice: Choice) -> Judged:
    """Which symbols of this day stay? Under legacy_warn all do, as they are: what is missing is told, never filled."""
    lacking = {name: _lacking(bars, choice) for name, bars in found.items()}
    dropped = {name: columns for name, columns in lacking.items() if columns and choice.reliability == STRICT}
    kept = {name: bars for name, bars in found.items() if name not in dropped}
    return Judged(kept, _coverage(found, choice), _exclusions(day, found, kept, dropped, choice) if dropped else {})


def missing(bars: Bars, feature: str) -> int:
    """At how many of its bars is this metric missing?"""
    return int((bars.present & ~np.isfinite(bars.values[feature])).sum())


def _lacking(bars: Bars, choice: Choice) -> dict[str, int]:
    counts = {feature: missing(bars, feature) for feature in choice.required}
    return {feature: n for feature, n in counts.items() if n}


def _coverage(found: Mapping[str, Bars], choice: Choice) -> dict[str, dict[str, Any]]:
    """Of each metric that is missing somewhere: at how many of the day's bars, before anything is dropped?"""
    total = sum(int(bars.present.sum()) for bars in found.values())
    told = {}
    for feature in choice.required:
        family, lost = METRICS[feature], sum(missing(bars, feature) for bars in found.values())
        if lost:
            told[IN_REPORT.get(feature, feature)] = {
                "metric_family": family.name,
                "missing_count": lost,
                "total_count": total,
                "missing_ratio": lost / total,
                "lookback_days": family.lookback_days,
                "tolerance_ms": family.tolerance_ms,
            }
    return told


def _exclusions(
    day: str, found: Mapping[str, Bars], kept: Mapping[str, Bars], dropped: Mapping[str, dict[str, int]], choice: Choice
) -> dict[str, Any]:
    reasons = {
        name: NO_COLUMN if any(n == found[name].present.sum() for n in columns.values()) else NOT_WHOLE
        for name, columns in dropped.items()
    }
    return {
        "mode": choice.reliability,
        "coverage_scope": "all_enabled",
        "drop_unit": "symbol_day",
        "empty_day_behavior": "skip",
        "required_columns": [IN_REPORT.get(feature, feature) for feature in choice.required],
        "kept_symbol_days": len(kept),
        "dropped_symbol_days": [
            {
                "symbol": name,
                "date": day,
                "reason": reasons[name],
                "missing_columns": [IN_REPORT.get(feature, feature) for feature in columns],
            }
            for name, columns in dropped.items()
        ],
        "drop_reason_counts": dict(sorted(Counter(reasons.values()).items())),
        "skipped": not kept,
        "skip_reason": None if kept else EMPTY,
    }
