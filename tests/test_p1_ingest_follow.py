"""What follow tells of each bar is what the committed day will say, through outages, restarts, bans and odd clocks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from email.utils import formatdate
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lake import catalog, days, following, live, locks, raw, revisions, status
from meta.errors import Refused, Tampered, Usage, VenueRefused
from meta.timeframes import DAY, HOUR, MINUTE, day_of, day_start, days_between, timeframe, utc
from p1_ingest.known import NAMES, bars_of, lines
from p1_ingest.pace import Pace
from p1_ingest.sim.quirks import CALM
from p1_ingest.sources.binance import Binance, BinanceConf, Hosts
from p1_ingest.sources.coinglass import CoinGlass, sim_source
from p1_ingest.voice import Voice
from tests import lakes
from tests.archive import Archive, served
from tests.binance_venue import Venue, open_venue
from tests.follows import Fast, Heard, Moody, follow, shelf, without_newest
from tests.test_p1_ingest_record import run

DAY_1 = date(2025, 5, 1)
MORNING = day_start(DAY_1) + 9 * HOUR + 7 * MINUTE
TF = timeframe("1h")
PRICE = "/api/futures/price/history"
INTEREST = "/api/futures/open-interest/aggregated-history"


@pytest.fixture
def root() -> Iterator[Path]:
    with lakes.scratch() as where:
        yield where


def settling(venue: Moody, lag: int = 2 * HOUR) -> CoinGlass:
    """The stand-in's source with the settle lag of the real venue."""
    source = sim_source(venue.url)
    source.settle_lag_ms = lag
    return source


def test_a_live_file_of_a_symbol_that_is_no_text_is_told(root: Path) -> None:
    place, table = shelf(root), lakes.a_day()
    broken = pa.array([b"BT\xef"] * table.num_rows, pa.binary()).view(pa.string())
    live.path(place).parent.mkdir(parents=True)
    pq.write_table(table.set_column(table.column_names.index("symbol"), "symbol", broken), live.path(place))
    with pytest.raises(Tampered, match="is not what `follow` wrote"):
        live.read(place)


@pytest.mark.parametrize("lag", [0, 2 * HOUR])
def test_live_holds_what_no_committed_day_does(root: Path, lag: int) -> None:
    midnight = day_start(DAY_1) + DAY
    clock, heard = Fast(MORNING, midnight + HOUR + 10 * MINUTE), Heard()
    with Moody(clock) as venue:
        source, place = settling(venue, lag), shelf(root)
        follow(source, [place], clock, heard)
        kept = bars_of(live.read(place))  # type: ignore[arg-type]
        assert kept.ts[0] == day_start(DAY_1) + HOUR if lag else midnight + HOUR
        assert kept.ts[-1] == midnight + HOUR
        assert (DAY_1 in days.committed(place)) == (lag == 0)
        clock.until = midnight + 3 * HOUR + 10 * MINUTE
        follow(source, [place], clock, heard, before="sim")
    assert list(days.committed(place)) == [DAY_1]
    assert bars_of(live.read(place)).ts.tolist() == [midnight + i * HOUR for i in (1, 2, 3)]  # type: ignore[arg-type]
    assert [day_of(int(ts) - 1) for ts in kept.ts].count(DAY_1) == (24 if lag else 0)
    assert len(heard.lines) == 24 + 3


def test_a_look_is_not_recorded_and_a_promoted_day_is(root: Path) -> None:
    clock = Fast(MORNING, day_start(DAY_1) + DAY + 10 * MINUTE)
    with Moody(clock) as venue:
        follow(settling(venue, 0), [shelf(root)], clock, Heard())
        looks = len(venue.log)
    answers = [line for line in raw.lines(root) if isinstance(line, raw.Answer)]
    assert {tuple(line.days) for line in answers if line.days} == {(("2025-05-01", "2025-05-01"),)}
    assert len(answers) < looks / 5


# --- bars that are late, lack something, or are restated


def test_a_bar_that_lacks_something_is_waited_for_and_then_goes_out_whole_once(root: Path) -> None:
    clock, heard = Fast(MORNING, MORNING + 2 * HOUR), Heard()
    close = MORNING // HOUR * HOUR + HOUR
    with Moody(clock) as venue:

        def mood(path, query, reply):  # type: ignore[no-untyped-def]
            late = path == INTEREST and clock() < close + 12_000
            return without_newest(reply(), HOUR, close) if late else reply()

        venue.mood = mood
        follow(settling(venue), [shelf(root)], clock, heard)
    (told,) = [line for line in heard.json() if line["ts"] == utc(close)]
    assert "oi_now" in told
    assert not heard.changes


def test_a_bar_whose_values_come_after_all_patience_goes_out_without_and_again_with_them(root: Path) -> None:
    clock, heard = Fast(MORNING, MORNING + 2 * HOUR + 40 * MINUTE), Heard()
    close = MORNING // HOUR * HOUR + HOUR
    with Moody(clock) as venue:

        def mood(path, query, reply):  # type: ignore[no-untyped-def]
            newest = clock() // HOUR * HOUR
            late = path == INTEREST and clock() < newest + 60_000
            return without_newest(reply(), HOUR, newest) if late else reply()

        venue.mood = mood
        follow(settling(venue), [shelf(root)], clock, heard)
    first, again = [line for line in heard.json() if line["ts"] == utc(close)]
    assert "oi_now" not in first
    assert "oi_now" in again
    assert {name: value for name, value in again.items() if name in first} == first
    assert [line["ts"] for line in heard.json()][-3:] == [utc(close), utc(close), utc(close + HOUR)]
    (line,) = [line for line in heard.said if "not there" in line]
    assert "oi_now oi_base" in line
    assert {change.column for _, change, _ in heard.changes} == {"oi_now", "oi_base", "oi_ts"}
    assert all(np.isnan(change.old) and known > close for _, change, known in heard.changes)


def test_what_a_live_bar_said_first_is_kept_and_nothing_else(root: Path) -> None:
    clock, heard, place = Fast(MORNING, day_start(DAY_1) + DAY + 4 * HOUR), Heard(), shelf(root)
    with Moody(clock, replace(CALM, restated=1.0)) as venue:
        follow(settling(venue), [place], clock, heard)
    assert DAY_1 in days.committed(place)
    rows = [row for day in (DAY_1, DAY_1 + timedelta(days=1)) for row in revisions.live(place, day).to_pylist()]
    assert heard.changes and len(rows) == len(heard.changes)
    for row, (_, change, at) in zip(rows, heard.changes, strict=True):
        told = [None if value != value else value for value in (change.old, change.new)]
        assert [row["column"], row["old"], row["new"]] == [change.column, *told]
        assert (row["ts"].timestamp() * 1000, row["last_seen"].timestamp() * 1000) == (change.ts, at)
        assert row["first_seen"] is not None and row["ts"] < row["first_seen"] < row["last_seen"]
    with catalog.opened(root) as lake:
        (counted,) = lake.sql("SELECT count(*), count(first_seen) FROM revisions").fetchall()
    assert counted == (len(rows), len(rows))


def test_a_bar_that_comes_late_is_told_of_late_and_one_that_is_never_there_is_not(root: Path) -> None:
    clock, heard = Fast(MORNING, MORNING + 3 * HOUR + 30 * MINUTE), Heard()
    late, never = (MORNING // HOUR * HOUR + i * HOUR for i in (1, 2))
    with Moody(clock) as venue:

        def mood(path, query, reply):  # type: ignore[no-untyped-def]
            status, headers, body = reply()
            said = json.loads(body)
            if path == PRICE:
                hidden = {never, late} if clock() < late + HOUR + 30_000 else {never}
                said["data"] = [row for row in said["data"] if row["time"] + HOUR not in hidden]
            return status, headers, json.dumps(said).encode()

        venue.mood = mood
        follow(settling(venue), [shelf(root)], clock, heard)
    told = [line["ts"] for line in heard.json()]
    assert told[-2:] == [utc(late), utc(never + HOUR)]
    assert utc(never) not in told


def test_an_optional_series_that_fails_is_named_and_its_columns_stay_as_they_were(root: Path) -> None:
    clock, heard = Fast(MORNING, MORNING + 2 * HOUR), Heard()
    with Moody(clock) as venue:
        venue.mood = lambda path, query, reply: (
            (500, {}, b"oops") if path == INTEREST and clock() > MORNING + HOUR else reply()
        )
        place = shelf(root)
        follow(settling(venue), [place], clock, heard)
    kept = bars_of(live.read(place))  # type: ignore[arg-type]
    interest = kept.values[:, NAMES.index("oi_now")]
    assert len(kept) == 11
    assert not np.isnan(interest[:-1]).any()
    assert np.isnan(interest[-1])
    assert sum("is not answered, its columns are null meanwhile" in line for line in heard.said) == 2
    told = following.read(place)
    assert told is not None
    assert "oi" in told.trouble


# --- a venue that does not answer, bans, or refuses


def test_a_venue_that_is_down_at_the_start_is_told_of_once_and_caught_up_with(root: Path) -> None:
    clock, heard = Fast(MORNING, MORNING + 6 * HOUR), Heard()
    venue = Moody(clock).start()
    source, places = settling(venue), [shelf(root, symbol=name) for name in ("BTCUSDT", "ETHUSDT", "SOLUSDT")]
    for place in places:
        run(source, place, [DAY_1 - timedelta(days=4)], now=MORNING)
    venue.stop()
    clock.at = [(MORNING + 5 * HOUR, venue.start)]
    follow(source, places, clock, heard)
    venue.stop()
    (down,) = [line for line in heard.said if "less and less often" in line]
    assert "BTCUSDT 1h: " in down
    assert "run the same command" not in down
    (again,) = [line for line in heard.said if "answered again" in line]
    assert "after 5 h" in again
    for place in places:
        ours = [line["ts"] for line in heard.json() if line["symbol"] == place.symbol]
        assert ours == [utc(day_start(DAY_1) - 3 * DAY + i * HOUR) for i in range(1, 72 + 16)], "oldest first"
    back = [time for time, line in zip(heard.times, heard.json(), strict=True) if line["ts"] < utc(MORNING)]
    assert max(back) - min(back) < 10_000, "who finds the venue answering tells the others"
    assert min(back) < MORNING + 5 * HOUR + 6 * MINUTE
    assert not heard.changes, "no bar went out before all of it was answered"
    assert len(venue.log) < 500


def test_after_an_outage_the_first_bars_come_soon_and_whole(root: Path) -> None:
    clock, heard = Fast(MORNING, MORNING + 5 * HOUR), Heard()
    venue = Moody(clock).start()
    clock.at = [(MORNING + HOUR, venue.stop), (MORNING + 3 * HOUR, venue.start)]
    follow(settling(venue), [shelf(root)], clock, heard)
    venue.stop()
    assert [line["ts"] for line in heard.json()] == [utc(day_start(DAY_1) + i * HOUR) for i in range(1, 15)]
    assert heard.times[11] < MORNING + 3 * HOUR + 6 * MINUTE
    assert not heard.changes


def test_a_plan_that_is_not_told_keeps_days_out_and_no_bar(root: Path) -> None:
    clock, heard = Fast(MORNING, MORNING + 6 * HOUR), Heard()
    with Moody(clock) as venue:
        place = shelf(root)
        run(sim_source(venue.url), place, [DAY_1 - timedelta(days=2)], now=MORNING)
        venue.mood = lambda path, query, reply: (503, {}, b"") if "account" in path and clock() < until else reply()
        until = MORNING + 3 * HOUR
        follow(settling(venue), [place], clock, heard)
    assert {line["ts"] for line in heard.json()} >= {utc(day_start(DAY_1) + i * HOUR) for i in range(1, 16)}
    assert list(days.committed(place)) == [DAY_1 - timedelta(days=2), DAY_1 - timedelta(days=1)]
    assert sum("no day is committed" in line for line in heard.said) == 1
    assert not [line for line in heard.said if "answered again" in line or "less often" in line]


def test_a_ban_is_waited_out_without_a_request(root: Path) -> None:
    clock, heard = Fast(MORNING, MORNING + 8 * HOUR), Heard()
    asked: list[int] = []
    with Moody(clock) as venue:

        def mood(path, query, reply):  # type: ignore[no-untyped-def]
            if MORNING + HOUR < clock() < MORNING + 3 * HOUR:
                asked.append(clock())
                return 418, {"Retry-After": "10800"}, b'{"code": "418"}'
            return reply()

        venue.mood = mood
        follow(settling(venue), [shelf(root)], clock, heard)
    assert len(asked) <= 9, "what was under way when the ban came, and nothing more"
    (line,) = [line for line in heard.said if "nothing is asked until" in line]
    assert "has banned this address" in line
    assert utc(asked[0] + 3 * HOUR)[:16] in line
    assert len({line["ts"] for line in heard.json()}) == len(heard.lines) == 17


def test_a_key_that_is_not_taken_ends_it_and_one_bad_symbol_does_not(root: Path) -> None:
    clock, heard = Fast(MORNING, MORNING + 3 * HOUR), Heard()
    with Moody(clock) as venue:
        places = [shelf(root, symbol="NOPEUSDT"), shelf(root)]
        follow(settling(venue), places, clock, heard)
        assert {line["symbol"] for line in heard.json()} == {"BTCUSDT"}
        (line,) = [line for line in heard.said if "the other symbols go on" in line]
        assert line.startswith("NOPEUSDT 1h: ")
        clock.until += 3 * HOUR
        venue.quirks = replace(CALM, keys=frozenset({"another"}))
        with pytest.raises(VenueRefused, match="key"):
            follow(settling(venue), places[1:], clock, heard, before="sim")
    told = following.read(places[1])
    assert told is not None
    assert (told.state, "key" in told.trouble) == (following.FAILED, True)
    assert len(bars_of(live.read(places[1]))) == 12  # type: ignore[arg-type]


# --- odd clocks


def test_a_clock_that_jumps_loses_no_bar_and_repeats_none(root: Path) -> None:
    clock, heard = Fast(MORNING, MORNING + 9 * HOUR), Heard()

    def jump(hours: int) -> None:
        clock.ms += hours * HOUR

    clock.at = [(MORNING + 2 * HOUR, lambda: jump(3)), (MORNING + 6 * HOUR, lambda: jump(-2))]
    with Moody(clock) as venue:
        follow(settling(venue), [shelf(root)], clock, heard)
    told = [line["ts"] for line in heard.json()]
    assert told == [utc(day_start(DAY_1) + i * HOUR) for i in range(1, 19)]
    assert sum("the clock went back by 71" in line for line in heard.said) == 1


@pytest.mark.parametrize("headers", [{}, {"Age": "90"}])
def test_a_clock_ahead_of_the_venues_takes_no_bar_that_still_runs_there(root: Path, headers: dict[str, str]) -> None:
    ahead = 90_000
    clock, heard = Fast(MORNING, MORNING + 2 * HOUR), Heard()
    with Moody(clock, replace(CALM, boundary_lag=0)) as venue:
        venue.clock = lambda: clock() - ahead

        def mood(path, query, reply):  # type: ignore[no-untyped-def]
            status, said, body = reply()
            return status, said | headers | {"Date": formatdate(venue.clock() / 1000, usegmt=True)}, body

        venue.mood = mood
        follow(settling(venue), [shelf(root)], clock, heard)
    told = [line for line in heard.said if "s ahead of the venue's" in line]
    if headers:  # a cache's Date is no clock, so the bar that still runs is taken, and restated once it has closed
        assert (told, bool(heard.changes)) == ([], True)
    else:
        assert told == ["this clock is 89 s ahead of the venue's; bars are taken by the venue's"]
        assert not heard.changes
        assert len(heard.lines) == 11


def test_a_clock_that_was_ahead_and_is_set_right_leaves_no_hole(root: Path) -> None:
    clock, heard, ahead = Fast(MORNING, MORNING + 5 * HOUR), Heard(), [0]

    def set_clock(hours: int) -> None:
        clock.ms, clock.until = clock.ms + (hours - ahead[0]) * HOUR, clock.until + (hours - ahead[0]) * HOUR
        ahead[0] = hours

    clock.at = [(MORNING + HOUR, lambda: set_clock(9)), (MORNING + 11 * HOUR, lambda: set_clock(0))]
    with Moody(clock) as venue:
        venue.clock = lambda: clock() - ahead[0] * HOUR
        follow(settling(venue), [shelf(root)], clock, heard)
    assert {line["ts"] for line in heard.json()} == {utc(day_start(DAY_1) + i * HOUR) for i in range(1, 15)}
    right = {line["ts"]: time for line, time in zip(heard.json(), heard.times, strict=True)}
    assert right[utc(day_start(DAY_1) + 13 * HOUR)] < day_start(DAY_1) + 13 * HOUR + MINUTE


def test_each_symbol_has_its_own_moment_and_keeps_it() -> None:
    paces = [Pace(f"COIN{i}USDT", TF, 5_000, 20_000) for i in range(40)]
    moments = {pace.after_close for pace in paces}
    assert len(moments) > 35
    assert all(5_000 <= moment < 10_000 for moment in moments)
    assert [pace.after_close for pace in paces] == [Pace(p.symbol, TF, 5_000, 0).after_close for p in paces]
    at = 1_000 * HOUR + paces[0].after_close
    assert (paces[0].due(at), paces[0].due(at - 1)) == (1_000 * HOUR, 999 * HOUR)
    assert (paces[0].next(at), paces[0].next(at - 1)) == (at + HOUR, at)
    waits = [paces[0].again(0, n) for n in range(1, 12)]
    assert waits == sorted(waits)
    assert 5_000 <= waits[0] < 6_500
    assert waits[-1] < 400_000


# --- the lake beside it


def test_days_wait_for_another_writer_who_may_also_commit_them(root: Path) -> None:
    midnight = day_start(DAY_1) + DAY
    clock, heard = Fast(MORNING, midnight + HOUR + 10 * MINUTE), Heard()
    with Moody(clock) as venue:
        source, place = settling(venue, 0), shelf(root)
        lock = locks.job(place)
        clock.at = [
            (MORNING + HOUR, lock.__enter__),
            (midnight + 4 * MINUTE, lambda: lock.__exit__(None, None, None)),
            (midnight + 4 * MINUTE + 1, lambda: run(sim_source(venue.url), place, [DAY_1], now=clock())),
        ]
        follow(source, [place], clock, heard)
    assert sum("is being written by" in line for line in heard.said) == 1
    assert list(days.committed(place)) == [DAY_1]
    assert len(bars_of(live.read(place))) == 1  # type: ignore[arg-type]
    assert len(heard.lines) == 25


def test_it_goes_on_from_a_lake_that_ends_days_ago_and_leaves_an_old_one_to_ingest(root: Path) -> None:
    clock, heard = Fast(MORNING, MORNING + 10 * MINUTE), Heard()
    with Moody(clock) as venue:
        near, far = shelf(root), shelf(root, symbol="ETHUSDT")
        run(sim_source(venue.url), near, [DAY_1 - timedelta(days=6)], now=MORNING)
        run(sim_source(venue.url), far, [DAY_1 - timedelta(days=60)], now=MORNING)
        follow(settling(venue), [near, far], clock, heard)
    assert list(days.committed(near)) == days_between(DAY_1 - timedelta(days=6), DAY_1 - timedelta(days=1))
    assert list(days.committed(far)) == [DAY_1 - timedelta(days=60)]
    assert [line["ts"] for line in heard.json() if line["symbol"] == "BTCUSDT"] == [
        utc(day_start(DAY_1) - 5 * DAY + i * HOUR) for i in range(1, 5 * 24 + 10)
    ]
    (line,) = [line for line in heard.said if "brings those between" in line]
    assert "ETHUSDT 1h: the lake ends 2025-03-02" in line


def test_another_sources_lake_is_refused_and_its_live_bars_are_not_mixed_in(root: Path) -> None:
    clock, heard = Fast(MORNING, MORNING + 10 * MINUTE), Heard()
    with Moody(clock) as venue:
        place = shelf(root)
        follow(settling(venue), [place], clock, heard)
        source = settling(venue)
        source.name = "other"
        source.hosts, source.pools = {"other": source.hosts["sim"]}, {}
        clock.until += HOUR
        again = follow(source, [place], clock, Heard(), before="sim")
        assert len(again.lines) == 10, "all of today is read and told of anew"
        run(sim_source(venue.url), place, [DAY_1 - timedelta(days=2)], now=MORNING)
        with pytest.raises(Refused, match="holds days of sim"):
            follow(source, [place], clock, heard)


def test_a_day_that_is_damaged_meanwhile_stops_no_bar_and_asks_for_nothing_more(root: Path) -> None:
    midnight = day_start(DAY_1) + DAY
    clock, heard = Fast(midnight - 2 * HOUR, midnight + 8 * HOUR), Heard()
    with Moody(clock) as venue:
        source, place = settling(venue, 0), shelf(root)
        run(sim_source(venue.url), place, [DAY_1 - timedelta(days=1)], now=clock())
        manifest = place.day_folder(DAY_1 - timedelta(days=1)) / "MANIFEST.tsv"
        clock.at = [(midnight - HOUR, lambda: manifest.write_bytes(b"file"))]
        follow(source, [place], clock, heard)
        asked = len(venue.log)
    assert len(heard.lines) == 24 + 8
    assert sum("MANIFEST.tsv" in line for line in heard.said) == 1
    assert asked < 16 * 12, "a look a bar, and nothing for the day that cannot be committed"
    told = following.read(place)
    assert told is not None
    assert told.errors >= 5


def test_a_disk_that_refuses_live_is_told_and_bars_go_out_all_the_same(root: Path) -> None:
    clock, heard = Fast(MORNING, MORNING + 2 * HOUR), Heard()
    (root / "live").write_text("in the way")
    with Moody(clock) as venue:
        follow(settling(venue), [shelf(root)], clock, heard)
    assert len(heard.lines) == 11
    assert sum("live/ was not written" in line for line in heard.said) == 1


def test_a_damaged_live_file_is_made_anew(root: Path) -> None:
    clock, heard = Fast(MORNING, MORNING + 10 * MINUTE), Heard()
    place = shelf(root)
    with Moody(clock) as venue:
        follow(settling(venue), [place], clock, heard)
        whole = live.path(place).read_bytes()
        left = live.path(place).with_name(f".{live.path(place).name}.17.tmp")
        for damaged in (whole[: len(whole) // 2], b"", whole.replace(b"BTCUSDT", b"XXXUSDT")):
            live.path(place).write_bytes(damaged)
            left.write_bytes(b"of a killed process")
            again = Heard()
            clock.ms, clock.until = MORNING, MORNING + 10 * MINUTE
            follow(settling(venue), [place], clock, again, before="sim")
            assert live.path(place).read_bytes() == whole
            assert not left.exists()
            assert sum("is not what `follow` wrote" in line for line in again.said) == 1


@pytest.mark.parametrize("first", [DAY_1 - timedelta(days=1), DAY_1 - timedelta(days=2)])
def test_it_ends_when_nobody_listens_any_more_and_tells_the_same_bars_next_time(root: Path, first: date) -> None:
    class Deaf(Heard):
        def voice(self) -> Voice:
            def emit(line: bytes) -> None:
                raise BrokenPipeError

            return replace(super().voice(), emit=emit)

    clock, place = Fast(MORNING, MORNING + 10 * MINUTE), shelf(root)
    with Moody(clock) as venue:
        run(sim_source(venue.url), place, [first], now=MORNING)
        with pytest.raises(BrokenPipeError):
            follow(settling(venue), [place], clock, Deaf())
        heard = follow(settling(venue), [place], clock, Heard(), before="sim")
    assert heard.json()[-1]["ts"] == utc(MORNING // HOUR * HOUR)
    assert len(heard.lines) == 9


def test_how_it_stands_is_told_and_judged(root: Path) -> None:
    clock = Fast(MORNING, MORNING + HOUR)
    place = shelf(root)
    with Moody(clock) as venue:
        follow(settling(venue), [place], clock, Heard())
    told = following.read(place)
    assert told is not None
    assert (told.last_bar, told.live, told.bars, told.errors) == (MORNING // HOUR * HOUR + HOUR, 10, 10, 0)
    assert 5_000 <= told.lag_ms < 10_000
    assert "it ended" in told.unwell(clock())
    well = following.Told(**{name: getattr(told, name) for name in told.__struct_fields__} | {"state": "following"})
    assert well.unwell(well.beat + MINUTE) == ""
    assert "no sign of life" in well.unwell(well.beat + 6 * MINUTE)
    quiet = following.Told(
        **{name: getattr(well, name) for name in well.__struct_fields__} | {"beat": well.beat + 4 * HOUR}
    )
    assert "no answer since" in quiet.unwell(quiet.beat)
    fell = following.Told(
        **{name: getattr(well, name) for name in well.__struct_fields__} | {"state": "failed", "trouble": "no key"}
    )
    assert f"NOT WELL, it failed {utc(fell.beat)}: no key; last bar" in fell.line(clock())
    assert told.line(clock()).startswith(f"follow 1h BTCUSDT: ended {utc(told.beat)}; last bar ")
    assert well.line(well.beat).startswith("follow 1h BTCUSDT: last bar 2025-05-01T10:00:00.000Z, known ")
    assert following.all_of(root) == [told]
    assert status.status(root).lines(False, clock())[-1] == told.line(clock())
    assert status.status(root).data()["followed"][0]["last_bar"] == told.last_bar  # type: ignore[index]


# --- a source with an archive


class Late(Venue):
    """Binance's REST, whose interest and ratios come two minutes after the bar."""

    def _metrics(self, path: str, symbol: str, start: int, end: int) -> list[dict[str, Any]]:
        return super()._metrics(path, symbol, start, min(end, self.now - 2 * MINUTE))


@pytest.mark.parametrize("kind", [Venue, Late])
def test_binances_live_bars_come_by_rest_and_are_those_of_the_committed_day(root: Path, kind: type[Venue]) -> None:
    evening = day_start(date(2025, 3, 2)) + 20 * HOUR + 7 * MINUTE
    clock, heard, log = Fast(evening, evening + 5 * HOUR + 10 * MINUTE), Heard(), list[str]()
    venue, archive = kind(clock()), Archive(root / "archive")
    day = day_of(evening)
    archive.days("BTCUSDT", TF, [day - timedelta(days=2), day - timedelta(days=1)])
    clock.moved = lambda ms: setattr(venue, "now", ms)
    with served(archive.root) as vision, open_venue(venue) as rest:
        source = Binance(BinanceConf(hosts=Hosts(vision, rest, rest)), clock=clock)
        place = shelf(root / "lake")
        follow(source, [place], clock, heard, log=log.append)
    assert list(days.committed(place)) == [day]
    told = {line["ts"]: line for line in heard.json()}
    bars = bars_of(days.need(place, day).table())
    whole = [json.loads(line) for line in lines("BTCUSDT", TF, bars, bars.ts.tolist())]
    assert [told[line["ts"]] for line in whole] == whole
    assert {"oi_now", "ls_taker", "funding_now", "mark_price", "spot_taker_buy"} <= set(whole[-1])
    first = next(i for i, line in enumerate(log) if "binance_vision" in line)
    looks = [line for line in log[:first] if "binance_fapi /fapi/v1/klines" in line]
    assert len(looks) >= 5, "before midnight the archive was asked for nothing"
    assert bool(heard.changes) == (kind is Late)
    if kind is Late:
        assert sum("oi_now oi_base ls_top_account" in line for line in heard.said) == 1
    with pytest.raises(Usage, match="archive alone"):
        Binance(BinanceConf(route="daily")).today()


def test_an_exchange_of_ccxts_is_followed_like_the_others(root: Path) -> None:
    pytest.importorskip("ccxt", reason="the ccxt extra is not installed")
    from tests.ccxt_venue import CcxtVenue
    from tests.test_p1_ingest_sources_ccxt import PERP, World

    evening = day_start(date(2025, 3, 20)) + 21 * HOUR + 7 * MINUTE
    clock, heard = Fast(evening, evening + 4 * HOUR + 10 * MINUTE), Heard()
    venue = CcxtVenue(clock())
    clock.moved = lambda ms: setattr(venue, "now", ms)
    with open_venue(venue) as url:
        made = World(venue, url)
        place = shelf(root, symbol=PERP)
        follow(made.source, [place], clock, heard)
        made.sender.close()
    day = day_of(evening)
    assert list(days.committed(place)) == [day]
    bars = bars_of(days.need(place, day).table())
    whole = [json.loads(line) for line in lines(PERP, TF, bars, bars.ts.tolist())]
    told = {line["ts"]: line for line in heard.json()}
    assert [told[line["ts"]] for line in whole] == whole
    assert len(heard.lines) == 24 + 1
