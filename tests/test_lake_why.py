"""Why a row is there or missing is said with its evidence, and asking changes nothing."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest

from lake import ending, raw
from lake.commands import commands
from lake.layout import Shelf
from lake.reasons import Asked, Reason
from lake.span import Span
from lake.why import why
from meta.datasets import DATASETS
from meta.errors import Usage
from meta.timeframes import DAY as DAY_MS
from meta.timeframes import HOUR, day_start, timeframe
from p2_features import choice
from p2_features.build import build as build_features
from p3_labels.build import Work
from p3_labels.build import build as build_labels
from p3_labels.rules import rules
from tests import lakes, market

LENGTH = 40
EVERY = market.the_days(LENGTH)
TF = timeframe("1h")
QUARANTINED, OUTAGE, FLAT, NULL, GAP = (35 * 24 + i for i in (3, 6, 9, 12, 15))  # bars, counted from the first
NOW = day_start(EVERY[-1]) + 30 * DAY_MS
RUN = "2025-04-20T00:00:00.000Z-1-0"


def at(bar: int) -> int:
    """The ts of the bar so many bars after the first."""
    return day_start(EVERY[0]) + (bar + 1) * HOUR


def columns() -> dict[str, np.ndarray]:
    """A market without holes but those planted."""
    found = market.columns(LENGTH)
    for name, values in found.items():
        holes = np.isnan(values)
        values[holes] = np.nanmedian(values) if name not in ("open", "high", "low", "close") else 100.0
    for bar in (QUARANTINED, OUTAGE, *range(GAP, GAP + 4)):
        for values in found.values():
            values[bar] = np.nan
    for name in ("open", "high", "low", "close"):
        found[name][FLAT] = 100.0
        found[name][GAP - 1 : GAP + 6] = np.where(np.isnan(found[name][GAP - 1 : GAP + 6]), np.nan, 100.0)
    found["quote_volume"][FLAT] = 0.0
    found["oi_now"][NULL - 3 : NULL + 1] = np.nan
    return found


def recorded(bars: Shelf) -> None:
    body = raw.keep(bars.root, b"the venue's answer")
    span = ((str(EVERY[0]), str(EVERY[-1])),)
    lines: list[raw.Line] = [
        raw.Run(RUN, RUN[:24], "1h", "BTCUSDT", "sim", *span[0], span, 2 * HOUR, ("price",), {}),
        raw.Answer(RUN, RUN[:24], "sim", "price", "sim", "/price", 200, (), "1h", "BTCUSDT", day_start(EVERY[0]),
                   day_start(EVERY[-1]) + DAY_MS, span, sha256=body, size=18),
    ]  # fmt: skip
    for day in EVERY:
        out = {"2025-04-05T04:00:00.000Z": "high below low"} if day == EVERY[35] else {}
        part = lakes.entry(bars, day).sha256
        lines.append(
            raw.Day(RUN, RUN[:24], "1h", "BTCUSDT", str(day), part, {"price": (body,), "oi": ("ab" * 32,)},
                    quarantined=out, counts={"price: malformed": 2})
        )  # fmt: skip
    raw.tell(bars.root, [*lines, raw.End(RUN, RUN[:24], "1h", "BTCUSDT")])


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with lakes.scratch() as root:
        bars = market.bars_shelf(root)
        market.commit_bars(bars, columns(), EVERY)
        recorded(bars)
        build_features(bars.sibling(DATASETS["features"]), bars, Span(), choice.Asked())
        build_labels(Work(bars.sibling(DATASETS["labels"]), bars.sibling(DATASETS["features"]), bars, rules()), Span())
        yield root


@pytest.fixture
def root(made: Path) -> Iterator[Path]:
    with lakes.scratch() as where:
        yield lakes.copied(made, where)


def ask(root: Path, ts: int, now: int = NOW) -> dict[str, Reason]:
    before = {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}
    found = {reason.dataset: reason for reason in why(Asked(root, "BTCUSDT", TF, ts, now))}
    assert {path: path.read_bytes() for path in root.rglob("*") if path.is_file()} == before
    return found


def words(found: dict[str, Reason]) -> list[str]:
    return [found[name].why for name in ("bars", "features", "labels")]


def test_a_row_that_is_there_is_shown_with_its_parts(root: Path) -> None:
    found = ask(root, at(35 * 24 + 1))
    assert words(found) == ["committed"] * 3 and all(reason.present for reason in found.values())
    assert lakes.entry(market.bars_shelf(root), EVERY[35]).sha256 in found["bars"].evidence[0]


def test_a_bar_kept_out_is_told_with_the_rule_and_the_body(root: Path) -> None:
    found = ask(root, at(QUARANTINED))
    assert words(found) == ["quarantined", "no bar", "no features"]
    assert "high below low" in found["bars"].text
    assert any("sim /price" in line and "verified" in line for line in found["bars"].evidence)


def test_an_outage_shows_the_body_that_covers_it(root: Path) -> None:
    found = ask(root, at(OUTAGE))
    assert words(found)[0] == "outage" and "it alone is missing" in found["bars"].text
    told = "\n".join(found["bars"].evidence)
    assert (
        "sim /price" in told
        and "of its answers, 2 x price: a row that makes no sense was left out" in told
        and "ab" * 32 not in told
    )
    raw.path(root, raw.keep(root, b"the venue's answer")).unlink()
    assert any("is gone" in line for line in ask(root, at(OUTAGE))["bars"].evidence)


def test_a_longer_outage_is_told_from_end_to_end(root: Path) -> None:
    text = ask(root, at(GAP + 1))["bars"].text
    assert "4 bars are missing in a row, closing 2025-04-05T16:00 … 2025-04-05T19:00" in text


def test_without_a_record_an_outage_is_not_claimed_for_sure(root: Path) -> None:
    shutil.rmtree(raw.folder(root))
    assert "no record of that day tells which" in ask(root, at(OUTAGE))["bars"].text


def test_a_bar_without_trades_is_there_and_flat(root: Path) -> None:
    found = ask(root, at(FLAT))
    assert words(found)[0] == "zero trades" and found["bars"].present


def test_a_missing_input_is_named_with_the_feature_that_needs_it(root: Path) -> None:
    found = ask(root, at(NULL))
    assert words(found) == ["committed", "missing oi_now", "no features"]
    assert "oi_z needs it: null there, and on the 3 bars before" in found["features"].text


def test_a_look_back_onto_a_missing_bar_is_named(root: Path) -> None:
    found = ask(root, at(OUTAGE + 1))
    assert found["features"].why == "missing close" and "null 1 bars before" in found["features"].text


def test_the_first_days_are_warm_up(root: Path) -> None:
    for day in (3, 29):
        found = ask(root, at(day * 24 + 5))
        assert words(found) == ["committed", "warm-up", "no features"]
        assert "720 bars or more before it; the oldest bar before it is of 2025-03-01T01:00" in found["features"].text


def test_a_path_over_a_hole_has_no_label(root: Path) -> None:
    found = ask(root, at(GAP - 1))
    assert words(found) == ["committed", "committed", "gap"]
    assert "from 2025-04-05T16:00:00.000Z on" in found["labels"].text


def test_what_the_tape_does_not_reach_yet_is_unresolved(root: Path) -> None:
    found = ask(root, at(LENGTH * 24 - 2))
    assert words(found) == ["committed", "committed", "unresolved"]
    assert str(EVERY[-1] + timedelta(days=1)) in found["labels"].text


def test_what_nobody_built_yet_is_told_with_its_command(root: Path) -> None:
    shutil.rmtree(market.bars_shelf(root).sibling(DATASETS["labels"]).folder)
    found = ask(root, at(35 * 24 + 1))
    assert words(found)[2] == "not built" and "p3_labels triple-barrier" in found["labels"].text
    shutil.rmtree(market.bars_shelf(root).sibling(DATASETS["features"]).day_folder(EVERY[35]))
    assert words(ask(root, at(35 * 24 + 1)))[1] == "not built"


def test_a_damaged_day_is_told_to_be(root: Path) -> None:
    part = market.bars_shelf(root).day_folder(EVERY[35]) / Shelf.part_name(EVERY[35])
    part.write_bytes(part.read_bytes()[:-1] + b"x")
    assert words(ask(root, at(35 * 24 + 1)))[0] == "damaged"


# --- days that are not committed

AFTER = EVERY[-1] + timedelta(days=1)


def told(root: Path, day: date, failed: str = "", waiting: str = "", end: bool = True) -> None:
    """One more run, about this day alone."""
    name, span = f"run of {day}{failed}{waiting}", ((str(day), str(day)),)
    when = "2025-05-30T00:00:00.000Z"
    lines: list[raw.Line] = [
        raw.Run(name, when, "1h", "BTCUSDT", "sim", *span[0], span, 2 * HOUR, ("price",), {}),
        raw.Answer(name, when, "sim", "price", "sim", "/price", 404, (), "1h", "BTCUSDT", days=span),
    ]
    reasons = [((str(day), str(day), text),) if text else () for text in (failed, waiting)]
    raw.tell(root, lines + ([raw.End(name, when, "1h", "BTCUSDT", *reasons)] if end else []))


def uncommitted(root: Path, day: date = AFTER, now: int = NOW) -> Reason:
    found = ask(root, day_start(day) + 5 * HOUR, now)
    assert words(found)[1:] == ["no bar", "no features"]
    return found["bars"]


def test_a_day_before_its_settle_lag_is_not_yet_due(root: Path) -> None:
    settles = day_start(AFTER) + DAY_MS + 2 * HOUR
    assert uncommitted(root, now=settles - 1).why == "not yet due"
    assert uncommitted(root, now=settles).why == "never asked for"


def test_a_day_no_run_was_about_is_told_with_what_runs_asked_for(root: Path) -> None:
    reason = uncommitted(root)
    assert "runs asked for days of 2025-03-01 … 2025-04-09, never this one" in reason.text
    shutil.rmtree(raw.folder(root))
    assert "no recorded run was about BTCUSDT 1h" in uncommitted(root).text


@pytest.mark.parametrize(
    ("failed", "waiting", "expected"),
    [
        ("price: answered 500; gave up after 6 tries", "", "fetch failed"),
        ("", "no bar, and none on one side of it: not listed then, or not traded yet", "not listed"),
        ("", "price is not published yet", "not yet published"),
        ("", "it was answered empty once and with bars once; ask again", "doubted"),
    ],
)
def test_the_last_run_says_what_was_the_matter(root: Path, failed: str, waiting: str, expected: str) -> None:
    told(root, AFTER, failed, waiting)
    reason = uncommitted(root)
    assert reason.why == expected and (failed or waiting) in reason.text
    assert reason.evidence == ("price: sim /price: HTTP 404, 2025-05-30T00:00:00Z",)


def test_a_run_that_was_cut_short_is_told(root: Path) -> None:
    told(root, AFTER, end=False)
    assert uncommitted(root).why == "interrupted"


def test_a_day_that_was_in_order_and_is_gone_is_told(root: Path) -> None:
    shutil.rmtree(market.bars_shelf(root).day_folder(EVERY[3]))
    assert ask(root, at(3 * 24 + 3))["bars"].why == "gone"


def test_an_instant_off_the_grid_is_refused_with_its_neighbours(root: Path) -> None:
    with pytest.raises(Usage, match=r"nearest are 2025-03-02T01:00:00\.000Z and 2025-03-02T02:00:00\.000Z"):
        ask(root, at(24) + 60_000)


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    def call(*words: str) -> tuple[int, str]:
        code = ending.status(commands, "lake", list(words))
        return code, capsys.readouterr().out

    return call


def test_the_command_tells_people_and_machines_the_same(root: Path, said: Callable[..., tuple[int, str]]) -> None:
    given = ("why", "BTCUSDT", "2025-04-05T04:00", "--tf", "1h", "--lake", str(root))
    code, text = said(*given)
    assert code == 0 and text.startswith("bars: missing, quarantined: the venue's bar was kept out: high below low")
    code, told_ = said(*given, "--json")
    assert [one["why"] for one in json.loads(told_)] == ["quarantined", "no bar", "no features"]
