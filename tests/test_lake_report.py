"""What checks found is told three ways, in a place of its own, by limits people may choose."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from lake import checks, offenders, settings
from lake.checks import Check, Report
from meta.errors import Usage
from tests.faults import without
from tests.planted import clean, findings

RED = Check("height", "how <tall> it is", "<= 1")


def report(lake: str = "data", value: float = 2.0) -> Report:
    return Report("BTCUSDT", "P1 5m BTCUSDT", {"tf": "5m", "lake": lake}, [RED.found(1), RED.found(value, "a & b")])


def test_a_report_is_a_table_json_and_a_page(tmp_path, capsys):
    out = tmp_path / "qa" / "p1.json"
    checks.tell([report()], out, as_json=False)
    assert "FAIL" in capsys.readouterr().out
    assert json.loads(out.read_text())["BTCUSDT"]["verdict"] == "fail"
    page = out.with_suffix(".html").read_text()
    assert "how &lt;tall&gt; it is" in page and "a &amp; b" in page
    assert page.index("a &amp; b") < page.index('<td class="ok">'), "the worst comes first"
    assert not re.search(r"https?://|src=|<script", page), "a page needs nothing beside itself"


def test_json_on_stdout_is_the_report_and_nothing_else(tmp_path, capsys):
    checks.tell([report()], tmp_path / "p1.json", as_json=True)
    assert json.loads(capsys.readouterr().out) == json.loads((tmp_path / "p1.json").read_text())


def test_a_lake_elsewhere_keeps_its_reports_beside_it(tmp_path):
    assert checks.out_path(None, "p1.json", 1, tmp_path) == tmp_path / "reports" / "p1.json"
    for root in (settings.PROJECT / "data", settings.PROJECT / "data-sim", None):
        assert checks.out_path(None, "p1.json", 1, root) == settings.PROJECT / "reports" / "p1.json"
    assert checks.out_path(tmp_path / "mine.json", "p1.json", 1, tmp_path) == tmp_path / "mine.json"


def test_a_report_that_would_lie_where_its_page_does_is_refused():
    with pytest.raises(Usage, match=r"name it \.json"):
        checks.out_path(Path("p1.html"), "p1.json", 1)


def test_replacing_the_report_of_another_lake_is_said(tmp_path, capsys):
    out = tmp_path / "p1.json"
    for lake, said in (("data-sim", False), ("data-sim", False), ("data", True)):
        checks.tell([report(lake)], out, as_json=False)
        assert ("was about lake data-sim" in capsys.readouterr().err) is said


@pytest.fixture
def conf(tmp_path, monkeypatch):
    """conf/checks.yaml, to be written."""
    monkeypatch.setattr(settings, "conf_path", lambda name: tmp_path / name)
    return tmp_path / offenders.CONF


def verdict(name: str, table=None) -> str:
    told = findings("bars", clean("bars", "15m") if table is None else table, "15m")
    return next(finding.verdict for finding in told if finding.check.name == name)


def test_conf_changes_a_bound_and_a_number(conf):
    holes = without(*range(500, 504))(clean("bars", "15m"))
    assert verdict("long_gaps", holes) == "FAIL"
    for said, expected in (
        ('{must: "<= 1"}', "ok"),
        ('{must: "", should: "== 0"}', "warn"),
        ('{must: ""}', "info"),
        ("{numbers: {hours: 2}}", "ok"),
    ):
        conf.write_text(f"bars_long_gaps: {said}\n")
        assert verdict("long_gaps", holes) == expected, said


@pytest.mark.parametrize(
    ("said", "match"),
    [
        ("bars_long_gap: {must: '<= 1'}", "did you mean 'bars_long_gaps'"),
        ("bars_long_gaps: {must: few}", "'few' is no bound"),
        ("bars_long_gaps: {must: 7}", "got `int`"),
        ("bars_long_gaps: {most: '<= 1'}", "did you mean 'must'"),
        ("bars_long_gaps: {numbers: {days: 1}}", "it has hours, bridged"),
        ("bars_long_gaps: 7", "bars_long_gaps: Expected"),
    ],
)
def test_a_conf_that_makes_no_sense_is_one_line(conf, said, match):
    conf.write_text(said + "\n")
    with pytest.raises(Usage, match=match):
        offenders.queries("bars")


def test_the_conf_that_is_shipped_changes_nothing(conf):
    shipped = (settings.PROJECT / "conf" / offenders.CONF).read_text()
    plain = offenders.queries("bars")
    conf.write_text(shipped)
    assert offenders.queries("bars") == plain
