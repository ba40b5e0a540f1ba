"""A page is one file that asks for nothing, runs nothing but its own script, and holds every number as JSON."""

from __future__ import annotations

import base64
import hashlib
import json
import re

import pytest

from reports.forms import brief, written
from reports.page import Fact, Figure, Page, Section, Table

EVIL = '</script><script>alert(1)</script><img src="http://example.org/x">'


def a_page(text: str = "words") -> Page:
    chart = {"kind": "bars", "title": text, "names": [text], "series": []}
    table = Table("numbers", text, [("name", "text"), ("many", "count")], [[text, 1234]])
    figure = Figure("drawing", text, text, chart, table)
    return Page(text, text, [Section("one", text, text, [figure, table], [Fact(text, 0.25, "ratio", text)])], True)


def test_nothing_a_lake_holds_can_become_markup() -> None:
    html = a_page(EVIL).html()
    assert "<script>alert" not in html
    assert "<img" not in html
    assert html.count("<script>") == 1
    found = re.search(r'<script type="application/json">(.*?)</script>', html, re.S)
    assert found and json.loads(found[1])["title"] == EVIL


def test_a_page_names_no_address_but_its_own() -> None:
    html = a_page().html()
    assert re.findall(r"(?:https?:)?//[a-z][\w.]+", html.replace("http://www.w3.org/2000/svg", "")) == []
    assert re.findall(r'(?:src|href)="?(?!#|data:)([^"\s>]+)', html) == []


def test_the_policy_lets_run_what_the_page_holds_and_nothing_else() -> None:
    html = a_page().html()
    policy = re.search(r'Content-Security-Policy content="([^"]+)"', html)
    assert policy and policy[1].startswith("default-src 'none'") and "unsafe" not in policy[1]
    for name in ("style", "script"):
        inner = re.search(rf"<{name}>(.*?)</{name}>", html, re.S)
        assert inner
        sha = base64.b64encode(hashlib.sha256(inner[1].encode()).digest()).decode()
        assert f"{name}-src 'sha256-{sha}'" in policy[1]


def test_every_number_of_a_page_stands_in_its_json() -> None:
    said = json.loads(a_page().json())
    assert said["synthetic"] is True
    one = said["sections"]["one"]
    assert one["facts"] == {"words": 0.25}
    assert one["parts"]["drawing"]["chart"]["names"] == ["words"]
    assert one["parts"]["drawing"]["table"] == one["parts"]["numbers"]
    assert one["parts"]["numbers"] == {"title": "words", "columns": ["name", "many"], "rows": [["words", 1234]]}


def test_a_figure_is_told_in_words_and_as_a_table_too() -> None:
    html = a_page().html()
    figure = re.search(r"<figure.*?</figure>", html, re.S)
    assert figure
    for piece in ("<figcaption><h3>", "<details><summary>", "<th scope=col", "aria-live=polite", "tabindex=0"):
        assert piece in figure[0], piece
    assert "1,234" in figure[0]


def test_made_up_data_says_so_above_everything() -> None:
    html = a_page().html()
    assert html.index("SYNTHETIC") < html.index("<h1>")
    assert "SYNTHETIC" not in Page("a", "b", []).html()


@pytest.mark.parametrize(
    ("value", "form", "text"),
    [
        (105120, "count", "105,120"), (0.5, "ratio", "50 %"), (1.0, "ratio", "100 %"), (0.99999, "ratio", "99.999 %"),
        (0.99931, "ratio", "99.93 %"),
        (0.0001, "rate", "1 bp"), (101516.5, "price", "101,516.5"), (1.2345678, "number", "1.235"), (0, "number", "0"),
        (-2.97e-7, "number", "-2.97e-07"), (None, "count", "–"), (float("nan"), "number", "–"),
        ("as it is", "text", "as it is"),
        (1746057900000, "time", "2025-05-01 00:05"), (12.0, "number", "12"), (1e6, "number", "1,000,000"),
    ],
)  # fmt: skip
def test_values_are_written_for_people(value: object, form: str, text: str) -> None:
    assert written(value, form) == text


def test_a_page_keeps_seven_digits() -> None:
    assert brief(1 / 3) == 0.3333333
    assert brief(None) is None
