"""The report of an export accounts for every symbol-day: exported, missing in the universe, or missing here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from meta.universe import MISSING_IN_EXPORT, Snapshot, Universe
from reports.universe.features import Choice
from reports.universe.reliability import Judged

MUCH = 0.05  # of a day's bars without a metric: worth a line


@dataclass
class Report:
    """What becomes of each day, in the order of the days."""

    universe: Universe
    days: Sequence[Snapshot]
    bounds: tuple[date | None, date | None]  # as given, None where the universe's own is meant
    choice: Choice
    exported: list[dict[str, Any]] = field(default_factory=list)
    skipped: list[dict[str, Any]] = field(default_factory=list)
    errors: list[dict[str, str]] = field(default_factory=list)
    missing: dict[str, list[str]] = field(default_factory=dict)
    coverage: dict[str, dict[str, Any]] = field(default_factory=dict)
    exclusions: dict[str, dict[str, Any]] = field(default_factory=dict)

    def take(self, snapshot: Snapshot, judged: Judged, damaged: Mapping[str, str]) -> None:
        """Note a day whose bars were looked for. damaged : symbol -> what is wrong with its part."""
        index, day = len(self.exported) + len(self.skipped), snapshot.date
        lost = [name for name in snapshot.active_symbols if name not in judged.kept]
        if lost:
            self.missing[day] = lost
        if judged.coverage:
            self.coverage[day] = judged.coverage
        if judged.exclusions:
            self.exclusions[day] = judged.exclusions
        self.errors += [{"index": str(index), "date": day, "error": why} for why in damaged.values()]
        if judged.kept:
            self.exported.append({"index": index, "date": day, "symbols": list(judged.kept), MISSING_IN_EXPORT: lost})
        else:
            why = judged.exclusions.get("skip_reason") or (
                "no_data" if snapshot.active_symbols else "no_active_symbols"
            )
            self.skipped.append({"index": index, "date": day, "reason": why})

    def data(self, generated_at: str, made_of: Mapping[str, str]) -> dict[str, Any]:
        """The whole report, as report.json has it."""
        defined = {day.date: dict(day.missing_symbols) for day in self.days if day.missing_symbols}
        merged = {day.date: self._merged(day) for day in self.days}
        merged = {day: why for day, why in merged.items() if why}
        return {
            "generated_at": generated_at,
            "requested_symbols": list(self.universe.requested_symbols),
            "total_days": len(self.days),
            "date_range": {"start_date": self.days[0].date, "end_date": self.days[-1].date, **self._bounds()},
            "exported_days": self.exported,
            "skipped_days": self.skipped,
            "errors": self.errors,
            "define_missing": defined,
            "export_missing": self.missing,
            "merged_missing": merged,
            "metrics_missing_coverage": self.coverage,
            "metrics_strict_exclusions": self.exclusions,
            "stats": self._stats(defined, merged),
            "export_context": self._context(),
            "made_of": dict(made_of),
        }

    def _merged(self, day: Snapshot) -> dict[str, str]:
        why = dict.fromkeys(self.missing.get(day.date, ()), MISSING_IN_EXPORT) | dict(day.missing_symbols)
        return {name: why[name] for name in self.universe.requested_symbols if name in why}

    def _bounds(self) -> dict[str, str]:
        return {
            "requested_start_date": self.universe.start_date,
            "requested_end_date": self.universe.end_date,
            "effective_start_date": self.days[0].date,
            "effective_end_date": self.days[-1].date,
        }

    def _stats(self, defined: Mapping[str, Any], merged: Mapping[str, Any]) -> dict[str, int]:
        dropped = [one["dropped_symbol_days"] for one in self.exclusions.values()]
        return {
            "exported_day_count": len(self.exported),
            "skipped_day_count": len(self.skipped),
            "error_count": len(self.errors),
            "define_missing_date_count": len(defined),
            "export_missing_date_count": len(self.missing),
            "merged_missing_date_count": len(merged),
            "metrics_missing_coverage_date_count": len(self.coverage),
            "metrics_strict_exclusion_date_count": len(self.exclusions),
            "metrics_strict_dropped_symbol_day_count": sum(map(len, dropped)),
            "metrics_strict_skipped_day_count": sum(one["skipped"] for one in self.exclusions.values()),
        }

    def _context(self) -> dict[str, Any]:
        start, end = (str(day) if day else None for day in self.bounds)
        return {
            **self._bounds(),
            "override_applied": start is not None or end is not None,
            "override_start_date": start,
            "override_end_date": end,
            "source_freq": self.choice.source.name,
            "export_freq": self.choice.export.name,
            "include_klines": self.choice.klines,
            "include_metrics": self.choice.metrics,
            "metrics_reliability": self.choice.reliability,
        }


def lines(told: Mapping[str, Any]) -> list[str]:
    """How is a report told to people?"""
    stats, pairs = told["stats"], len(told["requested_symbols"]) * told["total_days"]
    exported = sum(len(day["symbols"]) for day in told["exported_days"])
    defined, lost = (sum(map(len, told[name].values())) for name in ("define_missing", "export_missing"))
    found = [
        f"{pairs:,} symbol-days: {exported:,} exported on {stats['exported_day_count']} days, {defined:,} missing in "
        f"the universe, {lost:,} active and missing in the export; {stats['skipped_day_count']} days skipped"
    ]
    if n := stats["metrics_strict_dropped_symbol_day_count"]:
        found.append(
            f"{n:,} symbol-days are left out, as a metric is missing at a bar; "
            "--metrics-reliability legacy_warn keeps them"
        )
    thin = [day for day, columns in told["metrics_missing_coverage"].items() if _worst(columns) > MUCH]
    if thin:
        found.append(f"on {len(thin)} days a metric is missing at more than {MUCH:.0%} of the bars ({thin[0]} …)")
    return found


def _worst(columns: Mapping[str, Any]) -> float:
    return max(column["missing_ratio"] for column in columns.values())
