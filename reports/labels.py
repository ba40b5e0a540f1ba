"""What happened next: how labels balance, how long their paths take, what they weigh, and some to look at."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from lake import days
from meta.timeframes import DAY, day_start, days_between
from reports.forms import brief, instant, written
from reports.held import Held
from reports.market import candles, stepped
from reports.page import Fact, Figure, Section, Table, sentence

OUTCOMES = {"up": "blue", "timeout": "grey", "tie": "gold", "down": "red"}
RARE = ["tie", "timeout"]
MONTH, HOUR = "strftime(day, '%Y-%m')", "lpad(((open_ms // 3600000) % 24)::VARCHAR, 2, '0')"
EACH = 2  # examples of an outcome
AROUND = 8  # bars shown before an example's bar, and after its path
LONGEST = 60  # bars held shown one by one; longer ones together


def section(held: Held) -> Section:
    """The labels of the symbol, their weights, and examples."""
    text = (
        "Which barrier was touched first, by open, high and low, on the bars after each one. A label is written once"
        " its path is over, and never changes as later bars arrive."
    )
    rows = held.count("labels")
    if not rows:
        return Section("labels", "Labels", f"No label here; `{days.command(held.shelf('labels'))}` makes them.")
    parts = [*_by(held, "month", MONTH), *_by(held, "hour", HOUR), _held_bars(held), _widths(held)]
    parts += [*_weights(held), *_examples(held)]
    return Section("labels", "Labels", text, parts, _facts(held, rows))


def _facts(held: Held, rows: int) -> list[Fact]:
    shares = dict(held.ask("SELECT outcome, count(*) FROM labels GROUP BY outcome"))
    facts = [Fact("labels", rows, "count")]
    facts += [Fact(name, shares.get(name, 0) / rows, "ratio", f"{shares.get(name, 0):,} labels") for name in OUTCOMES]
    width, held_bars, gaps = held.row(
        "SELECT median(least(upper - entry, entry - lower) / entry), median(bars_held), avg(path_gap::INT) FROM labels"
    )
    facts.append(Fact("bars held, median", held_bars, "number"))
    facts.append(Fact("nearer barrier, median", width, "rate", "of the entry price"))
    facts.append(Fact("paths over a gap", gaps, "ratio", "up to 3 missing bars bridged"))
    return facts


def _by(held: Held, what: str, key: str) -> Iterator[Figure]:
    """Balance of outcomes by month or hour, and the rare ones on a scale of their own."""
    counts = ", ".join(f"count(*) FILTER (outcome = '{name}')" for name in OUTCOMES)
    found = held.ask(f"SELECT {key} AS k, count(*), {counts} FROM labels GROUP BY k ORDER BY k")
    names = [str(k) for k, *_ in found]
    shares = {name: [brief(row[i] / total) for _, total, *row in found] for i, name in enumerate(OUTCOMES)}
    columns = [(what, "text"), ("labels", "count")]
    columns += [(name, "count") for name in OUTCOMES] + [(f"{name}, share", "ratio") for name in OUTCOMES]
    rows = [[str(k), total, *row, *(shares[name][i] for name in OUTCOMES)] for i, (k, total, *row) in enumerate(found)]
    table = Table(f"balance-{what}-table", f"Outcomes by {what}", columns, rows)
    when = f"by {what}{' of the bar, UTC' if what == 'hour' else ''}"
    balance = _shares(names, shares, list(OUTCOMES)) | {"stacked": True, "share": True}
    yield Figure(f"balance-{what}", f"Balance {when}", _ends(names, shares, ["up"]), balance, table, "half")
    rare = _shares(names, shares, RARE)
    yield Figure(f"rare-{what}", f"Ties and timeouts {when}", _ends(names, shares, RARE), rare, None, "half")


def _shares(names: Sequence[str], shares: dict[str, list[float]], chosen: Sequence[str]) -> dict[str, Any]:
    series = [{"name": name, "tone": OUTCOMES[name], "values": shares[name]} for name in chosen]
    return {
        "kind": "bars",
        "height": 180,
        "title": "Share of labels",
        "form": "ratio",
        "names": list(names),
        "series": series,
    }


def _ends(names: Sequence[str], shares: dict[str, list[float]], chosen: Sequence[str]) -> str:
    """Where is each of these shares least, and where most?"""
    told = []
    for name in chosen:
        values = shares[name]
        ends = (f"{written(end, 'ratio')} in {names[values.index(end)]}" for end in (min(values), max(values)))
        told.append(f"{name} from {' to '.join(ends)}")
    return sentence(told)


def _held_bars(held: Held) -> Figure:
    """Time to touch."""
    longest = min(held.row("SELECT max(bars_held) FROM labels")[0], LONGEST)
    counts = ", ".join(f"count(*) FILTER (outcome = '{name}')" for name in OUTCOMES)
    sql = f"SELECT least(bars_held, {longest}) AS k, {counts} FROM labels GROUP BY k ORDER BY k"
    found = {k: row for k, *row in held.ask(sql)}
    names = [str(k) for k in range(1, longest + 1)]
    values = {name: [found.get(k, [0] * 4)[i] for k in range(1, longest + 1)] for i, name in enumerate(OUTCOMES)}
    chart = {
        "kind": "bars", "stacked": True, "height": 180, "title": "Labels", "form": "count", "names": names,
        "across": "bars held",
        "series": [{"name": name, "tone": tone, "values": values[name]} for name, tone in OUTCOMES.items()],
    }  # fmt: skip
    median, ninety = held.row("SELECT median(bars_held), quantile_disc(bars_held, 0.9) FROM labels")
    summary = sentence([
        f"Half of the paths end within {written(median, 'number')} bars, 90 % within {ninety}",
        f"{longest} bars and more stand together" if longest == LONGEST else "",
    ])  # fmt: skip
    rows = [[int(k), *(values[name][i] for name in OUTCOMES)] for i, k in enumerate(names)]
    table = Table(
        "held-table", "Labels by bars held", [("bars held", "count"), *((n, "count") for n in OUTCOMES)], rows
    )
    return Figure("bars-held", "Time to touch", summary, chart, table, "half")


def _widths(held: Held) -> Figure:
    """How far away are the barriers?"""
    width = "least(upper - entry, entry - lower) / entry"
    low, high = held.row(f"SELECT min({width}), quantile_cont({width}, 0.99) FROM labels")
    bins, size = 40, (high - low) / 40 or 1.0
    placed = f"least(floor(({width} - {low!r}) / {size!r}), {bins - 1})::INT"
    counted = dict(held.ask(f"SELECT {placed} AS bin, count(*) FROM labels GROUP BY bin"))
    chart = {
        "kind": "bars", "height": 180, "title": "Labels", "form": "count", "edge": "rate",
        "across": "from entry to the nearer barrier", "edges": [brief(low + i * size) for i in range(bins + 1)],
        "series": [{"name": "labels", "tone": "sky", "values": [counted.get(i, 0) for i in range(bins)]}],
    }  # fmt: skip
    median, most, thin = held.row(f"SELECT median({width}), max({width}), avg(({width} < 0.002)::INT) FROM labels")
    summary = sentence([
        f"Median {written(median, 'rate')}, widest {written(most, 'rate')}",
        f"{written(thin, 'ratio')} are nearer than 20 bp, what a round trip may cost",
        "the widest 1 % stand in the last bar",
    ])  # fmt: skip
    return Figure("barrier-width", "Distance to the nearer barrier", summary, chart, None, "half")


def _weights(held: Held) -> Iterator[Figure]:
    rows = held.count("weights")
    if not rows:
        yield Figure(
            "uniqueness",
            "Uniqueness",
            f"No weights here; `{days.command(held.shelf('weights'))}` makes them.",
            wide="half",
        )
        return
    size, total, mean = held.row(
        "SELECT sum(w_return) ^ 2 / sum(w_return ^ 2), sum(uniqueness), avg(uniqueness) FROM weights"
    )
    counted = dict(held.ask("SELECT least(floor(uniqueness * 40), 39)::INT AS bin, count(*) FROM weights GROUP BY bin"))
    chart = {
        "kind": "bars", "height": 180, "title": "Labels", "form": "count", "edge": "number", "across": "uniqueness",
        "edges": [i / 40 for i in range(41)],
        "series": [{"name": "labels", "tone": "green", "values": [counted.get(i, 0) for i in range(40)]}],
    }  # fmt: skip
    summary = sentence([
        f"Mean {written(mean, 'number')} over {rows:,} labels, which add up to {written(total, 'count')} on their own",
        f"weighed by return attribution, Kish's effective size is {written(size, 'count')}",
    ])  # fmt: skip
    yield Figure("uniqueness", "How much of a label's span is its own", summary, chart, None, "half")
    yield _by_day(held)


def _by_day(held: Held) -> Figure:
    first, last = held.row("SELECT min(day), max(day) FROM weights")
    known = days_between(first, last)
    at = {day: i for i, day in enumerate(known)}
    values: list[list[float | None]] = [[None] * len(known) for _ in range(2)]
    for day, *found in held.ask("SELECT day, avg(concurrency), sum(w_return) FROM weights GROUP BY day"):
        for column, value in zip(values, found, strict=True):
            column[at[day]] = brief(value)
    panels = [
        {"title": "Labels open at a bar, mean", "height": 80, "form": "number", "zero": True,
         "series": [{"name": "concurrency", "mark": "line", "tone": "green", "values": values[0], "how": "max"}]},
        {"title": "Return attributed, sum of log returns", "height": 80, "form": "number", "zero": True,
         "series": [{"name": "w_return", "mark": "bars", "tone": "gold", "values": values[1], "how": "sum"}]},
    ]  # fmt: skip
    chart = {"kind": "time", "x": {"start": day_start(first), "step": DAY, "n": len(known)}, "panels": panels}
    heavy = held.row("SELECT day, sum(w_return) AS w FROM weights GROUP BY day ORDER BY w DESC, day LIMIT 1")
    share = heavy[1] / held.row("SELECT sum(w_return) FROM weights")[0]
    summary = f"The heaviest day is {heavy[0]} with {written(share, 'ratio')} of all return attributed."
    return Figure("weights-days", "Weights by day", summary, chart, None, "half")


def _examples(held: Held) -> Iterator[Figure]:
    """Some labels of each outcome, drawn by a hash of their instant: the same ones each time."""
    columns = "open_ms, outcome, epoch_ms(t1), bars_held, entry, upper, lower, exit, ret, label"
    one_a_day = f"SELECT * FROM labels QUALIFY {_drawn('outcome, day')} = 1"
    sql = f"SELECT {columns} FROM ({one_a_day}) QUALIFY {_drawn('outcome')} <= {EACH} ORDER BY outcome, open_ms"
    for found in held.ask(sql):
        yield _example(held, found)


def _drawn(each: str) -> str:
    return f"row_number() OVER (PARTITION BY {each} ORDER BY md5(open_ms::VARCHAR))"


def _example(held: Held, found: Sequence[Any]) -> Figure:
    opened, outcome, t1, bars, entry, upper, lower, out, ret, label = found
    tf = held.tf.ms
    start, stop = opened - AROUND * tf, t1 + AROUND * tf
    grid, values = stepped(held, tf, start, stop)
    since, until = AROUND + 1, AROUND + 1 + bars
    lines = [
        {"y": brief(upper), "from": since, "to": until, "tone": "blue", "name": "upper"},
        {"y": brief(lower), "from": since, "to": until, "tone": "red", "name": "lower"},
        {"y": brief(entry), "from": since, "to": until, "tone": "text", "name": ""},
    ]
    points = [
        {"at": since - 0.5, "y": brief(entry), "tone": "text", "shape": "disc"},
        {"at": until - 0.5, "y": brief(out), "tone": "text", "shape": "diamond"},
    ]
    panel = {"title": "", "height": 170, "form": "price", "series": [candles(values)], "lines": lines, "points": points}
    chart = {"kind": "time", "x": grid, "panels": [panel]}
    summary = sentence([
        f"Entry {written(entry, 'price')} at {instant(opened + tf)} (disc)",
        f"exit {written(out, 'price')} at {instant(t1)} (diamond)",
        f"barriers {written(lower, 'price')} and {written(upper, 'price')}",
        f"{bars} {'bar' if bars == 1 else 'bars'}, {written(ret, 'rate')}, label {label}",
    ])  # fmt: skip
    return Figure(f"example-{outcome}-{opened}", f"Example: {outcome}", summary, chart, None, "third")
