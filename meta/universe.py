"""What a universe is: which contracts could be traded on which day, and why each of the others could not."""

from __future__ import annotations

from datetime import datetime

import msgspec

VERSION, COMPAT = "2.1", "2.0"

# Why a requested symbol is not among a day's active ones, by evidence of that day; version 2.1.
REASONS = {
    "not_listed_yet": "no kline on this day or before it, some later",
    "delisted": "no kline on this day or later, some before it",
    "between_listings": "no kline on this day, and a week or more without any around it: delisted and listed again, "
    "maybe another coin under the same name",
    "no_kline_on_date": "no kline on this day, some within a week before and after it, or nothing is known of these",
    "partial_day": "klines on this day, but not from midnight on: listed, or resumed, within it",
    "unverified_kline": "the file of this day is not the one its published checksum describes, or cannot be read",
    "unknown_symbol": "no kline on any day: no such contract is known",
    "not_in_top": "could be traded, and is not among the symbols selected for this day",
}

# What version 2.0 calls them. It has no word for a symbol that a selection leaves out.
COMPAT_REASONS = {
    "not_listed_yet": "no_kline_on_date",
    "delisted": "not_in_current_trading_list",
    "between_listings": "no_kline_on_date",
    "no_kline_on_date": "no_kline_on_date",
    "partial_day": "not_full_day_on_date",
    "unverified_kline": "no_kline_on_date",
    "unknown_symbol": "not_in_current_trading_list",
}
MISSING_IN_EXPORT = "missing_in_export"  # an export's own reason: active, and not in what was exported
ALLOWED = {VERSION: {*REASONS}, COMPAT: {*COMPAT_REASONS.values(), MISSING_IN_EXPORT}}

Span = tuple[str, str]


class _Plain(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    pass


class Selection(_Plain, frozen=True):
    """How a day's active symbols were chosen: by what, over which days, all of them before the day.

    values : symbol -> (the window's total, days of it with klines), the highest first; first_out : the best left out.
    """

    by: str
    first_day: str
    last_day: str
    values: dict[str, tuple[float, int]]
    first_out: dict[str, tuple[float, int]] = {}


class Snapshot(_Plain, frozen=True):
    """One day: the symbols that could be traded from its first minute on, and the others with the reason."""

    date: str
    active_symbols: tuple[str, ...]
    missing_symbols: dict[str, str]
    selection: Selection | None = None


class Known(_Plain, frozen=True):
    """What is known of one symbol up to the universe's end.

    klines : the days with klines, as spans; they may begin before the universe does. first_bars : day -> open of the
    first bar, where it is not midnight's. unverified : day -> what is wrong with its file. unlisted : days whose
    klines came though the archive does not list them yet. hinted : days that the venue's list of contracts decided.
    """

    klines: tuple[Span, ...] = ()
    first_bars: dict[str, str] = {}
    unverified: dict[str, str] = {}
    unlisted: tuple[Span, ...] = ()
    hinted: tuple[Span, ...] = ()


class Evidence(_Plain, frozen=True):
    """What the days rest on: klines of this interval, and whether the archive's own listing answered."""

    interval: str
    listing: bool
    symbols: dict[str, Known]


class Universe(_Plain, frozen=True):
    """A universe file, version 2.1; version 2.0 is the same without evidence and selections."""

    schema_version: str
    requested_symbols: tuple[str, ...]
    start_date: str
    end_date: str
    daily_snapshots: tuple[Snapshot, ...]
    created_at: str
    description: str | None = None
    evidence: Evidence | None = None


def fault(universe: Universe, days: list[str]) -> str:
    """What is wrong with this universe, if it should tell of exactly these days? "" where nothing is."""
    if universe.schema_version not in ALLOWED:
        return f"schema_version {universe.schema_version!r} is neither {COMPAT} nor {VERSION}"
    if len(set(universe.requested_symbols)) != len(universe.requested_symbols) or not universe.requested_symbols:
        return "requested_symbols is empty or names a symbol twice"
    told = [snapshot.date for snapshot in universe.daily_snapshots]
    if told != days:
        odd = next((one for one, other in zip(told, days, strict=False) if one != other), "too few")
        return f"daily_snapshots are not the {len(days)} days from start_date to end_date in order: {odd[:40]}"
    if universe.schema_version == COMPAT and (
        universe.evidence is not None or any(snapshot.selection for snapshot in universe.daily_snapshots)
    ):
        return f"version {COMPAT} has neither evidence nor selections"
    if not _is_instant(universe.created_at):
        return (
            f"created_at {universe.created_at[:40]!r} is no instant with an offset, such as 2026-02-21T00:00:00+00:00"
        )
    return next((why for snapshot in universe.daily_snapshots if (why := _fault_of(snapshot, universe))), "")


def _fault_of(snapshot: Snapshot, universe: Universe) -> str:
    active, missing = snapshot.active_symbols, snapshot.missing_symbols
    if len(active) + len(missing) != len(universe.requested_symbols) or {*active, *missing} != {
        *universe.requested_symbols
    }:
        return f"{snapshot.date}: active and missing symbols together are not the requested ones, each once"
    if strange := set(missing.values()) - ALLOWED[universe.schema_version]:
        return f"{snapshot.date}: {min(strange)[:40]!r} is no reason of version {universe.schema_version}"
    return ""


def _is_instant(text: str) -> bool:
    try:
        return datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False


def compatible(universe: Universe) -> Universe:
    """The same universe as version 2.0 tells it; a selection's own reason has no word there (KeyError)."""
    days = tuple(
        Snapshot(day.date, day.active_symbols, {name: COMPAT_REASONS[why] for name, why in day.missing_symbols.items()})
        for day in universe.daily_snapshots
    )
    return msgspec.structs.replace(universe, schema_version=COMPAT, daily_snapshots=days, evidence=None)
