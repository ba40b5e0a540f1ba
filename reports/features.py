"""What was knowable: each feature over time, its distribution, its drift, and how features move together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from lake import days, notes
from meta.timeframes import DAY, day_start
from reports.forms import brief, written
from reports.held import Held
from reports.page import Fact, Figure, Section, Table, sentence

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
STEPS = 180  # of time in a feature's figure
BINS = 40  # of a histogram
TAILS = (0.005, 0.995)  # a histogram's ends; what lies beyond is counted in its outer bins
DECILES = tuple(round(i / 10, 1) for i in range(1, 10))
FLOOR = 1e-4  # a share of 0 in a stability index counts as this
DRIFTED = 0.25
STATISTICS = [
    ("feature", "text"), ("mean", "number"), ("standard deviation", "number"), ("least", "number"), ("1 %", "number"),
    ("median", "number"), ("99 %", "number"), ("most", "number"), ("exactly 0", "ratio"), ("formula", "code"),
]  # fmt: skip


def section(held: Held) -> Section:
    """Every feature of the symbol, as it stands in the lake."""
    text = (
        "As they stand in the lake: each row was knowable when its bar closed. Bands hold 90 % and 50 % of a step's"
        " values, the line is their median."
    )
    rows = held.count("features")
    if not rows:
        why = f"No row of features here; `{days.command(held.shelf('features'))}` makes them."
        return Section("features", "Features", why)
    names = _numbers(held)
    said = notes.read(held.shelf("features"), notes.FEATURES) or {}
    share = rows / held.row("SELECT count(*) FROM bars")[0]
    facts = [
        Fact("rows", rows, "count", f"{written(share, 'ratio')} of the bars"),
        Fact("features", len(held.columns("features")) - 4, "count", f"{len(said.get('left_out', {}))} left out"),
        *_flags(held),
    ]
    parts: list[Figure | Table] = [_statistics(held, names, said), _left_out(said), *_each(held, names)]
    parts += [_drift(held, names), _together(held, names)]
    return Section("features", "Features", text, parts, facts)


def _numbers(held: Held) -> list[str]:
    """The features that are numbers; flags are told as shares."""
    kinds = held.ask("SELECT name, type FROM pragma_table_info('features')")
    return [name for name, kind in kinds if kind == "DOUBLE"]


def _flags(held: Held) -> Iterator[Fact]:
    kinds = held.ask("SELECT name, type FROM pragma_table_info('features')")
    for name in [name for name, kind in kinds if kind == "BOOLEAN"]:
        share = held.row(f'SELECT avg("{name}"::INT) FROM features')[0]
        yield Fact(name.removeprefix("_imputed_") + ", carried over", share, "ratio", "of the rows")


def _statistics(held: Held, names: Sequence[str], said: dict[str, Any]) -> Table:
    cells = ", ".join(
        f'avg("{n}"), stddev_pop("{n}"), min("{n}"), quantile_cont("{n}", [0.01, 0.5, 0.99]), max("{n}"),'
        f' avg(("{n}" = 0)::INT)'
        for n in names
    )
    found = held.row(f"SELECT {cells} FROM features")
    rows = []
    for i, name in enumerate(names):
        mean, deviation, least, (low, median, high), most, zero = found[6 * i : 6 * i + 6]
        formula = said.get("features", {}).get(name, {}).get("formula", "")
        numbers = [brief(value) for value in (mean, deviation, least, low, median, high, most, zero)]
        rows.append([name, *numbers, formula])
    return Table("feature-statistics", "Distributions in numbers", STATISTICS, rows)


def _left_out(said: dict[str, Any]) -> Table:
    rows = [[name, str(why)] for name, why in said.get("left_out", {}).items()]
    columns = [("feature", "text"), ("why", "prose")]
    return Table("left-out", "Features left out", columns, rows, empty="Every feature of the set is built.")


def _each(held: Held, names: Sequence[str]) -> Iterator[Figure]:
    first, last = held.row("SELECT min(day), max(day) FROM features")
    start, many = day_start(first), (last - first).days + 1
    step = next((n for n in (1, 2, 4, 7, 14, 28, 56, 112) if many / n <= STEPS), 224) * DAY
    grid = {"start": start, "step": step, "n": -(-many * DAY // step)}
    cells = ", ".join(f'quantile_cont("{name}", {list(QUANTILES)})' for name in names)
    found = held.ask(f"SELECT (open_ms - {start}) // {step} AS i, {cells} FROM features GROUP BY i ORDER BY i")
    for k, name in enumerate(names):
        bands: list[list[float | None]] = [[None] * grid["n"] for _ in QUANTILES]
        for i, *values in found:
            for band, value in zip(bands, values[k], strict=True):
                band[i] = brief(value)
        yield _over_time(name, grid, bands)
        yield _histogram(held, name)


def _over_time(name: str, grid: dict[str, Any], bands: Sequence[list[float | None]]) -> Figure:
    low, less, median, more, high = bands
    series = [
        {"name": "5 … 95 %", "mark": "band", "tone": "blue", "lower": low, "upper": high},
        {"name": "25 … 75 %", "mark": "band", "tone": "blue", "lower": less, "upper": more, "weight": "mild"},
        {"name": "median", "mark": "line", "tone": "blue", "values": median},
    ]
    panel = {"title": "", "height": 110, "form": "number", "series": series}
    there = [value for value in median if value is not None]
    long = grid["step"] // DAY
    summary = sentence([
        f"Medians of {'a day' if long == 1 else f'{long} days'} between {written(min(there), 'number')} and "
        f"{written(max(there), 'number')}"
    ])  # fmt: skip
    chart = {"kind": "time", "x": grid, "panels": [panel]}
    return Figure(f"{name}-time", f"{name} over time", summary, chart, wide="most")


def _histogram(held: Held, name: str) -> Figure:
    low, high, n, least, most = held.row(
        f'SELECT quantile_cont("{name}", {TAILS[0]}), quantile_cont("{name}", {TAILS[1]}), count(*), min("{name}"),'
        f' max("{name}") FROM features'
    )
    if low == high:
        return Figure(
            f"{name}-values", f"{name}, values", f"{written(low, 'number')} in 99 % of the rows.", wide="rest"
        )
    width = (high - low) / BINS
    placed = f'least(greatest(floor(("{name}" - {low!r}) / {width!r}), 0), {BINS - 1})::INT'
    counted = dict(held.ask(f"SELECT {placed} AS bin, count(*) FROM features GROUP BY bin"))
    chart = {
        "kind": "bars", "height": 110, "title": "", "form": "count", "edge": "number",
        "edges": [brief(low + i * width) for i in range(BINS + 1)],
        "series": [{"name": "rows", "tone": "sky", "values": [counted.get(i, 0) for i in range(BINS)]}],
    }  # fmt: skip
    beyond = held.row(f'SELECT count(*) FILTER ("{name}" < {low!r} OR "{name}" > {high!r}) FROM features')[0]
    summary = sentence([
        f"{written(least, 'number')} … {written(most, 'number')}",
        f"{beyond:,} of {n:,} rows lie beyond the ends and count in the outer bars" if beyond else "",
    ])  # fmt: skip
    return Figure(f"{name}-values", f"{name}, values", summary, chart, wide="rest")


def _drift(held: Held, names: Sequence[str]) -> Figure:
    """How far is each month's distribution from that of all months? The population stability index over deciles."""
    months = [month for (month,) in held.ask("SELECT DISTINCT strftime(day, '%Y-%m') AS m FROM features ORDER BY m")]
    values = [_stability(held, name, months) for name in names]
    chart = {
        "kind": "heat", "rows": list(names), "columns": months, "values": values, "most": 0.5, "form": "number",
        "texts": True, "height": 22 * len(names), "measure": "stability index",
    }  # fmt: skip
    moved = [name for name, row in zip(names, values, strict=True) if max(row) > DRIFTED]
    summary = sentence([
        "Population stability index of a month against all of them, over their deciles",
        "below 0.1 is steady, above 0.25 has moved",
        f"moved in some month: {', '.join(moved)}" if moved else "none has moved in any month",
    ])  # fmt: skip
    rows = [[name, *row] for name, row in zip(names, values, strict=True)]
    columns = [("feature", "text"), *((month, "number") for month in months)]
    return Figure(
        "drift", "Drift by month", summary, chart, Table("drift-months", "Stability index", columns, rows), "half"
    )


def _stability(held: Held, name: str, months: Sequence[str]) -> list[float]:
    import numpy as np

    edges = sorted(set(held.row(f'SELECT quantile_cont("{name}", {list(DECILES)}) FROM features')[0]))
    bin_of = " + ".join(f'("{name}" > {edge!r})::INT' for edge in edges)
    found = held.ask(f"SELECT strftime(day, '%Y-%m') AS m, {bin_of} AS bin, count(*) FROM features GROUP BY m, bin")
    counts = np.zeros((len(months), len(edges) + 1))
    for month, bin_, many in found:
        counts[months.index(month), bin_] = many
    p = np.maximum(counts / counts.sum(axis=1, keepdims=True), FLOOR)
    q = np.maximum(counts.sum(axis=0) / counts.sum(), FLOOR)
    return [brief(float(value)) for value in ((p - q) * np.log(p / q)).sum(axis=1)]


def _together(held: Held, names: Sequence[str]) -> Figure:
    pairs = [(i, j) for i in range(len(names)) for j in range(i)]
    cells = ", ".join(f'corr("{names[i]}", "{names[j]}")' for i, j in pairs)
    found = held.row(f"SELECT {cells} FROM features") if pairs else ()
    values: list[list[float | None]] = [[1.0 if i == j else None for j in range(len(names))] for i in range(len(names))]
    for (i, j), value in zip(pairs, found, strict=True):
        values[i][j] = values[j][i] = brief(value)
    chart = {
        "kind": "heat", "rows": list(names), "columns": list(names), "values": values, "most": 1, "diverging": True,
        "form": "number", "texts": True, "height": 22 * len(names), "measure": "correlation",
    }  # fmt: skip
    strong = sorted(
        ((abs(v), v, names[i], names[j]) for (i, j), v in zip(pairs, found, strict=True) if v is not None), reverse=True
    )
    told = [f"{a} with {b} {written(v, 'number')}" for _, v, a, b in strong[:3]]
    summary = sentence(
        [
            "Pearson's, over all rows; it tells of straight lines only",
            f"the strongest: {', '.join(told)}" if told else "",
        ]
    )
    rows = [[name, *row] for name, row in zip(names, values, strict=True)]
    table = Table("correlations", "Correlation", [("feature", "text"), *((name, "number") for name in names)], rows)
    return Figure("correlation", "Correlation of features", summary, chart, table, "half")
