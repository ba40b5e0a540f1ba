"""A run is recorded whole before anything of it is published, and the record alone makes the same lake again."""

from __future__ import annotations

import json
import re
import shutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from lake import commit, ending, raw
from lake.layout import Shelf
from lake.layout import shelf as shelf_of
from lake.reasons import Asked
from lake.span import Span
from lake.why import why
from meta.datasets import DATASETS
from meta.errors import NotReady, PerplakeError, Refused, Tampered
from meta.timeframes import DAY, HOUR, day_start, days_between, timeframe
from p1_ingest.cli import commands
from p1_ingest.http import Sender
from p1_ingest.ingest import ingest
from p1_ingest.record import Record
from p1_ingest.replay import Replay
from p1_ingest.replay_cli import replayed
from p1_ingest.sim.quirks import CALM, HEALTHY, Quirks
from p1_ingest.sim.server import SimVenue
from p1_ingest.sources.base import Host, Reply, Request, Source
from p1_ingest.sources.binance import Binance, binance_conf
from p1_ingest.sources.coinglass import CoinGlass, sim_source
from p1_ingest.sources.coinglass_conf import coinglass_conf
from p1_ingest.summary import Summary
from p1_ingest.wanted import Choice
from tests import binance_venue, lakes
from tests.archive import Archive, served
from tests.canned import Canned, Clock, reply

FIRST = date(2025, 5, 1)
NOW = day_start(date(2025, 6, 20))
SYMBOL, TF = "BTCUSDT", "1h"
CHOICE = Choice(workers=2)


@pytest.fixture
def root() -> Iterator[Path]:
    before = set(threading.enumerate())
    with lakes.scratch() as where:
        yield where
        for left in set(threading.enumerate()) - before:  # a run that failed leaves its workers to end by themselves
            left.join(10)


def shelf(root: Path, tf: str = TF) -> Shelf:
    return shelf_of(root, DATASETS["bars"], timeframe(tf), SYMBOL)


def the_days(n: int, first: date = FIRST) -> list[date]:
    return days_between(first, first + timedelta(days=n - 1))


def run(
    source: Source,
    place: Shelf,
    wanted: list[date],
    now: int = NOW,
    choice: Choice = CHOICE,
    keys: dict[str, str] | None = None,
) -> Summary:
    """One recorded ingest, as the command does it."""
    clock, record = Clock(), Record(place.root, source.name, lambda: now)
    seams = {"record": record.heard, "failed": record.failed}
    with Sender(source.hosts, keys=keys, clock=clock, sleep=clock.sleep, tries=3, **seams) as sender:  # type: ignore[arg-type]
        return ingest(source, sender, place, wanted, choice, lambda: now, record=record)


def again(source: str, recorded: Path, root: Path, tf: str = TF, span: Span = Span(), **choice: Any) -> list[Summary]:  # noqa: B008
    """The record of one lake, replayed into another."""
    done, failed = replayed(source, recorded, {shelf(root, tf): span}, replace(CHOICE, **choice), lambda line: None)
    assert not failed
    return done


def same(one: Path, other: Path) -> bool:
    found = lakes.day_folders(one)
    assert found
    return found == lakes.day_folders(other)


def bodies(root: Path) -> list[str]:
    return sorted(path.name for path in (root / "raw").rglob("*.zst"))


# --- the same lake from the record alone


@pytest.mark.parametrize("quirks", [CALM, HEALTHY, replace(HEALTHY, empty_pages=0.1, server_errors=0.2)])
def test_the_record_of_a_stand_in_makes_the_same_lake(root: Path, quirks: Quirks) -> None:
    with SimVenue(quirks, lambda: NOW) as venue:
        live = run(sim_source(venue.url), shelf(root / "a", "5m"), the_days(9))
    assert live.committed
    (told,) = again("sim", root / "a", root / "b", "5m")
    assert same(root / "a", root / "b")
    assert told.data() == live.data()
    assert (shelf(root / "b", "5m").folder / "OFFERED.json").exists()


@pytest.fixture
def archive(root: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Archive]:
    for name in ("BINANCE_FAPI_URL", "BINANCE_SPOT_URL"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    made = Archive(root / "archive")
    with served(made.root) as url:
        (made.root).mkdir(exist_ok=True)
        monkeypatch.setenv("BINANCE_VISION_URL", url)
        yield made


def binance(now: int = NOW) -> Binance:
    return Binance(binance_conf(), clock=lambda: now)


def test_the_record_of_an_archive_makes_the_same_lake(
    root: Path, archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a series that answers 404, an unpublished digest, a mismatch, and a day that lacks its klines."""
    days = the_days(5)
    archive.days(SYMBOL, timeframe(TF), days)
    shutil.rmtree(archive.root / "data/spot")
    klines = archive.root / f"data/futures/um/daily/klines/{SYMBOL}/{TF}"
    (klines / f"{SYMBOL}-{TF}-2025-05-03.zip.CHECKSUM").write_text(f"{'0' * 64}  {SYMBOL}-{TF}-2025-05-03.zip\n")
    (klines / f"{SYMBOL}-{TF}-2025-05-02.zip.CHECKSUM").unlink()
    (klines / f"{SYMBOL}-{TF}-2025-05-05.zip").unlink()
    live = run(binance(), shelf(root / "a"), days)
    assert [str(day) for day in live.committed] == ["2025-05-01", "2025-05-02", "2025-05-04"] and live.failed
    monkeypatch.setenv("BINANCE_VISION_URL", "http://127.0.0.1:9")
    (told,) = again("binance", root / "a", root / "b")
    assert same(root / "a", root / "b")
    assert told.data() == live.data()


def test_of_a_month_whose_file_is_broken_the_files_of_its_days_are_taken(
    root: Path, archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    february, lost = the_days(28, date(2025, 2, 1)), date(2025, 2, 10)
    for day in february:
        if day != lost:
            archive.bars("klines", SYMBOL, timeframe(TF), [day])
    month = archive.bars("klines", SYMBOL, timeframe(TF), february, monthly=True)
    month.with_name(month.name + ".CHECKSUM").write_text(f"{'0' * 64}  {month.name}\n")
    live = run(binance(), shelf(root / "a"), february)
    assert list(live.failed) == [lost], "what only the broken file has stays out, and is not taken for no bars"
    assert "its .CHECKSUM says" in live.failed[lost] and len(live.committed) == 27
    assert any(f"{month.name} has sha256" in line and "files of its days" in line for line in live.lines())
    monkeypatch.setenv("BINANCE_VISION_URL", "http://127.0.0.1:9")
    again("binance", root / "a", root / "b")
    assert same(root / "a", root / "b")


def test_a_replay_of_a_replay_is_the_same_again(root: Path) -> None:
    with SimVenue(CALM, lambda: NOW) as venue:
        run(sim_source(venue.url), shelf(root / "a"), the_days(4))
    again("sim", root / "a", root / "b")
    again("sim", root / "b", root / "c")
    assert same(root / "a", root / "c")
    assert bodies(root / "a") == bodies(root / "c")


def test_a_lake_that_grew_run_by_run_is_rebuilt_with_its_restatements(root: Path) -> None:
    days, place = the_days(6), shelf(root / "a")
    changed = 0
    for last in range(2, 7):
        now = day_start(days[last - 1]) + DAY
        with SimVenue(replace(HEALTHY, restated_deep=0.2), lambda now=now: now) as venue:  # type: ignore[misc]
            changed += len(run(sim_source(venue.url), place, days[:last], now).changed)
    assert changed, "the venue should have restated a day, or this proves little"
    assert len(again("sim", root / "a", root / "b")) == 5
    assert same(root / "a", root / "b")
    assert lakes.told(root / "a") == lakes.told(root / "b")
    before = lakes.told(root / "a")
    again("sim", root / "a", root / "a")
    assert lakes.told(root / "a") == before, "in place no day goes back to what it was before it was restated"


def test_each_run_is_replayed_at_its_own_instant(root: Path, archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is not there is waited for at first, and weeks later taken for not offered."""
    days, lives = the_days(4, date(2025, 4, 26)), []
    archive.days(SYMBOL, timeframe(TF), days)
    (archive.root / f"data/spot/daily/klines/{SYMBOL}/{TF}/{SYMBOL}-{TF}-{days[3]}.zip").unlink()
    with binance_venue.open_venue(binance_venue.Venue(NOW, refuses=451)) as url:
        for name in ("BINANCE_FAPI_URL", "BINANCE_SPOT_URL"):
            monkeypatch.setenv(name, url)
        for now in (day_start(days[3]) + 3 * DAY, day_start(days[3]) + 60 * DAY):
            lives.append(run(binance(now), shelf(root / "a"), days, now))
    assert list(lives[0].waiting) == [days[3]] and lives[1].committed == [days[3]]
    told = again("binance", root / "a", root / "b")
    assert [(one.committed, one.waiting) for one in told] == [(one.committed, one.waiting) for one in lives]
    assert same(root / "a", root / "b")


def test_replaying_in_place_puts_back_what_is_gone_and_touches_nothing_else(root: Path) -> None:
    place = shelf(root)
    with SimVenue(CALM, lambda: NOW) as venue:
        run(sim_source(venue.url), place, the_days(6))
    before, index = lakes.day_folders(root), raw.index(root).read_bytes()
    inode = place.day_folder(FIRST).stat().st_ino
    shutil.rmtree(place.day_folder(FIRST + timedelta(days=2)))
    again("sim", root, root)
    assert lakes.day_folders(root) == before
    assert place.day_folder(FIRST).stat().st_ino == inode
    assert raw.index(root).read_bytes() == index, "a lake's own record is read, not told again"


def test_a_range_is_replayed_by_the_newest_answers(root: Path) -> None:
    with SimVenue(CALM, lambda: NOW) as venue:
        source, days = sim_source(venue.url), the_days(4)
        run(source, shelf(root / "a"), days)
        clock, record = Clock(), Record(root / "a", "sim", lambda: NOW)
        with Sender(source.hosts, record=record.heard, clock=clock, sleep=clock.sleep) as sender:
            source.gate(timeframe(TF), NOW, lambda request: sender.send(request, source.judge))
        record.tell()
    again("sim", root / "a", root / "b", span=Span(None, days[0], days[-1]))
    assert same(root / "a", root / "b")


def test_a_day_within_a_recorded_run_is_replayed_alone_and_is_the_same(root: Path) -> None:
    """A venue of pages was asked for the whole range: for one day of it alone nothing is on record."""
    with SimVenue(CALM, lambda: NOW) as venue:
        run(sim_source(venue.url), shelf(root / "a"), the_days(6))
    days = the_days(6)
    again("sim", root / "a", root / "b", span=Span(None, days[2], days[3]))
    made, whole = lakes.day_folders(root / "b"), lakes.day_folders(root / "a")
    assert len(made) == 2 and made.items() <= whole.items()


def test_days_beyond_the_record_are_named_with_the_way_on(root: Path) -> None:
    with SimVenue(CALM, lambda: NOW) as venue:
        run(sim_source(venue.url), shelf(root / "a"), the_days(4))
    with pytest.raises(Refused, match=r"was never recorded .*ingest with the network, or replay other days"):
        again("sim", root / "a", root / "b", span=Span(None, the_days(6)[2], the_days(6)[5]))


def test_a_run_that_was_cut_short_is_replayed_as_far_as_it_came(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    days, place = the_days(40, date(2025, 4, 20)), shelf(root / "a")
    publish = commit.Writer.publish

    def power_cut(writer: commit.Writer) -> list[date]:
        if any(staged.day.month == 5 for staged in writer.staged):
            raise KeyboardInterrupt
        return publish(writer)

    with SimVenue(CALM, lambda: NOW) as venue:
        with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
            patched.setattr(commit.Writer, "publish", power_cut)
            run(sim_source(venue.url), place, days)
        assert len(lakes.day_folders(root / "a")) == 11
        run(sim_source(venue.url), place, days)
    again("sim", root / "a", root / "b")
    assert same(root / "a", root / "b")


def test_answers_lost_with_a_run_that_was_cut_short_end_its_replay_there(root: Path) -> None:
    with SimVenue(CALM, lambda: NOW) as venue:
        run(sim_source(venue.url), shelf(root / "a"), the_days(20, date(2025, 4, 20)))
    told = list(raw.lines(root / "a"))
    lost = [line for line in told if isinstance(line, raw.Answer) and raw.within(date(2025, 5, 5), line.days)]
    raw.index(root / "a").unlink()
    raw.tell(root / "a", [line for line in told if line not in lost])
    with pytest.raises(Refused, match="was never recorded in the run of"):  # it said it came to its end
        again("sim", root / "a", root / "b")
    raw.index(root / "a").unlink()
    raw.tell(root / "a", [line for line in told if line not in lost and not isinstance(line, raw.End)])
    assert again("sim", root / "a", root / "c") == []
    assert {name.split("/")[-2] for name in lakes.day_folders(root / "c")} == {"m=04"}


# --- what the record lacks, or holds damaged, is said


def test_what_was_never_recorded_is_named(root: Path) -> None:
    with SimVenue(CALM, lambda: NOW) as venue:
        run(sim_source(venue.url), shelf(root / "a"), the_days(2))
    replay = Replay(root / "a", "sim")
    asked = Request("price", "sim", "/api/x", (("symbol", "ETH"),), (), 0, 0)
    with pytest.raises(Refused, match=re.escape("sim /api/x?symbol=ETH was never recorded")) as told:
        replay(asked, "", {}, 1.0)
    assert "\n" not in str(told.value)
    with pytest.raises(NotReady, match="nothing of binance"):
        Replay(root / "a", "binance")


@pytest.mark.parametrize("harm", ["gone", "altered"])
def test_a_damaged_body_stops_the_replay_by_name(root: Path, harm: str) -> None:
    with SimVenue(CALM, lambda: NOW) as venue:
        run(sim_source(venue.url), shelf(root / "a"), the_days(2))
    victim = next(line.sha256 for line in raw.lines(root / "a") if isinstance(line, raw.Answer))
    if harm == "gone":
        raw.path(root / "a", victim).unlink()
    else:
        raw.path(root / "a", victim).write_bytes(b"altered")
    with pytest.raises(Tampered, match=victim):
        again("sim", root / "a", root / "b")
    assert not lakes.day_folders(root / "b")


def test_a_request_asked_twice_gets_both_answers_in_their_order(root: Path) -> None:
    asked = Request("price", "sim", "/p", (), (), 0, 0)
    record = Record(root, "sim", lambda: NOW)
    for body in (b"first", b"second"):
        record.heard(asked, body, Reply(200, {}, body))
    record.failed(asked, "it was silent")
    record.tell()
    replay = Replay(root, "sim")
    replay.turn(raw.Run("", "", "", "", "sim", "", "", (), 0, (), {}))
    assert [replay(asked, "", {}, 1.0).body for _ in range(2)] == [b"first", b"second"]
    for _ in range(2):
        with pytest.raises(PerplakeError, match="it was silent"):
            replay(asked, "", {}, 1.0)


def test_a_day_that_failed_live_fails_again(root: Path, archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    days = the_days(3)
    archive.days(SYMBOL, timeframe(TF), days)
    spot = archive.root / f"data/spot/daily/klines/{SYMBOL}/{TF}/{SYMBOL}-{TF}-{days[1]}.zip"
    spot.write_bytes(b"no zip at all")
    live = run(binance(), shelf(root / "a"), days)
    assert list(live.failed) == [days[1]]
    monkeypatch.setenv("BINANCE_VISION_URL", "http://127.0.0.1:9")
    (told,) = again("binance", root / "a", root / "b")
    assert same(root / "a", root / "b") and list(told.failed) == [days[1]]


# --- what a line of the index promises


def test_nothing_is_published_before_its_line_is_told(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place, seen = shelf(root), []
    publish = commit.Writer.publish

    def watched(writer: commit.Writer) -> list[date]:
        told = raw.days_of(place)
        for staged in writer.staged:
            line = told[str(staged.day), staged.new.sha256]
            assert all(not raw.fault(root, sha) for shas in line.bodies.values() for sha in shas)
            seen.append(staged.day)
        return publish(writer)

    monkeypatch.setattr(commit.Writer, "publish", watched)
    with SimVenue(CALM, lambda: NOW) as venue:
        run(sim_source(venue.url), place, the_days(3))
    assert seen == the_days(3)


def test_where_nothing_can_be_told_nothing_is_published(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(root: Path, lines: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(raw, "tell", full)
    with SimVenue(CALM, lambda: NOW) as venue, pytest.raises(OSError):
        run(sim_source(venue.url), shelf(root), the_days(3))
    assert not lakes.day_folders(root)


def test_a_day_names_every_body_it_was_made_of_and_no_other(root: Path, archive: Archive) -> None:
    days = the_days(3)
    archive.days(SYMBOL, timeframe(TF), days)
    run(binance(), shelf(root), days)
    names = {line.sha256: line.path.rpartition("/")[2] for line in raw.lines(root) if isinstance(line, raw.Answer)}
    line = next(line for line in raw.days_of(shelf(root)).values() if line.day == "2025-05-02")
    told = {series: sorted(names[sha] for sha in shas) for series, shas in line.bodies.items()}
    assert told == {
        # the bars of the day after too: the labels of the metrics that end this day are read by them
        "klines": [f"{SYMBOL}-{TF}-2025-05-02.zip", f"{SYMBOL}-{TF}-2025-05-03.zip"],
        "spot": [f"{SYMBOL}-{TF}-2025-05-02.zip"],
        "mark": [f"{SYMBOL}-{TF}-2025-05-02.zip"],
        "index": [f"{SYMBOL}-{TF}-2025-05-02.zip"],
        "premium": [f"{SYMBOL}-{TF}-2025-05-02.zip"],
        "metrics": [f"{SYMBOL}-metrics-2025-05-02.zip", f"{SYMBOL}-metrics-2025-05-03.zip"],
        "funding": [f"{SYMBOL}-fundingRate-2025-05.zip"],
    }
    assert any(note.startswith("metrics: labels at T") for note in line.notes)


def test_a_bar_in_quarantine_is_told_by_its_instant_and_reason(root: Path, archive: Archive) -> None:
    days = the_days(1)
    archive.days(SYMBOL, timeframe("5m"), days)
    file = f"data/futures/um/daily/klines/{SYMBOL}/5m/{SYMBOL}-5m-{days[0]}.zip"
    from tests.archive import KLINES, bars, csv

    rows = bars(SYMBOL, timeframe("5m"), days)
    rows[7][2], rows[7][3] = rows[7][3], rows[7][2]
    archive.put(file, csv(rows, KLINES))
    run(binance(), shelf(root, "5m"), days)
    (line,) = raw.days_of(shelf(root, "5m")).values()
    assert line.quarantined == {"2025-05-01T00:40:00.000Z": "high below low"}


def test_what_a_run_waits_for_is_what_why_says(root: Path, archive: Archive) -> None:
    """The words of a run's trouble are read by `lake why`, which knows no source."""
    days = the_days(9)
    archive.days(SYMBOL, timeframe(TF), days[2:5])
    now = day_start(days[8]) + 30 * HOUR
    run(Binance(binance_conf(), route="daily", clock=lambda: now), shelf(root), days, now)

    def told(day: date) -> str:
        return why(Asked(root, SYMBOL, timeframe(TF), day_start(day) + 5 * HOUR, now))[0].why

    assert [told(day) for day in (days[0], days[3], days[8])] == ["not listed", "committed", "not yet published"]


def test_a_run_that_changes_nothing_adds_lines_and_no_body(root: Path) -> None:
    with SimVenue(CALM, lambda: NOW) as venue:
        source, place = sim_source(venue.url), shelf(root)
        run(source, place, the_days(4))
        before, files = bodies(root), lakes.day_folders(root)
        again_ = run(source, place, the_days(4), choice=replace(CHOICE, skip_present=False))
    assert again_.unchanged == 4
    assert bodies(root) == before and lakes.day_folders(root) == files


def test_no_key_is_ever_recorded(root: Path) -> None:
    key = "canary-7d1f0c55aa3e9b21"
    rows = [{"time": day_start(FIRST) + i * HOUR, "close": 1.0, "note": key} for i in range(24)]
    echo = reply({"code": "0", "data": rows}, 200, f'ETag: "{key}"', f"Last-Modified: {key}")
    with Canned(*[echo] * 40) as venue:
        source = CoinGlass(coinglass_conf(), url=venue.url)
        run(source, shelf(root), the_days(1), keys={"COINGLASS_API_KEY": key})
        assert any(
            key.encode() in head.encode() if isinstance(head, str) else key.encode() in head for head in venue.heads
        )
    kept = [raw.body(root, name.removesuffix(".zst")) for name in bodies(root)]
    assert kept and all(key.encode() not in body for body in kept) and any(b"***" in body for body in kept)
    assert key.encode() not in raw.index(root).read_bytes()


def test_what_is_not_there_is_recorded_without_the_page_that_says_so(root: Path) -> None:
    record = Record(root, "binance", lambda: NOW)
    asked = Request("klines", "vision", "/x.zip", (), (FIRST,), 0, 0, SYMBOL, TF, expects="zip")
    record.heard(asked, b"<Error>RequestId 1</Error>", Reply(404, {}, b"<Error>RequestId 1</Error>"))
    record.tell()
    (line,) = raw.lines(root)
    assert isinstance(line, raw.Answer) and (line.status, line.sha256) == (404, "") and not bodies(root)


def test_a_published_digest_stands_in_its_line_and_is_held_to_its_sha256(root: Path) -> None:
    record, asked = Record(root, "binance", lambda: NOW), Request("x", "v", "/x.CHECKSUM", (), (), 0, 0, expects="text")
    record.heard(asked, b"ab  x.zip\n", Reply(200, {}, b""))
    record.heard(replace(asked, path="/y"), b"\xff", Reply(200, {}, b""))
    record.tell()
    assert len(bodies(root)) == 1
    assert [Replay(root, "binance")(one, "", {}, 1.0).body for one in (asked, replace(asked, path="/y"))] == [
        b"ab  x.zip\n",
        b"\xff",
    ]
    raw.index(root).write_bytes(raw.index(root).read_bytes().replace(b"ab  x", b"cd  x"))
    with pytest.raises(Tampered, match=r"x\.CHECKSUM"):
        Replay(root, "binance")(asked, "", {}, 1.0)


# --- the command


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    def call(*words: str) -> tuple[int, str, str]:
        code = ending.status(commands, "p1_ingest", ["ingest", *words])
        out = capsys.readouterr()
        return code, out.out, out.err

    return call


def test_the_command_replays_what_it_recorded(root: Path, said: Callable[..., tuple[int, str, str]]) -> None:
    a, b = str(root / "a"), str(root / "b")
    assert said("sim", "--symbol", "BTCUSDT,ETHUSDT", "--tf", TF, "--days", "3", "--lake", a)[0] == 0
    code, out, err = said("--replay", "--raw", a, "--lake", b, "--json")
    assert code == 0, err
    assert [one["symbol"] for one in json.loads(out)] == ["BTCUSDT", "ETHUSDT"]
    assert same(root / "a", root / "b")
    assert said("--replay", "--raw", a, "--lake", str(root / "c"), "--symbol", "ETHUSDT")[0] == 0
    assert {name.split("/")[2] for name in lakes.day_folders(root / "c")} == {"ETHUSDT"}


def test_a_replay_without_a_record_says_so(root: Path, said: Callable[..., tuple[int, str, str]]) -> None:
    code, _, err = said("--replay", "--lake", str(root))
    assert code == 1 and "holds no recorded run" in err.splitlines()[-1]
    code, _, err = said("sim", "--raw", str(root))
    assert code == 2 and "--raw goes with --replay" in err.splitlines()[-1]


def test_a_dry_run_records_nothing(root: Path, said: Callable[..., tuple[int, str, str]]) -> None:
    assert said("sim", "--tf", TF, "--days", "3", "--lake", str(root), "--dry-run")[0] == 0
    assert not raw.folder(root).exists()


def test_no_key_is_needed_where_nobody_is_asked() -> None:
    from p1_ingest import venues

    assert venues._keyless({"x": Host("https://example.com", "KEY", "COINGLASS_API_KEY")}) == {
        "x": Host("https://example.com")
    }
