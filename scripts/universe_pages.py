"""What the dictionary says of universe files and their exports, read off the code that writes them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from meta.universe import COMPAT_REASONS, REASONS, Evidence, Known, Selection, Snapshot, Universe
from reports.universe.features import FAMILIES, KINDS, KLINES
from scripts import source_text
from scripts.markdown import code, joined, table

UNIVERSE = {
    "schema_version": "2.1, or 2.0: without evidence and selections, and with that version's reasons",
    "requested_symbols": "the symbols asked for, each once, in their order; unknown ones stay",
    "start_date": "first UTC day",
    "end_date": "last UTC day, inclusive",
    "daily_snapshots": "one for each day, in order; a day without active symbols too",
    "created_at": "when it was written, or SOURCE_DATE_EPOCH",
    "description": "a line for people, where one was given",
    "evidence": "what the days rest on",
}
SNAPSHOT = {
    "date": "UTC day",
    "active_symbols": "the symbols that traded from the day's first bar on, in the requested order",
    "missing_symbols": "each of the others -> reason",
    "selection": "with --top: how the active ones were chosen",
}
SELECTION = {
    "by": "turnover (quote currency) or trades",
    "first_day": "first day that counts",
    "last_day": "last day that counts: the day before",
    "values": "symbol -> [its total, days of the window with klines], the largest first",
    "first_out": "the same of the largest that was left out",
}
EVIDENCE = {
    "interval": "of which klines it is",
    "listing": "whether the archive's own listing answered",
    "symbols": "symbol -> what is known of it",
}
KNOWN = {
    "klines": "days with klines, as spans [first, last], up to the universe's end",
    "first_bars": "day -> open of its first bar, where that is not midnight's",
    "unverified": "day -> what is wrong with its file",
    "unlisted": "spans of days whose klines came though the archive does not list them yet",
    "hinted": "spans of days that the venue's list of contracts decided, as no kline could",
}
REPORT = {
    "generated_at": "when it was written, or SOURCE_DATE_EPOCH",
    "requested_symbols": "as in the universe",
    "total_days": "days from start to end",
    "date_range": "start_date, end_date: what was exported, as effective_… too; requested_…: the universe's own",
    "exported_days": "of each: index, date, symbols (in the rows' order), missing_in_export (active ones not there)",
    "skipped_days": "of each: index, date, reason (no_active_symbols, no_data, strict_metrics_empty_day)",
    "errors": "damaged days of the lake: index, date, error",
    "define_missing": "date -> symbol -> the universe's reason",
    "export_missing": "date -> active symbols that were not exported",
    "merged_missing": "date -> symbol -> the universe's reason, or missing_in_export",
    "metrics_missing_coverage": "date -> metric -> at how many of the bars it is missing, before anything is dropped",
    "metrics_strict_exclusions": "date -> the symbol-days that strict_100 dropped, and which columns they lack",
    "stats": "how many of all these",
    "export_context": "the range and the options as they were meant",
    "made_of": "sha256 of the universe file, and one digest over every part that was read",
}


def page() -> str:
    """Universe files, and what an export of one holds."""
    return joined(_file(), _export())


def _file() -> str:
    text = """JSON, written by `python -m p1_ingest universe define` and never changed. Active and missing symbols of a
day are together the requested ones, each once; a file that does not add up is refused."""
    reasons = [(code(name), meaning, code(COMPAT_REASONS.get(name, ""))) for name, meaning in REASONS.items()]
    return joined(
        "## Universe files",
        text,
        _told(Universe, UNIVERSE),
        "### A day",
        _told(Snapshot, SNAPSHOT),
        "### Reasons",
        table(
            ("reason", "meaning", "in version 2.0"),
            [(one, why, old if old != "``" else "") for one, why, old in reasons],
        ),
        "### A selection",
        _told(Selection, SELECTION),
        "### Evidence",
        _told(Evidence, EVIDENCE),
        "### Evidence of a symbol",
        _told(Known, KNOWN),
    )


def _told(kind: type[msgspec.Struct], meanings: Mapping[str, str]) -> str:
    return _table((field.name for field in msgspec.structs.fields(kind)), meanings)


def _table(named: Iterable[str], meanings: Mapping[str, str]) -> str:
    names = list(named)
    if set(names) != set(meanings):
        raise ValueError(
            f"scripts/universe_pages.py explains {sorted(set(names) ^ set(meanings))} wrongly or not at all"
        )
    return table(("name", "meaning"), ((code(name), meanings[name]) for name in names))


def _export() -> str:
    text = f"""Written by `python -m reports universe-export` into `BASE/M5B/univ_START_END_N/` (D1B, H1B, M1B; else
15MB and so on). `FEATURE/YYYYMMDD.npy` is float64, symbols by bars of the whole day, NaN where there is nothing; the
symbols of its rows stand in `univ_dct2.json` under that day. `timestamp/YYYYMMDD.npy` is int64, planes by symbols by
bars, UTC ms, 0 where there is no source row: {", ".join(map(code, KINDS))} (a bar's close is its last millisecond
there), the last three only with metrics. `parquet/YYYYMMDD.parquet` has a row for each bar there is, with `ts` and
`bar_open`."""
    klines = [
        (code(name), code(column) if column else "`volume` - `perp_taker_buy_base`") for name, column in KLINES.items()
    ]
    metrics = [
        (code(name), code(column), family.name, f"{family.lookback_days} d", f"{family.tolerance_ms // 3_600_000} h")
        for family in FAMILIES
        for name, column in family.columns.items()
    ]
    return joined(
        "## Universe exports",
        text,
        table(("feature", "bar column"), klines),
        "A metric is the newest known at the bar's close, looked for so far back before the day and never older than:",
        table(("feature", "bar column", "family", "looked back", "oldest"), metrics),
        "### report.json",
        _table(source_text.keys("reports/universe/report.py", "data"), REPORT),
    )
