"""In a real browser a page shows what SQL says, works by keyboard, and asks for nothing."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lake import catalog
from lake.span import Span
from reports import pages
from tests import p3_lake
from tests.browser import Browser, browser, needs_chromium
from tests.lakes import scratch

pytestmark = needs_chromium
NAME, TF = "BTCUSDT", p3_lake.TF
MINE = f"WHERE symbol = '{NAME}'"
WIDTHS = (390, 1280, 1920)
SHOTS = Path(__file__).resolve().parent.parent / "reports"


@pytest.fixture(scope="module")
def lake() -> Iterator[Path]:
    with scratch() as place:
        yield p3_lake.whole(place)


@pytest.fixture(scope="module")
def page(lake: Path) -> Path:
    pages.build(pages.Asked(lake, [], [], Span(), lake / "pages", lake), str)
    return lake / "pages" / f"{NAME}_{TF}.html"


@pytest.fixture(scope="module")
def window() -> Iterator[Browser]:
    with browser() as made:
        yield made


@pytest.fixture
def shown(window: Browser, page: Path) -> Browser:
    window.sized(1280)
    window.open(page)
    return window


def ask(lake: Path, sql: str) -> tuple[Any, ...]:
    with catalog.opened(lake) as opened:
        return opened.execute(sql).fetchall()[0]


def number(text: str) -> float:
    return float(text.replace(",", ""))


def readout(shown: Browser, figure: str) -> str:
    return shown.look("texts", f"#{figure} .readout")[0]


def test_numbers_read_off_the_page_are_those_of_sql(shown: Browser, lake: Path) -> None:
    facts = dict(shown.look("rows", "#overview dl div"))
    assert number(facts["labels"]) == ask(lake, f"SELECT count(*) FROM labels_{TF} {MINE}")[0]
    last = ask(lake, f"SELECT arg_max(close, ts) FROM bars_{TF} {MINE}")[0]
    assert number(facts["last price"]) == pytest.approx(last, rel=1e-7)
    rows = shown.look("rows", "#price-months tbody tr")
    assert len(rows) == 2
    for month, _, high, low, *_ in rows:
        sql = f"SELECT max(high), min(low) FROM bars_{TF} {MINE} AND strftime(day, '%Y-%m') = '{month}'"
        assert [number(high), number(low)] == pytest.approx(ask(lake, sql), rel=1e-6)


def test_the_console_stays_silent_and_nothing_is_asked_for(shown: Browser) -> None:
    shown.log()
    shown.drawn()
    assert shown.log() == []
    assert shown.run("return performance.getEntriesByType('resource').map((e) => e.name)") == []


def test_charts_are_drawn_once_they_are_looked_at(shown: Browser) -> None:
    at_first = [name for name, marks in shown.look("drawn") if marks]
    shown.drawn()
    marks = shown.look("drawn")
    assert 0 < len(at_first) < len(marks)
    assert [name for name, many in marks if not many] == []


def test_what_is_drawn_has_colour_on_the_screen(shown: Browser) -> None:
    shown.drawn()
    assert shown.look_until("shades", "#price svg") > 5


def test_the_arrow_keys_read_each_value(shown: Browser, lake: Path) -> None:
    shown.look_until("focus", "bars-held", None)
    before = readout(shown, "bars-held")
    shown.press("home", "right", "right", "left")
    said = readout(shown, "bars-held")
    sql = f"SELECT count(*) FROM labels_{TF} {MINE} AND bars_held = 2 AND outcome = 'up'"
    assert said.startswith(f"2 up {ask(lake, sql)[0]:,} ")
    assert shown.look("texts", "#bars-held .unseen") == [said]
    shown.press("escape")
    assert readout(shown, "bars-held") == before


def test_the_keys_read_the_price_of_the_step_they_stand_on(shown: Browser, lake: Path) -> None:
    shown.look_until("focus", "wildest", None)
    shown.press("end", "left")
    said = readout(shown, "wildest")
    opened = said[:16]
    sql = f"SELECT close FROM bars_{TF} {MINE} AND bar_open = TIMESTAMPTZ '{opened}:00+00'"
    assert number(said.split("C ")[1].split()[0]) == pytest.approx(ask(lake, sql)[0], rel=1e-7)


def test_the_keys_zoom_and_show_all_again(shown: Browser) -> None:
    shown.look_until("focus", "price", None)
    before = shown.run("return document.querySelector('#price svg').innerHTML")
    shown.press("+", "+", "+")
    assert shown.run("return document.querySelector('#price svg').innerHTML") != before
    assert "one step is 1 h" in shown.look("texts", "#price .unseen")[0]
    shown.press("0")
    assert shown.run("return document.querySelector('#price svg').innerHTML") == before


def test_the_range_buttons_work_by_keyboard_and_say_which_is_pressed(shown: Browser) -> None:
    pressed = "#price .tools [aria-pressed=true]"
    shown.look_until("focus", "price", "7 d")
    assert shown.look("texts", pressed) == ["All"]
    shown.press("enter")
    assert shown.look("texts", pressed) == ["7 d"]


def test_every_chart_has_a_table_of_its_numbers(shown: Browser, lake: Path) -> None:
    shown.drawn()
    assert shown.run("return document.querySelectorAll('figure.chart:not(:has(details))').length") == 0
    shown.run("document.querySelectorAll('details.made').forEach((e) => { e.open = true; })")
    shown.wait("setTimeout(arguments[0], 100)")
    assert shown.run("return document.querySelectorAll('details.made:not(:has(td))').length") == 0
    counts = [number(row[1]) for row in shown.look("rows", "#uniqueness tbody tr")]
    assert len(counts) == 40
    assert sum(counts) == ask(lake, f"SELECT count(*) FROM weights_{TF} {MINE}")[0]
    assert shown.look("faint") == []


def test_cells_are_walked_in_both_directions(shown: Browser) -> None:
    shown.look_until("focus", "correlation", None)
    shown.press("home", "right", "down", "down")
    chart = shown.run("return JSON.parse(document.querySelector('#correlation script').textContent)")
    said = readout(shown, "correlation")
    assert said.startswith(f"{chart['rows'][2]}, {chart['columns'][1]}")
    assert float(said.split()[-1]) == pytest.approx(chart["values"][2][1], abs=1e-3)


def test_light_and_dark_follow_the_system_until_the_button_says_otherwise(shown: Browser) -> None:
    ground, name = "return getComputedStyle(document.body).backgroundColor", "return document.activeElement.ariaLabel"
    light = shown.run(ground)
    shown.sized(1280, dark=True)
    dark = shown.run(ground)
    shown.sized(1280)
    assert light == shown.run(ground) != dark
    shown.run("document.getElementById('theme').focus()")
    shown.press("enter")
    assert (shown.run(ground), shown.run(name)) == (dark, "Switch to light colours")
    shown.press("enter")
    assert (shown.run(ground), shown.run(name)) == (light, "Switch to dark colours")
    shown.run("localStorage.clear()")


def test_every_word_stands_out_from_its_ground_in_both_themes(shown: Browser) -> None:
    shown.drawn()
    for dark in (False, True):
        shown.sized(1280, dark=dark)
        assert shown.look("faint") == []


def test_headings_landmarks_and_names_are_there_for_a_screen_reader(shown: Browser) -> None:
    shown.drawn()
    levels = shown.run("return [...document.querySelectorAll('h1, h2, h3')].map((e) => +e.tagName[1])")
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    assert (shown.look("nameless"), shown.look("twice")) == (0, [])
    nodes = shown.devtools("Accessibility.getFullAXTree")["nodes"]
    roles = {node["role"]["value"] for node in nodes if "role" in node}
    assert {"banner", "navigation", "main", "contentinfo", "figure", "table", "application"} <= roles


def test_a_reader_without_scripts_has_the_tables(window: Browser, page: Path) -> None:
    window.devtools("Emulation.setScriptExecutionDisabled", value=True)
    try:
        window.open(page)
        said = "[document.querySelector('noscript').innerText, document.querySelectorAll('td').length]"
        found = window.devtools("Runtime.evaluate", expression=said, returnByValue=True)["result"]["value"]
    finally:
        window.devtools("Emulation.setScriptExecutionDisabled", value=False)
    assert "the tables hold their numbers" in found[0]
    assert found[1] > 500


@pytest.mark.parametrize("width", WIDTHS)
def test_a_page_fits_its_screen_and_its_words_their_places(window: Browser, page: Path, width: int) -> None:
    window.sized(width)
    for name in (page.with_name("index.html"), page):
        window.open(name)
        window.drawn()
        assert window.run("return document.documentElement.scrollWidth") == width
        assert (window.look("outside"), window.look("overlaps")) == (0, [])


def test_the_index_leads_to_every_page(window: Browser, page: Path) -> None:
    window.sized(1280)
    window.open(page.with_name("index.html"))
    links = window.run("return [...document.querySelectorAll('#index a')].map((e) => e.href)")
    assert links == [page.with_name(f"{name}_{TF}.html").as_uri() for name in p3_lake.SYMBOLS]


@pytest.mark.long
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_screenshots_for_people_to_look_at(window: Browser, page: Path, width: int, dark: bool) -> None:
    place = SHOTS / f"page-{width}-{'dark' if dark else 'light'}.png"
    window.sized(width, dark=dark)
    window.open(page)
    window.drawn()
    window.screenshot(place)
    assert place.read_bytes()[:4] == b"\x89PNG"
    assert place.stat().st_size > 100_000
