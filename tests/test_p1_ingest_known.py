"""What is known of closed bars only grows until their day is committed, and every change is told with old and new."""

from __future__ import annotations

import json

import numpy as np
import pytest

from lake import parts
from meta.timeframes import HOUR, timeframe, utc
from p1_ingest.known import CLOSE, NAMES, NO_BARS, Bars, Change, bars_of, decided, lines, taken
from p1_ingest.silence import Silence
from tests.lakes import a_day

TF = timeframe("1h")
OI = NAMES.index("oi_now")


def bars(*closes: int, **columns: list[float]) -> Bars:
    """Bars that close at these hours, each worth 1 where nothing else is said."""
    values = np.full((len(closes), len(NAMES)), np.nan)
    values[:, CLOSE] = 1.0
    for name, column in columns.items():
        values[:, NAMES.index(name)] = column
    return Bars(np.array(closes, np.int64) * HOUR, values)


def test_new_bars_are_fresh_and_old_ones_stay_though_they_are_not_said_again() -> None:
    found = taken(bars(1, 2, oi_now=[5, 6]), bars(2, 4, oi_now=[6, 7]))
    assert (found.fresh, found.changes) == ([4 * HOUR], [])
    assert found.bars.ts.tolist() == [HOUR, 2 * HOUR, 4 * HOUR]
    assert found.bars.values[:, OI].tolist() == [5, 6, 7]


def test_another_value_replaces_and_a_missing_one_does_not() -> None:
    nan = float("nan")
    found = taken(bars(1, 2, 3, oi_now=[5, 6, nan]), bars(1, 2, 3, oi_now=[nan, 8, 9]))
    assert found.fresh == []
    assert found.bars.values[:, OI].tolist() == [5, 8, 9]
    assert found.changes[0] == Change(2 * HOUR, "oi_now", 6, 8)
    assert (found.changes[1].ts, np.isnan(found.changes[1].old), found.changes[1].new) == (3 * HOUR, True, 9)
    assert found.told == [2 * HOUR, 3 * HOUR]


def test_a_committed_day_has_the_last_word_and_a_bar_it_lacks_is_told_of_without_a_value() -> None:
    found = decided(bars(1, 2, oi_now=[5, 6]), bars(1, 3, oi_now=[float("nan"), 7]))
    assert found.fresh == [3 * HOUR]
    assert {(one.ts // HOUR, one.column) for one in found.changes} == {(1, "oi_now"), (2, "close"), (2, "oi_now")}
    told = [json.loads(line) for line in lines("BTCUSDT", TF, found.bars, found.told)]
    assert told[0] == {"symbol": "BTCUSDT", "tf": "1h", "ts": utc(HOUR), "close": 1.0}
    assert told[1] == {"symbol": "BTCUSDT", "tf": "1h", "ts": utc(2 * HOUR)}
    assert told[2]["oi_now"] == 7.0


@pytest.mark.parametrize("join", [taken, decided])
def test_the_same_again_is_nothing(join) -> None:  # type: ignore[no-untyped-def]
    once = bars(1, 2, oi_now=[float("nan"), 6])
    found = join(once, once)
    assert (found.fresh, found.changes, found.told) == ([], [], [])
    assert join(NO_BARS, once).fresh == [HOUR, 2 * HOUR]
    assert len(join(NO_BARS, NO_BARS).bars) == 0


def test_bars_go_to_a_table_and_back_as_they_were() -> None:
    from meta.columns import BARS

    table = a_day(columns=BARS)
    known = bars_of(table)
    again = known.table("BTCUSDT")
    assert parts.encoded(again.select(table.column_names)) == parts.encoded(table)
    said = json.loads(lines("BTCUSDT", TF, known, [int(known.ts[0])])[0])
    assert type(said["trades"]) is int
    assert said["oi_ts"].endswith("Z")
    assert bars_of(table.drop_columns(["oi_now"])).values[:, OI].tolist() != bars_of(table).values[:, OI].tolist()


def test_silence_is_told_when_it_begins_and_when_it_is_over() -> None:
    said: list[str] = []
    silence = Silence(said.append)
    silence.well("A", 0)
    silence.failed("A", "venue: no answer; run it again", 1_000, 6_000)
    silence.failed("B", "venue: no answer", 2_000, 7_000)
    silence.failed("A", "venue: no answer", 6_000, 16_000)
    silence.well("A", 61_000)
    assert len(said) == 1
    assert said[0].startswith("A: venue: no answer; asked again in 5 s, then less and less often")
    silence.well("B", 3_662_000)
    assert said[1:] == ["B: answered again, after 1 h 1 min"]
    silence.failed("B", "x", 0, 1)
    assert len(said) == 3
