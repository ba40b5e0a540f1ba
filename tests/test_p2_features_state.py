"""A stream goes on where it stopped: its state is whole or refused, and what it answers are the built parts' bits."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterable
from datetime import UTC, date, timedelta
from pathlib import Path

import numpy as np
import pytest

from lake import days, notes
from lake.layout import Shelf
from lake.span import Span
from meta.datasets import DATASETS
from meta.errors import BadPayload, NotReady, Refused, Tampered
from meta.timeframes import TIMEFRAMES, day_start, utc
from p2_features import build as building
from p2_features import state
from p2_features.choice import Asked, Choice, chosen
from p2_features.compute import compute, rows
from p2_features.feed import BEYOND, LATE, SAME, Feed, lines
from p2_features.stream import Engine
from p2_features.stream_cli import decided
from tests import market
from tests.lakes import copied
from tests.p2_bars import bars
from tests.test_p2_features_stream import FEATURES, TF, W, batch, engine, pushed, same, table

PROJECT = Path(__file__).resolve().parent.parent
HOUR = TIMEFRAMES["1h"]
FIRST = 5_817_723  # a position in 2025
N, SEEDED = 80, 70  # days of the market, and those the stream's lake holds when it starts


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Shelf:
    """Bars of N days with holes and missing inputs, and the features built of them."""
    shelf = market.bars_shelf(tmp_path_factory.mktemp("built"))
    market.commit_bars(shelf, market.columns(N), market.the_days(N))
    building.build(shelf.sibling(DATASETS["features"]), shelf, Span(), Asked())
    return shelf


@pytest.fixture(scope="module")
def young(tmp_path_factory: pytest.TempPathFactory) -> Shelf:
    """The same lake as it was after SEEDED days."""
    shelf = market.bars_shelf(tmp_path_factory.mktemp("young"))
    market.commit_bars(shelf, market.columns(N), market.the_days(SEEDED))
    building.build(shelf.sibling(DATASETS["features"]), shelf, Span(), Asked())
    return shelf


def bar_lines(shelf: Shelf, wanted: Iterable[date]) -> list[dict]:
    """The committed bars of these days as the stream takes them."""
    found = []
    for day in wanted:
        for row in days.need(shelf, day).table().to_pylist():
            given = {name: value for name, value in row.items() if isinstance(value, float)}
            found.append({"symbol": row["symbol"], "tf": shelf.tf.name, "ts": _ms(row["ts"]), **given})
    return found


def _ms(ts: object) -> int:
    return round(ts.replace(tzinfo=UTC).timestamp() * 1000)  # type: ignore[attr-defined]


def written_rows(bars_shelf: Shelf, first: date) -> dict[int, dict]:
    """Every row of the built parts from this day on: close in ms -> features."""
    shelf = bars_shelf.sibling(DATASETS["features"])
    return {
        _ms(row.pop("ts")): {name: value for name, value in row.items() if name != "symbol"}
        for day in days.committed(shelf)
        if day >= first
        for row in days.need(shelf, day).table().to_pylist()
    }


def streamed(shelf: Shelf, given: Iterable[dict | str], *options: str) -> tuple[list[dict], str, int]:
    text = "".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in given)
    command = [sys.executable, "-m", "p2_features", "stream", "--lake", str(shelf.root), "--tf", shelf.tf.name]
    done = subprocess.run(
        [*command, "--symbol", shelf.symbol, *options], input=text, capture_output=True, text=True, cwd=PROJECT
    )
    return [json.loads(line) for line in done.stdout.splitlines()], done.stderr, done.returncode


def bits(features: dict) -> list[bytes]:
    return [np.float64(value).tobytes() for value in features.values()]


def test_the_command_answers_the_bits_of_the_built_parts_across_a_restart(
    built: Shelf, young: Shelf, tmp_path: Path
) -> None:
    new = market.the_days(N)[SEEDED:]
    given = bar_lines(built, new)
    kept, half = str(tmp_path / "live.p2"), len(given) // 2
    first, told, code = streamed(young, given[:half], "--state", kept)
    assert code == 0, told
    assert f"from the lake up to {utc(day_start(new[0]))}" in told
    again, told, code = streamed(young, given[half:], "--state", kept)
    assert code == 0, told
    assert f"from the state up to {first[-1]['ts']}" in told
    assert f"features: {len(given) - half} bars, p50 " in told
    answers = first + again
    assert [answer["ts"] for answer in answers] == [utc(line["ts"]) for line in given]
    want = written_rows(built, new[0])
    assert len(want) > 100
    found = {line["ts"]: answer["features"] for line, answer in zip(given, answers, strict=True) if answer["written"]}
    assert found.keys() == want.keys()
    for ts, features in found.items():
        assert list(features) == list(want[ts])
        assert bits(features) == bits(want[ts]), utc(ts)


def test_lines_that_are_no_bars_are_named_and_skipped_or_fatal(built: Shelf, young: Shelf) -> None:
    good = bar_lines(built, market.the_days(N)[SEEDED : SEEDED + 1])[:3]
    bad = [
        '{"symbol": "BTCUSDT", "ts": 17',
        json.dumps({**good[1], "symbol": "ETHUSDT"}),
        json.dumps({**good[1], "ts": good[1]["ts"] + 1}),
    ]
    answers, told, code = streamed(young, [good[0], *bad, *good[1:]])
    assert code == 0
    assert len(answers) == 3
    assert "skipped: not JSON" in told
    assert "ETHUSDT 1h" in told
    assert "is no close of a 1h bar" in told
    assert "3 lines skipped" in told
    answers, told, code = streamed(young, [good[0], bad[1], *good[1:]], "--strict")
    assert (len(answers), code) == (1, 1)
    assert told.splitlines()[-1].startswith("error: ETHUSDT 1h")
    assert "Traceback" not in told


def test_a_stream_asked_to_stop_keeps_what_it_answered(built: Shelf, young: Shelf, tmp_path: Path) -> None:
    given, kept = bar_lines(built, market.the_days(N)[SEEDED:]), tmp_path / "live.p2"
    command = [sys.executable, "-m", "p2_features", "stream", "--lake", str(young.root), "--tf", "1h"]
    with subprocess.Popen(
        [*command, "--symbol", young.symbol, "--state", str(kept)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=PROJECT,
    ) as process:  # fmt: skip
        assert process.stdin and process.stdout and process.stderr
        for line in given[:5]:
            process.stdin.write(json.dumps(line).encode() + b"\n")
            process.stdin.flush()
            assert json.loads(process.stdout.readline())["ts"] == utc(line["ts"])
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 143
        assert b"stopped; run the same command again" in process.stderr.read()
    memory = state.load(kept, HOUR)[young.symbol]
    assert (memory.first + len(memory.bars) - 1) * HOUR.ms == given[4]["ts"]


def test_without_built_features_or_with_those_of_other_rules_nothing_is_streamed(young: Shelf, tmp_path: Path) -> None:
    copied(young.root, tmp_path)
    young = market.bars_shelf(tmp_path)
    shelf = young.sibling(DATASETS["features"])
    note = notes.read(shelf, notes.FEATURES)
    assert note is not None
    notes.write(shelf, notes.FEATURES, {**note, "code": "0" * 64})
    with pytest.raises(Refused, match="built by other features or rules"):
        decided(young, None)
    notes.path(shelf, notes.FEATURES).unlink()
    with pytest.raises(NotReady, match=r"no FEATURES.json; run `python -m p2_features build"):
        decided(young, None)
    assert [f.name for f in decided(young, "extended").features][-3] != [
        f.name for f in decided(young, "core").features
    ][-3]


def choice_of(shelf: Shelf) -> Choice:
    return chosen(shelf.sibling(DATASETS["features"]), shelf, Asked())


def engine_of(choice: Choice) -> Engine:
    return Engine(choice.features, choice.warmup, choice.window)


def test_the_newer_of_lake_and_state_starts_a_symbol_and_committed_days_win(young: Shelf, tmp_path: Path) -> None:
    choice, path = choice_of(young), tmp_path / "live.p2"
    code, end = choice.code(), day_start(market.the_days(N)[SEEDED])
    live = engine_of(choice)
    assert state.seed(live, young, code, None) == "lake"
    assert live.position("BTCUSDT") == end // HOUR.ms
    clean, _ = live.bars("BTCUSDT")
    for k in range(1, 4):
        live.step("BTCUSDT", end + k * HOUR.ms, {"close": 100.0 + k})
    spoiled = state.of(live, "BTCUSDT", code)
    assert spoiled is not None
    spoiled.bars[:-3] += 1.0
    state.save(path, HOUR, {"BTCUSDT": spoiled})
    after = engine_of(choice)
    assert state.seed(after, young, code, state.load(path, HOUR)["BTCUSDT"]) == "state"
    assert after.position("BTCUSDT") == end // HOUR.ms + 3
    bars_now, _ = after.bars("BTCUSDT")
    assert same(bars_now[:-3], clean[3:])
    assert bars_now[-3:, 0].tolist() == [101.0, 102.0, 103.0]
    old = state.Memory(code, live.columns, spoiled.bars[:-10], spoiled.first)
    again = engine_of(choice)
    assert state.seed(again, young, code, old) == "lake"
    assert same(again.bars("BTCUSDT")[0], clean)


def test_a_state_newer_than_all_the_lake_can_say_stands_alone(young: Shelf) -> None:
    choice = choice_of(young)
    live = engine_of(choice)
    far = np.full((live.reach + 1, len(live.columns)), 2.0)
    first = day_start(market.the_days(N)[SEEDED]) // HOUR.ms + 50
    kept = state.Memory(choice.code(), live.columns, far, first)
    assert state.seed(live, young, choice.code(), kept) == "state"
    assert live.bars("BTCUSDT")[1] == first


def test_a_state_of_other_features_or_rules_is_refused(young: Shelf, tmp_path: Path) -> None:
    choice = choice_of(young)
    live = engine_of(choice)
    kept = state.Memory("0" * 64, live.columns, np.ones((3, len(live.columns))), 5)
    with pytest.raises(Refused, match=r"live.p2 remembers BTCUSDT by other features or rules"):
        state.seed(live, young, choice.code(), kept, tmp_path / "live.p2")
    empty = market.bars_shelf(tmp_path / "nothing")
    with pytest.raises(NotReady, match="no committed day to start from"):
        state.seed(live, empty, choice.code(), None)


@pytest.mark.parametrize("damage", ["flipped", "moved", "endless", "cut", "headless", "other"])
def test_a_damaged_state_is_told_and_not_used(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "live.p2"
    state.save(path, TF, {"X": state.Memory("c", ("close",), np.arange(5.0).reshape(5, 1), 7)})
    data = path.read_bytes()
    path.write_bytes({
        "flipped": data[:-1] + bytes([data[-1] ^ 1]), "moved": data.replace(b'"first":7', b'"first":8'),
        "endless": data.replace(b'"bars":5', b'"bars":' + b"9" * 40), "cut": data[:-8],
        "headless": data.partition(b"\n")[2], "other": b'{"kind": "x"}\n',
    }[damage])  # fmt: skip
    with pytest.raises(Tampered, match="remove it"):
        state.load(path, TF)


def test_a_state_says_what_it_remembers_and_for_which_timeframe(tmp_path: Path) -> None:
    path = tmp_path / "new" / "live.p2"
    assert state.load(path, TF) == {}
    odd = np.array([[np.nan, -0.0], [np.inf, 5e-324]])
    state.save(path, TF, {"X": state.Memory("c", ("close", "oi_now"), odd, -7)})
    found = state.load(path, TF)["X"]
    assert (found.code, found.columns, found.first) == ("c", ("close", "oi_now"), -7)
    assert same(found.bars, odd)
    with pytest.raises(Refused, match="a state of 5m bars, not 1h"):
        state.load(path, HOUR)


def test_a_save_that_fails_leaves_the_state_before_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "live.p2"
    state.save(path, TF, {"X": state.Memory("c", ("close",), np.ones((1, 1)), 7)})
    before = path.read_bytes()
    monkeypatch.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(OSError, match="No space"):
        state.save(path, TF, {"X": state.Memory("c", ("close",), np.ones((2, 1)), 7)})
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["live.p2"]


@pytest.mark.parametrize("at", [1, 600, 1_200])
def test_an_engine_of_a_saved_state_goes_on_with_the_same_bits(tmp_path: Path, at: int) -> None:
    b, path = bars(1_400), tmp_path / "live.p2"
    before, after = engine(), engine()
    pushed(before, "X", b, 0, at, FIRST)
    memory = state.of(before, "X", "c")
    assert memory is not None
    state.save(path, TF, {"X": memory})
    found = state.load(path, TF)["X"]
    after.seed("X", dict(zip(found.columns, found.bars.T, strict=True)), found.first)
    assert same(pushed(after, "X", b, at, 1_400, FIRST)[0], batch(FEATURES, b, first=FIRST)[0][at:])


def feed_of(live: Engine, *symbols: str) -> tuple[Feed, list[str]]:
    told: list[str] = []
    return Feed(TF, dict.fromkeys(symbols or ("X",), live), told.append), told


def line(b: dict, t: int, symbol: str = "X", **more: object) -> bytes:
    given = {name: None if np.isnan(x[t]) else float(x[t]) for name, x in b.items()}
    return json.dumps({"symbol": symbol, "tf": "5m", "ts": utc((FIRST + t) * TF.ms), **given, **more}).encode()


def test_a_row_that_is_not_written_says_why_in_the_words_of_the_build() -> None:
    b = bars(1_500)
    done = compute(FEATURES, b, FIRST)
    _, reasons = rows(done, done.present, FIRST, W, W)
    feed, _ = feed_of(engine())
    counted: dict[str, int] = {}
    for t in range(1_500):
        answer = json.loads(feed.answer(line(b, t)))
        if not answer["written"]:
            counted[answer["why"]] = counted.get(answer["why"], 0) + 1
    assert counted == dict(reasons)
    assert {"gap", "warm-up"} < set(counted)


def test_a_late_bar_is_put_in_its_place_and_a_known_one_is_not_taken_twice() -> None:
    b = bars(1_300, holes=False)
    feed, _ = feed_of(engine())
    for t in range(1_000):
        if t != 950:
            feed.answer(line(b, t))
    assert json.loads(feed.answer(line(b, 950)))["why"] == LATE
    assert json.loads(feed.answer(line(b, 950)))["why"] == SAME
    assert json.loads(feed.answer(line(b, 10)))["why"] == BEYOND
    want, _ = batch(FEATURES, b, first=FIRST)
    for t in range(1_000, 1_300):
        features = json.loads(feed.answer(line(b, t)))["features"]
        assert bits(features) == [value.tobytes() for value in want[t]]


def test_the_newest_bar_restated_is_answered_anew() -> None:
    b = bars(900, holes=False)
    feed, _ = feed_of(engine())
    for t in range(899):
        feed.answer(line(b, t))
    first = feed.answer(line(b, 899, close=1.0))
    second = json.loads(feed.answer(line(b, 899)))
    want, _ = batch(FEATURES, b, first=FIRST)
    assert second["features"] != json.loads(first)["features"]
    assert bits(second["features"]) == [value.tobytes() for value in want[899]]
    assert json.loads(feed.answer(line(b, 899)))["why"] == SAME


@pytest.mark.parametrize(
    ("said", "named"),
    [
        (b"", "not JSON"),
        (b"[1]", "no bar"),
        (b'{"symbol": "X"}', "no bar"),
        (b'{"symbol": "X", "ts": "yesterday"}', "X 5m yesterday: ts is no time"),
        (b'{"symbol": "X", "ts": true}', "ts is no time"),
        (b'{"symbol": "X", "ts": 1746057900}', "ts is no time"),
        (b'{"symbol": "X", "ts": 1746057900000000}', "ts is no time"),
        (b'{"symbol": "X", "ts": "2025-05-01T00:04:00Z"}', "is no close of a 5m bar"),
        (b'{"symbol": "Y", "ts": 1746057900000}', "Y 5m 1746057900000: this symbol is not streamed"),
        (b'{"symbol": "X", "tf": "1h", "ts": 1746057900000}', "bars of 5m are streamed here"),
        (b'{"symbol": "X", "ts": 1746057900000, "close": "1.0"}', "close is 1.0, not a number"),
        (b'{"symbol": "X", "ts": 1746057900000, "close": true}', "close is True, not a number"),
        (b'{"symbol": "X", "ts": 1746057900000, "close": NaN}', "not JSON"),
        (b"\xff\xfe{}", "not JSON"),
    ],
)
def test_a_line_that_is_no_bar_is_refused_by_name(said: bytes, named: str) -> None:
    feed, _ = feed_of(engine())
    with pytest.raises(BadPayload, match=named):
        feed.answer(said)
    assert feed.engines["X"].position("X") is None


def test_a_time_is_iso_or_ms_and_a_column_nobody_knows_is_told_once() -> None:
    feed, told = feed_of(engine())
    ts = day_start(date(2025, 5, 1)) + TF.ms
    for k, said in enumerate((ts, "2025-05-01T00:10:00Z", "2025-05-01T02:15:00+02:00", "2025-05-01T00:20:00")):
        answer = feed.answer(json.dumps({"symbol": "X", "ts": said, "close": 1, "clsoe": 2.0}).encode())
        assert json.loads(answer)["ts"] == utc(ts + k * TF.ms)
    assert told == ["warning: clsoe is no bar column (see meta/DICTIONARY.md) and is not looked at"]


def test_a_line_without_end_comes_in_pieces() -> None:
    import io

    found = list(lines(io.BytesIO(b"{}\n\n" + b"x" * 200_000 + b"\n{}")))
    assert found[0] == b"{}\n"
    assert found[-1] == b"{}"
    assert max(map(len, found)) <= 1 << 16


def test_many_symbols_keep_their_own_bars_and_share_an_engine() -> None:
    given = {f"S{k}": bars(700, k) for k in range(4)}
    live = engine()
    feed, _ = feed_of(live, *given)
    want = {symbol: batch(FEATURES, b, first=FIRST) for symbol, b in given.items()}
    for t in range(700):
        for symbol, b in given.items():
            answer = json.loads(feed.answer(line(b, t, symbol)))
            assert answer["written"] == want[symbol][1][t]
            if answer["written"]:
                assert bits(answer["features"]) == [value.tobytes() for value in want[symbol][0][t]]
    assert feed.whole.count == 4 * 700
    assert table(live, given["S0"]).shape == (700, len(live.columns))


def test_restarts_anywhere_from_lake_and_state_give_the_built_rows(built: Shelf, tmp_path: Path) -> None:
    choice = choice_of(built)
    want = written_rows(built, market.FIRST)
    all_bars = bar_lines(built, market.the_days(N))
    live = engine_of(choice)
    found, path = {}, tmp_path / "live.p2"
    for i, said in enumerate(all_bars):
        if i % 211 == 210:
            memory = state.of(live, "BTCUSDT", choice.code())
            assert memory is not None
            state.save(path, HOUR, {"BTCUSDT": memory})
            live = engine_of(choice)
            empty = market.bars_shelf(tmp_path / "empty")
            state.seed(live, empty, choice.code(), state.load(path, HOUR)["BTCUSDT"])
        row = live.step("BTCUSDT", said["ts"], said)
        if row is not None:
            found[said["ts"]] = row
    assert {ts: bits(row) for ts, row in found.items()} == {ts: bits(row) for ts, row in want.items()}
    assert len(found) > 300


def test_the_days_of_the_market_are_what_the_tests_take_them_for() -> None:
    assert market.the_days(2) == [market.FIRST, market.FIRST + timedelta(days=1)]
