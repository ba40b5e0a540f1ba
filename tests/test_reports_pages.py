"""Numbers on a page are those SQL gives, of one moment of the lake, and the same bytes each time."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from lake import catalog, ending
from lake.span import Span
from meta.errors import NotReady, Refused
from meta.timeframes import timeframe
from reports import pages
from reports.cli import commands
from reports.held import held
from tests import market, p3_lake
from tests.lakes import a_shelf, committed, day_folders, scratch

Ask = Callable[[str], list[tuple[Any, ...]]]
NAME, TF = "BTCUSDT", p3_lake.TF
ALL = Span()
LOST = p3_lake.EVERY[20]  # a day nobody committed
DAMAGED = p3_lake.EVERY[25]  # one whose manifest is gone
AGAIN = p3_lake.EVERY[5:8]  # days the venue restated


@pytest.fixture(scope="module")
def root() -> Iterator[Path]:
    with scratch() as place:
        yield p3_lake.whole(place)


@pytest.fixture(scope="module")
def out(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pages of the whole lake, as the command makes them."""
    place = tmp_path_factory.mktemp("pages")
    ran = CliRunner().invoke(commands, ["html", "--lake", str(root), "--output", str(place)])
    assert ran.exit_code == 0, ran.output
    assert ran.stdout.strip() == str(place / "index.html")
    assert "SYNTHETIC" in ran.stderr
    return place


@pytest.fixture(scope="module")
def made(out: Path) -> dict[str, Any]:
    """What the page of the first symbol says, as JSON, in sections."""
    return said_by(out)


def said_by(out: Path) -> dict[str, Any]:
    return json.loads((out / f"{NAME}_{TF}.json").read_text())["sections"]


def built(root: Path, out: Path, span: Span = ALL) -> dict[str, Any]:
    pages.build(pages.Asked(root, [NAME], [], span, out, out), str)
    return said_by(out)


@pytest.fixture(scope="module")
def ask(root: Path) -> Iterator[Ask]:
    """The lake's own answers, through the views anyone uses."""
    with catalog.opened(root) as lake:
        yield lambda sql: lake.execute(sql).fetchall()


def close(found: Any, wanted: Any) -> bool:
    return bool(np.allclose(np.array(found, float), np.array(wanted, float), rtol=1e-6, atol=0, equal_nan=True))


def mine(table: str) -> str:
    return f"(SELECT *, epoch_ms(bar_open) AS o FROM {table}_{TF} WHERE symbol = '{NAME}')"


def test_the_overview_counts_what_sql_counts(ask: Ask, made: dict[str, Any]) -> None:
    facts = made["overview"]["facts"]
    [(bars, newest, price)] = ask(f"SELECT count(*), max(epoch_ms(ts)), arg_max(close, ts) FROM {mine('bars')}")
    assert close(facts["bars there"], bars / (p3_lake.LENGTH * 24))
    assert (facts["newest bar"], facts["last price"]) == (newest, price)
    assert facts["rows of features"] == ask(f"SELECT count(*) FROM {mine('feat')}")[0][0]
    assert facts["labels"] == ask(f"SELECT count(*) FROM {mine('labels')}")[0][0]


def test_coverage_shows_each_missing_bar_in_its_hour(ask: Ask, made: dict[str, Any]) -> None:
    chart = made["coverage"]["parts"]["coverage-hours"]["chart"]
    there = {(o - chart["x"]["start"]) // 3_600_000 for (o,) in ask(f"SELECT o FROM {mine('bars')}")}
    for hour, row in enumerate(chart["values"]):
        assert [kind == 0 for kind in row] == [day * 24 + hour in there for day in range(chart["x"]["n"])]


def test_gaps_are_listed_by_their_closes_with_the_reason_the_record_has(ask: Ask, made: dict[str, Any]) -> None:
    rows = made["coverage"]["parts"]["gaps"]["rows"]
    assert len(rows) > 5
    assert {why.partition(":")[0] for _, _, why, _ in rows} == {"outage"}
    assert all(last - first == (bars - 1) * 3_600_000 for first, bars, _, last in rows)
    opens = {o for (o,) in ask(f"SELECT o FROM {mine('bars')}")}
    assert all(last in opens and first - 2 * 3_600_000 in opens for first, _, _, last in rows)  # of closes, to the bar
    assert not {first - 3_600_000 for first, *_ in rows} & opens


def test_a_day_nobody_committed_is_told_from_one_without_bars_and_from_one_that_is_damaged(
    root: Path, tmp_path: Path
) -> None:
    lake = tmp_path / "lake"
    shutil.copytree(root, lake)
    shutil.rmtree(p3_lake.shelf(lake, "bars").day_folder(LOST))
    (p3_lake.shelf(lake, "bars").day_folder(DAMAGED) / "MANIFEST.tsv").write_bytes(b"")
    said = built(lake, tmp_path / "out")
    values = said["coverage"]["parts"]["coverage-hours"]["chart"]["values"]
    assert {row[20] for row in values} == {3}
    assert 3 not in {kind for row in values for i, kind in enumerate(row) if i not in (20, 25)}
    long = {row[2].partition(":")[0] for row in said["coverage"]["parts"]["gaps"]["rows"] if row[1] >= 24}
    assert "never asked for" in long
    assert said["freshness"]["facts"]["damaged days"] == 1
    damaged = [row[:2] for row in said["freshness"]["parts"]["stale"]["rows"] if row[2] == "damaged"]
    assert damaged == [["bars", str(DAMAGED)]]


def test_prices_keep_every_extreme(ask: Ask, made: dict[str, Any]) -> None:
    series = made["market"]["parts"]["price"]["chart"]["panels"][0]["series"][0]
    [(low, high)] = ask(f"SELECT min(low), max(high) FROM {mine('bars')}")
    assert close(min(v for v in series["low"] if v is not None), low)
    assert close(max(v for v in series["high"] if v is not None), high)


def test_months_of_the_market_equal_sql(ask: Ask, made: dict[str, Any]) -> None:
    rows = made["market"]["parts"]["price"]["table"]["rows"]
    wanted = ask(
        "SELECT strftime(day, '%Y-%m') AS m, arg_min(open, ts), max(high), min(low), arg_max(close, ts),"
        " sum(quote_volume), arg_max(oi_now, ts), avg(funding_now), sum(liq_long), sum(liq_short)"
        f" FROM {mine('bars')} GROUP BY m ORDER BY m",
    )
    assert [row[0] for row in rows] == [row[0] for row in wanted]
    assert close([row[1:] for row in rows], [row[1:] for row in wanted])


def test_a_step_is_the_same_whoever_combines_its_bars(root: Path, ask: Ask) -> None:
    from reports.market import stepped

    with held(root, timeframe(TF), NAME, Span(), []) as here:
        first = here.start
        grid, values = stepped(here, 4 * 3_600_000, first, first + 43 * 86_400_000)
    wanted = ask(
        f"SELECT (o - {first}) // 14400000 AS i, max(high), sum(quote_volume), arg_max(funding_now, o) FILTER"
        f" (funding_now IS NOT NULL) FROM {mine('bars')} WHERE o < {first + 43 * 86_400_000} GROUP BY i",
    )
    assert grid["n"] == 43 * 6
    for i, high, volume, funding in wanted:
        assert close([values[name][i] for name in ("high", "quote_volume", "funding_now")], [high, volume, funding])


def test_statistics_and_correlation_of_features_equal_sql(ask: Ask, made: dict[str, Any]) -> None:
    parts = made["features"]["parts"]
    for name, mean, deviation, least, *_, formula in parts["feature-statistics"]["rows"]:
        [wanted] = ask(f'SELECT avg("{name}"), stddev_pop("{name}"), min("{name}") FROM {mine("feat")}')
        assert close([mean, deviation, least], wanted)
        assert formula
    chart = parts["correlation"]["chart"]
    at = {name: i for i, name in enumerate(chart["rows"])}
    [(wanted,)] = ask(f"SELECT corr(vol_z, hl_range) FROM {mine('feat')}")
    assert close(chart["values"][at["vol_z"]][at["hl_range"]], wanted)
    assert close(chart["values"][at["hl_range"]][at["vol_z"]], wanted)


def test_drift_is_the_stability_index_over_deciles(ask: Ask, made: dict[str, Any]) -> None:
    chart = made["features"]["parts"]["drift"]["chart"]
    found = ask(f"SELECT strftime(day, '%Y-%m'), vol_z FROM {mine('feat')}")
    month, x = np.array([m for m, _ in found]), np.array([value for _, value in found])
    edges = np.quantile(x, np.arange(1, 10) / 10)
    whole = np.bincount(np.searchsorted(edges, x), minlength=10) / len(x)
    for name, value in zip(chart["columns"], chart["values"][chart["rows"].index("vol_z")], strict=True):
        part = np.bincount(np.searchsorted(edges, x[month == name]), minlength=10) / (month == name).sum()
        p, q = np.maximum(part, 1e-4), np.maximum(whole, 1e-4)
        assert close(value, np.sum((p - q) * np.log(p / q)))


def test_histograms_count_every_row_once_and_in_its_place(ask: Ask, made: dict[str, Any]) -> None:
    rows = made["overview"]["facts"]["rows of features"]
    charts = {n: p["chart"] for n, p in made["features"]["parts"].items() if n.endswith("-values") and p["chart"]}
    assert len(charts) > 10
    assert {sum(chart["series"][0]["values"]) for chart in charts.values()} == {rows}
    counted = charts["vol_z-values"]["series"][0]["values"]
    ends = "quantile_cont(vol_z, 0.005) AS low, quantile_cont(vol_z, 0.995) AS high"
    middle = "vol_z >= low + (high - low) / 4 AND vol_z < low + (high - low) / 2"
    [(many,)] = ask(f"SELECT count(*) FROM {mine('feat')}, (SELECT {ends} FROM {mine('feat')}) WHERE {middle}")
    assert sum(counted[10:20]) == many


def test_balance_of_labels_equals_sql(ask: Ask, made: dict[str, Any]) -> None:
    for what, key in (
        ("month", "strftime(day, '%Y-%m')"),
        ("hour", "lpad(extract('hour' FROM bar_open)::VARCHAR, 2, '0')"),
    ):
        chart = made["labels"]["parts"][f"balance-{what}"]["chart"]
        for series in chart["series"]:
            share = f"avg((outcome = '{series['name']}')::INT)"
            wanted = ask(f"SELECT {key} AS k, {share} FROM {mine('labels')} GROUP BY k ORDER BY k")
            assert chart["names"] == [k for k, _ in wanted]
            assert close(series["values"], [share for _, share in wanted])


def test_time_to_touch_and_weights_equal_sql(ask: Ask, made: dict[str, Any]) -> None:
    chart = made["labels"]["parts"]["bars-held"]["chart"]
    for series in chart["series"]:
        sql = f"SELECT bars_held, count(*) FROM {mine('labels')} WHERE outcome = '{series['name']}' GROUP BY bars_held"
        wanted = dict(ask(sql))
        assert series["values"] == [wanted.get(int(name), 0) for name in chart["names"]]
    uniqueness = made["labels"]["parts"]["uniqueness"]
    [(size, mean)] = ask(f"SELECT sum(w_return) ^ 2 / sum(w_return ^ 2), avg(uniqueness) FROM {mine('weights')}")
    assert f"effective size is {size:,.0f}" in uniqueness["summary"]
    assert f"Mean {mean:.4g}"[:10] in uniqueness["summary"]


def test_examples_show_barriers_where_the_label_has_them(ask: Ask, made: dict[str, Any]) -> None:
    examples = {name: part for name, part in made["labels"]["parts"].items() if name.startswith("example-")}
    assert {name.split("-")[1] for name in examples} >= {"up", "down"}
    for name, part in examples.items():
        _, outcome, opened = name.split("-")
        [(said, upper, lower, held_bars)] = ask(
            f"SELECT outcome, upper, lower, bars_held FROM {mine('labels')} WHERE o = {opened}"
        )
        panel = part["chart"]["panels"][0]
        assert said == outcome
        assert close([line["y"] for line in panel["lines"][:2]], [upper, lower])
        assert panel["points"][1]["at"] - panel["points"][0]["at"] == held_bars


def test_folds_are_drawn_whole(ask: Ask, made: dict[str, Any]) -> None:
    chart = made["folds"]["parts"]["folds-diagram"]["chart"]
    names = [one["name"] for one in chart["classes"]]
    drawn: dict[tuple[int, str], int] = {}
    for row, _, _, kind, many in chart["segments"]:
        drawn[row, names[kind]] = drawn.get((row, names[kind]), 0) + many
    sql = f"SELECT split, role, count(*) FROM folds_{TF} WHERE symbol = '{NAME}' GROUP BY ALL"
    assert drawn == {(split, role): many for split, role, many in ask(sql)}


def test_a_rewritten_day_stands_among_the_restatements(root: Path, made: dict[str, Any], tmp_path: Path) -> None:
    assert made["freshness"]["facts"]["rewrites"] == 0
    lake = tmp_path / "lake"
    shutil.copytree(root, lake)
    market.commit_bars(p3_lake.shelf(lake, "bars"), market.columns(p3_lake.LENGTH, TF, 7), AGAIN)
    said = built(lake, tmp_path / "after")
    rows = said["restatements"]["parts"]["rewrites"]["rows"]
    assert sorted(row[1] for row in rows) == [str(day) for day in AGAIN]
    assert said["freshness"]["facts"]["rewrites"] == 3
    assert said["freshness"]["facts"]["stale days"] > 3
    parts, facts = said["restatements"]["parts"], said["restatements"]["facts"]
    counts = [row[1] for row in parts["restated"]["rows"]]
    assert sum(counts) == facts["restated values"] == sum(parts["restated-ages"]["chart"]["series"][0]["values"]) > 0
    assert parts["restated-ages"]["chart"]["series"][0]["values"][:3] == [0, 0, 0], "rewritten long after their close"
    assert parts["first-seen"]["rows"] == [] and "features that differ" not in facts


def test_check_reports_and_bench_runs_of_the_symbol_are_shown_and_those_of_others_are_not(
    root: Path, tmp_path: Path
) -> None:
    check = {"value": 0, "verdict": "ok", "must": "== 0", "should": None, "meaning": "", "note": ""}
    said = {"verdict": "ok", "tf": TF, "synthetic": True, "source": "sim", "checks": {"nan": check}}
    reports = {
        "p3_qa_1h_80d.json": {NAME: said},
        "p3_qa_1h_9d.json": {NAME: said | {"synthetic": False}},
        "p3_qa_4h_80d.json": {NAME: said | {"tf": "4h"}},
        "p2_qa_1h_80d.json": {"ETHUSDT": said},
    }
    for name, text in reports.items():
        (tmp_path / name).write_text(json.dumps(text))
    (tmp_path / "p1_qa_core_1h_80d.json").write_text("not JSON")
    (tmp_path / "p3_qa_1h_80d.html").write_text("a page of its own")
    head = "time,symbol,tf,features,bars,method,ns_per_bar,p50_us,p99_us,max_us,ms_per_bar,limit_ms,pass"
    runs = [f"2025-05-0{day}T00:00:00Z,{NAME},{TF},17,1000,live,500,9,{day},30,0.02,50,true" for day in (1, 2, 3)]
    others = runs[0].replace(NAME, "ETHUSDT")
    (tmp_path / "p2_bench_history.csv").write_text("\n".join([head, *runs, others]) + "\n")
    parts = built(root, tmp_path)["checks"]["parts"]
    assert [name for name in parts if name.startswith("checks-")] == ["checks-p3_qa_1h_80d"]
    assert parts["check-pages"]["rows"] == [[["p3_qa_1h_80d.html"] * 2, "P3 labels"]]
    assert parts["benches-runs"]["chart"]["series"][0]["values"] == [1, 2, 3]
    assert [row[0] for row in parts["benches"]["rows"]] == ["2025-05-03 00:00", "2025-05-02 00:00", "2025-05-01 00:00"]


def test_the_same_lake_gives_the_same_bytes_and_keeps_its_own(root: Path, out: Path, tmp_path: Path) -> None:
    before = day_folders(root)
    pages.build(pages.Asked(root, [], [], ALL, tmp_path), str)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == {
        path.name: path.read_bytes() for path in tmp_path.iterdir()
    }
    assert sorted(path.name for path in out.iterdir()) == [
        "BTCUSDT_1h.html", "BTCUSDT_1h.json", "SOLUSDT_1h.html", "SOLUSDT_1h.json", "index.html", "index.json",
    ]  # fmt: skip
    assert day_folders(root) == before


def test_a_range_is_all_the_page_tells_of_and_machines_hear_where_it_is(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["html", "--lake", str(root), "--output", str(tmp_path), "--days", "3", "--json"]
    assert ending.status(commands, "reports", [*words, "--symbol", NAME, "--symbol", "NOPEUSDT"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert (told["index"], told["pages"]) == (str(tmp_path / "index.html"), [str(tmp_path / f"{NAME}_{TF}.html")])
    assert [line.split(" has")[0] for line in told["failures"]] == ["symbol NOPEUSDT"]
    said = said_by(tmp_path)
    assert said["coverage"]["parts"]["coverage-datasets"]["table"]["rows"][0][:2] == ["bars", 3]
    assert said["market"]["parts"]["price"]["chart"]["x"]["n"] == 72


def test_a_lake_of_bars_alone_says_how_to_go_on(root: Path, tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    shutil.copytree(root / "parquet", lake / "parquet")
    out = tmp_path / "out"
    built(lake, out)
    html = (out / f"{NAME}_{TF}.html").read_text()
    for command in ("p2_features build", "p3_labels triple-barrier"):
        assert f"python -m {command}" in html


def test_nothing_is_published_while_a_page_reads(root: Path) -> None:
    with held(root, timeframe(TF), NAME, Span(), []):
        fd = os.open(root / ".lake" / "locks" / "publish", os.O_RDWR)
        try:
            with pytest.raises(BlockingIOError):
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        finally:
            os.close(fd)


def test_a_lake_without_bars_has_no_page(tmp_path: Path) -> None:
    with pytest.raises(NotReady, match="no committed day"):
        pages.build(pages.Asked(tmp_path, [], [], Span(), tmp_path / "out", tmp_path), str)
    assert not (tmp_path / "out").exists()


def test_days_without_a_bar_are_told_instead_of_drawn(tmp_path: Path) -> None:
    committed(a_shelf(tmp_path), rows=0)
    with pytest.raises(NotReady, match="hold no bar"):
        pages.build(pages.Asked(tmp_path, [], [], ALL, tmp_path / "out", tmp_path), str)


def test_a_symbol_that_is_not_there_is_named_beside_the_others_pages(root: Path, tmp_path: Path) -> None:
    made = pages.build(pages.Asked(root, [NAME, "NOPEUSDT"], [], Span(days=1), tmp_path, tmp_path), str)
    assert [failure.split(" has")[0] for failure in made.failures] == ["symbol NOPEUSDT"]
    assert (tmp_path / f"{NAME}_{TF}.html").exists()
    with pytest.raises(NotReady, match="symbol NOPEUSDT has no committed day of bars there; `python -m p1_ingest"):
        pages.build(pages.Asked(root, ["NOPEUSDT"], [], ALL, tmp_path, tmp_path), str)


def test_no_page_is_put_among_the_days(root: Path) -> None:
    with pytest.raises(Refused, match="lies among the lake's days"):
        pages.build(pages.Asked(root, [NAME], [], ALL, root / "parquet" / TF), str)


def test_a_symbol_that_cannot_be_read_costs_its_own_page_only(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lake = tmp_path / "lake"
    shutil.copytree(root, lake)
    place = p3_lake.shelf(lake, "bars")
    part = place.day_folder(LOST) / place.part_name(LOST)
    part.write_bytes(part.read_bytes()[:-1])
    assert ending.status(commands, "reports", ["html", "--lake", str(lake), "--output", str(tmp_path / "out")]) == 1
    said = capsys.readouterr().err
    assert [line for line in said.splitlines() if line.startswith("error: ")] and part.name in said
    assert f"lake verify --lake {lake}`" in said
    assert sorted(path.name for path in (tmp_path / "out").glob("*.html")) == ["SOLUSDT_1h.html", "index.html"]
    assert "BTCUSDT" not in (tmp_path / "out" / "index.html").read_text()
