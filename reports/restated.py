"""What venues restated after the close, what that does to features, and which days were rewritten for it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, timedelta

from lake import advice, asof, log, restatements
from lake.log import ABSENT
from lake.restatements import AGES, Row
from meta.timeframes import day_start
from reports.forms import minute, more, written
from reports.held import Held
from reports.page import Fact, Figure, Section, Table, sentence

SHOWN = 200  # lines of a list; the rest is counted
DRAWN = ("within 1 h", "1 h to 1 d", "1 d to 7 d", "later")  # AGES, as they are named on a page


def section(held: Held) -> Section:
    """What was restated, what does that do to features, and which days were published again?"""
    told = list(rewrites(held))
    columns = [
        ("dataset", "text"),
        ("day", "short"),
        ("rewritten, UTC", "text"),
        ("from part", "code"),
        ("to part", "code"),
    ]
    rows = [[line.dataset, line.day, minute(line.time), line.old[:12], line.new[:12]] for line in told]
    table = Table(
        "rewrites", "Days rewritten", columns, rows[-SHOWN:][::-1], more(rows, SHOWN), "No day was ever rewritten."
    )
    text = (
        "A day is replaced whole or not at all, and the lake's log tells of each time: bars the venue restated,"
        " features and labels made again of other inputs or rules."
    )
    found = restatements.by_column(held.connection, held.tf, held.symbol, held.days[0], held.days[-1])
    drift = restatements.drift(held.root, held.tf, held.symbol, held.days)
    parts = [*_restated(held, found), *([] if asof.is_one(held.root) else [_drift(held, drift)])]
    facts = _facts(found, drift)
    return Section("restatements", "Restatements", text, [*parts, *_rewritten(held, told), table], facts)


MOVED = [
    ("column", "code"), ("values", "count"), ("bars", "count"), *((name, "count") for name in DRAWN),
    ("median move", "ratio"), ("largest move", "ratio"),
]  # fmt: skip
DRIFT = [
    ("feature", "code"), ("rows", "count"), ("rows apart", "ratio"), ("typical, σ", "number"), ("largest, σ", "number"),
]  # fmt: skip


def _restated(held: Held, found: Sequence[Row]) -> Iterator[Figure | Table]:
    """Which columns were restated, and how long after the close?"""
    rows = [list(row.values()) for row in found]
    text = (
        "Values that another took the place of, of live bars and of committed days, by how long after the bar's close"
        " that was. A move is |new - old| / |old|. `bar` counts bars that came late or went."
    )
    title, empty = "Restated values, by column and age", "No value was restated since revisions are kept."
    yield Table("restated", title, MOVED, rows, text, empty, "most" if rows else "full")
    if rows:
        yield _ages(found)


def _ages(found: Sequence[Row]) -> Figure:
    """How old were the bars whose values were restated?"""
    n, counts = _sum(found), [sum(int(row[age] or 0) for row in found) for age in AGES]
    chart = {
        "kind": "bars", "height": 180, "title": "Values", "form": "count",
        "names": ["to 1 h", "to 1 d", "to 7 d", "later"], "across": "after the bar's close",
        "series": [{"name": "values", "tone": "sky", "values": counts}],
    }  # fmt: skip
    shares = (written(count / n, "ratio") for count in (counts[0], counts[-1]))
    summary = sentence(["{} within an hour of the bar's close, {} later than a week".format(*shares)])
    return Figure("restated-ages", "Age of restated values", summary, chart, None, "rest")


def _sum(found: Sequence[Row]) -> int:
    return sum(int(row["values"] or 0) for row in found)


def _drift(held: Held, found: Sequence[Row]) -> Table:
    """What does that do to features?"""
    rows = [list(row.values()) for row in sorted(found, key=lambda row: -float(row["apart"] or 0))]
    text = (
        "Features of the first value ever seen of each bar beside those that stand here, over the rows both have, those"
        " that differ most first; σ is the feature's standard deviation. What a live model saw is nearer to the former."
    )
    how = f"python -m p2_features build --as-of first-seen --symbol {held.symbol} --tf {held.tf}{advice.at(held.root)}"
    none = f"No features of first values are there; `{how}` makes them."
    return Table("first-seen", "First-seen features beside final ones", DRIFT, rows, text, none)


def _facts(found: Sequence[Row], drift: Sequence[Row]) -> list[Fact]:
    facts = [Fact("restated values", _sum(found), "count", f"in {len(found)} columns")]
    if found:
        most = max(found, key=lambda row: float(row["largest_move"] or 0))
        facts.append(Fact("largest move", most["largest_move"], "ratio", f"of what it was, in {most['column']}"))
    if drift:
        apart = [row for row in drift if row["apart"]]
        facts.append(
            Fact("features that differ", f"{len(apart)} of {len(drift)}", "text", "of first values and final ones")
        )
    return facts


def rewrites(held: Held) -> Iterator[log.Line]:
    """Which days of this symbol were published again with other bytes?"""
    for line in log.lines(held.root):
        if (line.tf, line.symbol) == (held.tf.name, held.symbol) and line.old not in (ABSENT, line.new):
            yield line


def _rewritten(held: Held, told: list[log.Line]) -> Iterator[Figure]:
    """How often was each day rewritten?"""
    if not told:
        return
    days = [date.fromisoformat(line.day) for line in told]
    first, n = min(days), (max(days) - min(days)).days + 1
    names = list(dict.fromkeys(line.dataset for line in told))
    values = [[0] * n for _ in names]
    for line, day in zip(told, days, strict=True):
        values[names.index(line.dataset)][(day - first).days] += 1
    most = max(max(row) for row in values)
    chart = {
        "kind": "heat", "height": 22 * len(names), "rows": names, "values": values, "most": most, "form": "count",
        "measure": "times rewritten", "gather": "max", "gathered": "the most of them",
        "x": {"start": day_start(first), "step": 86_400_000, "n": n},
    }  # fmt: skip
    summary = sentence([f"{len(told):,} rewrites of days {first} … {first + timedelta(days=n - 1)}"])
    yield Figure("rewrites-days", "How often each day was rewritten", summary, chart)
