"""The data dictionary: every column, file and check of the lake, read off the code that writes them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from itertools import starmap
from pathlib import Path

import msgspec

from lake import checks, log, manifest, offenders
from lake.settings import Conf
from meta.columns import BARS, FOLD_INPUTS, FOLD_ROLES, FOLD_ROWS, LABELS, REVISIONS, WEIGHTS, Column
from meta.datasets import DATASETS
from meta.timeframes import TIMEFRAMES
from p2_features import bench, catalogue
from p2_features.feature import Feature
from p3_labels.rules import RET_NET, SIDE, FoldsConf, LabelsConf
from scripts import source_text, universe_pages
from scripts.markdown import cell, code, codes, joined, table

PROJECT = Path(__file__).resolve().parent.parent
TF = TIMEFRAMES["5m"]

HEAD = """# Data dictionary

Written by `make docs` from `meta/`, `conf/features.yaml` and the code; the suite fails where it is out of date.

`ts` is the close of a bar, UTC, milliseconds: the bar covers (ts - tf, ts], and all of its row was knowable at ts, up
to what the venue restates later (see Revisions). A day is the UTC date of the bar's open, so a 5m day holds 288 bars,
from 00:05 to 24:00. What a source does not say is null; nothing is filled and no zero is written for it. Logs are
natural."""

MANIFEST = {
    "file": "name of the part, part-YYYYMMDD.parquet",
    "sha256": "of the part's bytes",
    "bytes": "size of the part",
    "rows": "rows of the part; 0 is a day without bars, said by the venue",
    "min_ts": "first ts, ISO 8601 with milliseconds; empty without rows",
    "max_ts": "last ts; empty without rows",
    "schema": "sha256 over the columns' names and types",
    "keys": "sha256 over the ts column, little-endian int64 ms",
    "source": "where it comes from: source and series (P1), phase (P2), the P1 days that were walked (P3)",
    "inputs": "sha256 over everything read: the sha256 of each input day, or `absent`; P1 reads no day",
    "code": "sha256 over the rules: the dataset's VERSION, its schema, the settings that reach values",
}
LOG = {
    "time": "when the day was published, UTC",
    "dataset": "bars, features, labels or weights",
    "tf": "timeframe",
    "symbol": "symbol",
    "day": "UTC date of the bars' open",
    "old": "sha256 of the part before, or `absent`",
    "new": "sha256 of the part after",
}
OFFERED = {
    "source": "which source the days come from",
    "columns": "bar column -> true, or why the source does not offer it for this symbol",
}
FEATURES = {
    "set": "feature set of conf/features.yaml",
    "settings": "the statistics' settings, as conf and the command line gave them",
    "warmup": "bars of history a row needs",
    "window": "W, bars of the past window",
    "reach": "bars before t that can change the row at t",
    "unnormalised_reach": "the same without statistics over the past: how long a fold's embargo lasts at least",
    "code": "digest of the rules, the same as in the manifests",
    "columns": "the features, in column order",
    "features": "feature -> digest of its rule, formula, reach",
    "left_out": "feature -> why the symbol does not have it",
    "coverage": "by `--reselect --coverage`: the share of bars inputs had to have (least), over which committed days",
}
NOTED = {
    "version": "the dataset's version when the last run began; `lake status --stale` compares it with today's",
    "columns": "the columns it had then; empty where FEATURES.json says which",
    "codes": "digests of the rules of that run, as in the manifests; a day of another one is stale",
}
RULES = {
    "k": "both barriers, in multiples of the unit",
    "k_up": "the upper barrier alone, where it differs",
    "k_down": "the lower barrier alone",
    "H": "horizon, bars",
    "atr_window": "bars the unit is taken over",
    "tie": "both barriers inside one bar: wait (label 0, exit its close), stop (-1, the lower), nearest (the one nearer"
    " to its open), or resolve (by 1m bars; what these leave open as wait). Outcome is tie unless 1m bars decide",
    "min_barrier_bp": "barriers nearer than this, in basis points, give no label",
    "cost_bp": "cost of a round trip in basis points",
    "atr": "wilder (the mean of the first true ranges, then (ATR (n - 1) + TR) / n), or sma (the mean of the last n)",
    "unit": "atr, or realised: the root mean square of the last n log returns, times close",
    "events": "every bar with features; cusum[:threshold]: those where log returns cumulated up or down since the last"
    " such bar pass the threshold (0.01), each day's filter starting 3 days before; or a file of ts, and symbol, side",
}
FOLDS = {
    "name": "what the snapshot is called; the training tables join this one",
    "kind": "kfold: each block tests once; cpcv: every choice of test_blocks blocks; walk-forward: trains before only",
    "k": "blocks of time, of equally many distinct ts over all symbols",
    "test_blocks": "cpcv: how many blocks each split tests",
    "train_blocks": "walk-forward: how many blocks train, the latest ones; None takes all before",
    "embargo": "30m, 4h, 60d …; None: the longest of H, the features' un-normalised reach, and 4h",
    "cut": "t1: purged by the labels' own ends; horizon: also all that begins within H before a test",
    "weight": "what a row weighs: return (w_return), uniqueness or equal",
    "decay": "weight of the very oldest label beside the newest, linear in the uniqueness gathered since",
    "balance": "every class weighs the same in all",
}
SPLIT = {
    "split": "its number, from 0",
    "test_blocks": "the blocks of time it tests",
    "test_spans": "first ts and last t1 of each run of adjacent test blocks",
    "train_span": "first ts and last t1 of its training rows",
    "roles": "how many rows have each role",
    "left_out": "rows without a role: after the test, or too far before it, in walk-forward",
    "effective_size": "how many equal weights its training rows' weights count for (Kish)",
    "scale": "what its training rows' weights are multiplied by for a mean of 1",
}
REPORT = {
    "verdict": "ok, warn or fail: the worst of the checks",
    "checks": "check -> what it found",
}
FINDING = {
    "value": "what was measured; null where it could not be",
    "verdict": "ok, info, skipped, warn or fail",
    "must": "bound of a failure, or null",
    "should": "bound of a warning, or null",
    "meaning": "what is measured",
    "note": "where, and what to do",
    "offenders": "the first rows that break it, where there are any",
}
TIMING = {
    "symbol": "symbol",
    "tf": "timeframe",
    "features": "how many features",
    "bars": "how many bars the batch computed",
    "method": "what was timed, in words",
    "ns_per_bar": "batch: nanoseconds per bar",
    "p50_us": "one live bar, microseconds: median",
    "p99_us": "one live bar: 99 of 100 take less",
    "max_us": "one live bar: the slowest",
    "ms_per_bar": "the slower of batch and p99, milliseconds",
    "limit_ms": "what it may be",
    "passed": "whether it is",
}


def page() -> str:
    """The whole dictionary."""
    return joined(
        HEAD,
        _datasets(),
        _bars(),
        _features(),
        _labels(),
        _training(),
        _revisions(),
        _views(),
        _files(),
        universe_pages.page(),
        _reports(),
        _checks(),
    )


def told(named: Iterable[str], meanings: Mapping[str, str]) -> str:
    """A table of names and what they mean. Raises ValueError where the code has a name that is not explained here."""
    names = list(named)
    if set(names) != set(meanings):
        raise ValueError(f"scripts/dictionary.py explains {sorted(set(names) ^ set(meanings))} wrongly or not at all")
    return table(("name", "meaning"), ((code(name), meanings[name]) for name in names))


def _columns(columns: Sequence[Column]) -> str:
    rows = [(code(one.name), one.type, one.unit, one.meaning) for one in columns]
    return table(("column", "type", "unit", "meaning"), rows)


def _datasets() -> str:
    rows = [
        (d.phase, d.name, f"`{d.folder}/{{tf}}/{{SYMBOL}}/y=YYYY/m=MM/d=DD/`", f"`{d.view}_{{tf}}`", str(d.version))
        for d in DATASETS.values()
    ]
    return joined("## Datasets", table(("phase", "dataset", "folder under the root", "view", "VERSION"), rows))


def _bars() -> str:
    kinds = """The last column says how bars combine into longer ones: `flow` sums, `last` takes the last bar's value,
`first`, `max` and `min` say so. The limit is the share of missing values that `p1_ingest qa` lets pass where the source
offers the column. What breaks a column's rule is not believed, and is counted with its reason: of a price or a flow of
the perpetual the whole bar is kept out, of any other column its value is null, and a stamp goes with the values it is
of. Open interest of 0 is a venue's way of having none to tell. A bar is also kept out where high, low, open and close
contradict each other, or where takers traded more than everyone did (by more than 0.5 %)."""
    rows = [(code(c.name), c.type, c.unit, c.meaning, c.kind, f"{100 * c.limit:g} %", c.must) for c in BARS]
    head = ("column", "type", "unit", "meaning", "combines", "limit", "must be")
    return joined("## P1: bars", kinds, table(head, rows))


def _features() -> str:
    found = catalogue.load()
    said = found.settings
    text = f"""No value is null or NaN: a row is written only where every feature of the symbol is known. The past of
a z-score or percentile is the window of {said.window_days} days ({said.window(TF):,} bars at {TF}) before the bar; the
bar is never in it. A z-score is taken of values bounded by quantiles of their own past ({said.winsor_low:g} and
{said.winsor_high:g}). Reach: how many bars before t can change the feature at t. A symbol has the features whose inputs
its source offers; FEATURES.json says which, and why not the others. At other timeframes wall-clock lengths stay, and
`{TF}` in a name is the timeframe."""
    blocks = []
    for set_name, recipes in found.sets.items():
        here = [feature for recipe in recipes if (feature := recipe.at(TF, found.settings))]
        blocks += [f"### Set {set_name}", *_feature_tables(here)]
    return joined("## P2: features", text, *blocks)


def _feature_tables(features: Sequence[Feature]) -> tuple[str, str]:
    what = [(code(f.name), f.type, f.unit, f.meaning) for f in features]
    how = [(code(f.name), code(cell(f.formula)), codes(f.inputs), f"{f.reach:,}", f.source) for f in features]
    return table(("feature", "type", "unit", "meaning"), what), table(
        ("feature", "formula", "inputs", "reach, bars", "source"), how
    )


def _labels() -> str:
    also = [(code(one.name), one.type, one.unit, one.meaning) for one in (RET_NET, SIDE)]
    more = "Of some labels only: `ret_net` where `--cost-bp` is above 0, `side` where `--events FILE` has one."
    rules = [(code(name), code(str(value)), RULES[name]) for name, value in _defaults(LabelsConf(), "folds")]
    return joined(
        "## P3: labels",
        _columns(LABELS),
        more,
        table(("column", "type", "unit", "meaning"), also),
        "### Defaults, in conf/labels.yaml",
        table(("setting", "default", "meaning"), rules),
    )


def _defaults(said: Conf, *but: str) -> list[tuple[str, object]]:
    return [(name, value) for name, value in msgspec.structs.asdict(said).items() if name not in but]


def _training() -> str:
    text = """Weights are days like the others: the day is there once the label days are that its spans can meet.
Folds are no days but a named snapshot, `folds/{tf}/NAME/`, of all symbols together: four files, replaced whole.
`folds.parquet` says who trains and who tests, split by split; `rows.parquet` what each row weighs; `inputs.parquet`
which parts all of it was made of: the training tables refuse folds of other parts than those that stand there.
A row is purged if its [ts, t1] meets the span of a run of test blocks, embargoed if it begins within the embargo after
one. The statistics of 30 days that features are normalised by are not purged: `--embargo 60d`, or walk-forward, is for
the strict reader. Balance and decay are taken over all rows of the snapshot."""
    rules = [(code(name), code(str(value)), FOLDS[name]) for name, value in _defaults(FoldsConf())]
    return joined(
        "## P3: weights and folds",
        text,
        "### weights",
        _columns(WEIGHTS),
        "### folds.parquet, `folds_5m` in SQL",
        _columns(FOLD_ROLES),
        "### rows.parquet",
        _columns(FOLD_ROWS),
        "### inputs.parquet",
        _columns(FOLD_INPUTS),
        "### meta.json, of each split",
        told(source_text.keys("p3_labels/folds.py", "_split"), SPLIT),
        "### Defaults, in conf/labels.yaml under `folds`",
        table(("setting", "default", "meaning"), rules),
    )


def _revisions() -> str:
    text = """What bars said before is kept whenever a day is rewritten, and whenever a bar changes before its day is
committed: `revisions/{tf}/{SYMBOL}/`, a file a rewritten day. The view `revisions` has a row for each value that
another took the place of: the old one stood from `first_seen` to `last_seen`. In SQL the name `"column"` is quoted. Of
a bar that came later than its day only that it came is told (`bar`), of one that went its values too. P2's and P3's
days are not kept: they are made again of the bars."""
    return joined("## Revisions", text, _columns(REVISIONS))


def _views() -> str:
    text = """DuckDB views, one per dataset and timeframe over all symbols. Every view of days has
two columns more: `bar_open` (ts - tf) and `day` (DATE, of the bar's open). A day's last bar has ts at 24:00, the next
date: filter by `day`, never by `ts::date`."""
    rows = [
        ("`bars_5m`, `feat_5m`, `labels_5m`, `weights_5m`", _said("bars")),
        ("`folds_5m`", "The roles of the snapshot of folds that conf names: split, symbol, ts, role."),
        ("`train_5m`", _said("train")),
        ("`days`", _said("days")),
        ("`revisions`", _said("revisions")),
    ]
    return joined("## Views", text, table(("view", "what it is"), rows))


def _said(view: str) -> str:
    return (PROJECT / "meta" / "views" / f"{view}.sql").read_text().splitlines()[0].removeprefix("--").strip()


def _files() -> str:
    return joined(
        "## Files beside the parts",
        "### MANIFEST.tsv, in every day",
        "A header, one row (two while a swap is under way), and a line with the sha256 of all bytes above. `_SUCCESS`"
        " beside it is empty and means: this manifest describes this folder.",
        told(manifest.Entry._fields, MANIFEST),
        "### .lake/log.tsv, one line a publish",
        told(log.Line._fields, LOG),
        "### OFFERED.json, beside a symbol's bars",
        told(source_text.keys("p1_ingest/served.py", "offered"), OFFERED),
        "### FEATURES.json, beside a symbol's features",
        told(source_text.keys("p2_features/choice.py", "note"), FEATURES),
        "### RULES.json, beside a symbol's days of any dataset",
        told(source_text.keys("lake/notes.py", "rules"), NOTED),
    )


def _reports() -> str:
    rows = [
        ("`p1_qa_core_{tf}_{days}d.json`, `p1_qa_core.json` at 15m", "`python -m p1_ingest qa`"),
        ("`p1_reconcile_{tf}.json`", "`python -m p1_ingest reconcile`"),
        ("`p2_qa_{tf}_{days}d.json`", "`python -m p2_features validate`"),
        ("`p2_feature_schema.json`: what each feature of each symbol is", "`python -m p2_features validate`"),
        ("`p2_bench_{tf}_{days}d.csv`", "`python -m p2_features bench`"),
        ("`p3_qa_{tf}_{days}d.json`", "`python -m p3_labels validate`"),
    ]
    facts = [(code(path), codes(dict.fromkeys(source_text.facts(path)))) for path in JUDGES]
    one = checks.Check("", "").found(0, offenders=[{}])
    return joined(
        "## Reports",
        "They land in `reports/`, or in that of a lake elsewhere; one file for all symbols of a run. A JSON report is"
        " keyed by symbol, and has a page (.html) beside it.",
        table(("file", "written by"), rows),
        "### What a JSON report says of a symbol",
        told(checks.Report("", "", {}).data(), REPORT),
        "Beside these stand facts about what was judged:",
        table(("judged by", "facts"), facts),
        "### What it says of a check",
        told(one.data(), FINDING),
        "### Columns of the bench's CSV",
        told((field.name for field in fields(bench.Timing)), TIMING),
    )


JUDGES = ("p1_ingest/qa.py", "p1_ingest/reconcile.py", "p2_features/validate.py", "p3_labels/validate.py")


def _checks() -> str:
    blocks = []
    for path in ("lake/judge.py", "lake/given.py", *JUDGES, "p2_features/bench.py"):
        blocks += [f"### {path}", table(CHECK_HEAD, starmap(_bounds, source_text.checks(path)))]
    for dataset in offenders.DATASETS:
        rows = [(*_bounds(*_said_of(q.check)), codes(_needed(q)), _numbers(q)) for q in offenders.queries(dataset)]
        blocks += [f"### meta/checks/{dataset}_*.sql", table((*CHECK_HEAD, "needs", "numbers"), rows)]
    return joined(
        "## Checks",
        "Outside `must` a check fails and the command ends with 3; outside `should` it warns. A check whose columns"
        " hold no value is skipped and says so; it is never green. Bounds and numbers of those in meta/checks can be"
        " changed in conf/checks.yaml. Which faults each is known to catch: [docs/checks.md](../docs/checks.md).",
        *blocks,
    )


CHECK_HEAD = ("check", "what is measured", "must", "should")


def _said_of(check: checks.Check) -> tuple[str, str, str, str]:
    return check.name, check.meaning, check.must, check.should


def _needed(query: offenders.Query) -> list[str]:
    """The columns it cannot do without; of those of which one is enough, how many there are."""
    if not query.any:
        return list(query.needs)
    return [*query.needs, " or ".join(query.any) if len(query.any) <= 3 else f"one of {len(query.any)}"]


def _numbers(query: offenders.Query) -> str:
    return codes(f"{name} = {value:g}" for name, value in query.numbers.items())


def _bounds(name: str, meaning: str, must: str, should: str) -> tuple[str, str, str, str]:
    return code(name), meaning, code(must), code(should)
