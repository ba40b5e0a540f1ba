"""What the archive's listing denies is not asked for, what it cannot know is; where it is silent nothing changes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest

from lake import notes
from lake.layout import Shelf
from lake.reasons import Asked
from lake.span import Span
from lake.why import why
from meta.errors import BadPayload, NotReady, Retryable
from meta.timeframes import day_start, days_between, timeframe
from p1_ingest import offers
from p1_ingest.http import Sender
from p1_ingest.ingest import ingest
from p1_ingest.record import Record
from p1_ingest.replay_cli import replayed
from p1_ingest.sources import binance_archive as archive
from p1_ingest.sources import binance_listing as listing
from p1_ingest.sources.base import Reply, Request
from p1_ingest.sources.binance import Binance, BinanceConf, Hosts
from p1_ingest.summary import Summary
from p1_ingest.wanted import Choice
from tests import lakes
from tests.archive import Archive
from tests.mirror import SPACE, Mirror, mirrored

TF, SYMBOL = timeframe("1h"), "BTCUSDT"
LISTED = days_between(date(2024, 6, 10), date(2024, 6, 14))
WANTED = days_between(date(2023, 11, 20), LISTED[-1])
NOW = day_start(date(2024, 9, 20))
PREFIX = "data/futures/um/daily/metrics/BTCUSDT/"


@pytest.fixture
def mirror(tmp_path: Path) -> Iterator[tuple[Mirror, Callable[[], Binance]]]:
    (tmp_path / "archive").mkdir()
    Archive(tmp_path / "archive").days(SYMBOL, TF, LISTED)
    made = Mirror(tmp_path / "archive")
    with mirrored(made) as url:
        yield made, lambda: Binance(BinanceConf(hosts=Hosts(url, url, url)), clock=lambda: NOW)


def shelf(root: Path) -> Shelf:
    return lakes.a_shelf(root, TF.name, SYMBOL)


def run(source: Binance, root: Path, wanted: list[date] = WANTED) -> Summary:
    record = Record(root, source.name, lambda: NOW)
    with Sender(source.hosts, record=record.heard, failed=record.failed, tries=1) as sender:
        return ingest(source, sender, shelf(root), wanted, Choice(refresh_tail=0), lambda: NOW, record=record)


# --- days before a symbol was listed


@pytest.mark.parametrize("version", [1, 2])
def test_a_symbol_listed_late_costs_few_requests_and_the_same_lake(tmp_path, mirror, version) -> None:  # type: ignore[no-untyped-def]
    served, source = mirror
    served.version = 0
    one_by_one, asked = run(source(), tmp_path / "a"), len(served.asked)
    served.version, served.asked[:] = version, []
    spared = run(source(), tmp_path / "b")
    assert lakes.day_folders(tmp_path / "a") == lakes.day_folders(tmp_path / "b")
    assert spared.committed == one_by_one.committed == LISTED and spared.waiting == one_by_one.waiting
    assert len(WANTED) == 208 and asked > 1000 and len(served.asked) < 150, (asked, len(served.asked))
    assert [note for note in one_by_one.notes if "one by one" in note] and not [
        n for n in spared.notes if "one by" in n
    ]


def test_what_was_not_asked_for_is_in_the_record_with_its_reason_and_replays(tmp_path, mirror) -> None:  # type: ignore[no-untyped-def]
    run(mirror[1](), tmp_path / "a")
    asked = Asked(tmp_path / "a", SYMBOL, TF, day_start(date(2024, 1, 7)) + 5 * TF.ms, NOW)
    told = why(asked)[0]
    assert told.why == "not listed" and any(listing.DENIED in line for line in told.evidence)
    replay = Choice(refresh_tail=0)
    for span in (Span(), Span(None, date(2024, 2, 3), LISTED[-1])):
        where = tmp_path / f"b{bool(span)}"
        done, failed = replayed("binance", tmp_path / "a", {shelf(where): span}, replay, lambda line: None)
        assert not failed and done[0].committed == LISTED
        assert lakes.day_folders(where) == lakes.day_folders(tmp_path / "a")


def test_a_whole_history_is_listed_by_nobody(tmp_path, mirror) -> None:  # type: ignore[no-untyped-def]
    served, source = mirror
    Archive(served.root).bars("klines", SYMBOL, TF, [LISTED[-1] + timedelta(days=1)])
    run(source(), tmp_path, LISTED[1:])
    assert not [path for path in served.asked if path.startswith("/?") and "monthly" not in path]


def test_a_stale_listing_hides_nothing(tmp_path, mirror) -> None:  # type: ignore[no-untyped-def]
    served, source = mirror
    served.until = "2024-06-11"
    assert run(source(), tmp_path / "a").committed == LISTED, "it ends before the newest files"
    served.until = "0"
    assert run(source(), tmp_path / "b").committed == LISTED, "it has nothing yet"


def test_an_older_file_than_the_oldest_listed_is_found_by_its_digest(tmp_path, mirror) -> None:  # type: ignore[no-untyped-def]
    served, source = mirror
    hidden = f"{PREFIX}{SYMBOL}-metrics-2024-06-10.zip"
    keys = Mirror.keys
    served.keys = lambda prefix: [key for key in keys(served, prefix) if not key.startswith(hidden)]
    done = run(source(), tmp_path)
    assert done.committed == LISTED and not done.not_offered


def test_a_whole_month_before_the_listing_is_not_asked_for_day_by_day(tmp_path, mirror) -> None:  # type: ignore[no-untyped-def]
    served, source = mirror
    run(source(), tmp_path, days_between(date(2024, 4, 1), LISTED[-1]))
    assert not [path for path in served.asked if "/daily/klines" in path and "2024-04" in path]


JUNE = days_between(date(2024, 6, 1), date(2024, 6, 30))


def june(there: set[date], now: int = NOW, keys: tuple[str, ...] = ()) -> tuple[list[date], int]:
    """Which days of June are not denied once their month and its last day are missing, and by how many requests?"""
    asked = []

    def fetch(request: Request) -> bytes:
        asked.append(request)
        if request.host == listing.HOST:
            return page([key for key in keys if key.startswith(dict(request.params)["prefix"])])
        if any(str(day) in request.path for day in there):
            return b""
        raise NotReady("is not published")

    folders = listing.Folders(lambda: now, set())
    month = archive.month_file("klines", SYMBOL, SYMBOL, TF, JUNE[0], JUNE)
    coming = {day: archive.day_file("klines", SYMBOL, SYMBOL, TF, day, [day]) for day in JUNE}
    gone = [month, *(coming[day] for day in JUNE[-1:] if day not in there)]
    assert folders.look_up(gone, list(coming.values()), fetch) == ""
    return [day for day, request in coming.items() if not folders.denies(request)], len(asked)


def test_where_nothing_is_listed_a_missing_digest_denies_what_is_older() -> None:
    assert june(set()) == ([], 2), "a look at two folders"
    assert june({JUNE[-1]}) == (JUNE, 3), "the listing is stale"
    assert june(set(), day_start(date(2024, 7, 20))) == (JUNE, 2), "so young a month may come yet"


def test_files_of_another_kind_in_the_folder_tell_nothing() -> None:
    folder = "data/futures/um/daily/klines/BTCUSDT/1h/"
    keys = tuple(f"{folder}BTCUSDT-{name}" for name in ("1d-2024-06-02.zip", "1h-2024-06-20.zip", "1h-2024-06-21.zip"))
    assert june(set(), keys=keys)[0] == JUNE[19:]
    assert june({JUNE[18]}, keys=keys)[0] == JUNE


def test_a_series_is_offered_where_the_listing_has_it_and_left_out_where_it_has_none(tmp_path, mirror) -> None:  # type: ignore[no-untyped-def]
    served, source = mirror
    for file in served.root.rglob("data/spot/**/*.*"):
        file.unlink()
    for file in served.root.rglob(f"{SYMBOL}-metrics-*"):
        file.unlink()
    Archive(served.root).metrics(SYMBOL, date(2024, 8, 1))
    run(source(), tmp_path)
    told = notes.read(shelf(tmp_path), notes.OFFERED)
    assert told and told["columns"]["oi_now"] is True, "its files begin later"
    assert told["columns"]["spot_taker_buy"] == "the venue lists no file of it" and told["columns"]["close"] is True
    served.version = 0
    run(source(), tmp_path)
    assert notes.read(shelf(tmp_path), notes.OFFERED) == told, "what was once looked up is not forgotten"


# --- pages


def page(keys: list[str], more: str = "false") -> bytes:
    items = f"<IsTruncated>{more}</IsTruncated>" + "".join(f"<Contents><Key>{key}</Key></Contents>" for key in keys)
    return f"<ListBucketResult xmlns='{SPACE}'>{items}</ListBucketResult>".encode()


def test_every_page_of_either_version_is_read(tmp_path: Path) -> None:
    for day in days_between(date(2024, 6, 1), date(2024, 6, 30)):
        Archive(tmp_path).put(f"{PREFIX}BTCUSDT-metrics-{day}.zip", "")
    for version in (1, 2):
        served = Mirror(tmp_path, version=version, page=7)  # type: ignore[arg-type]

        def fetch(request: Request, served: Mirror = served) -> bytes:
            return served.listed(dict(request.params))

        assert list(listing.keys(PREFIX, "metrics", fetch)) == served.keys(PREFIX) and len(served.keys(PREFIX)) == 60


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "no XML"),
        (b"<ListBucketResult>", "no XML"),
        (b"<html></html>", "holds 'html'"),
        (page([], "maybe"), "whether it goes on"),
        (b"<ListBucketResult/>", "whether it goes on"),
        (page(["b", "a"]), "not in order"),
        (page(["a", "a"]), "not in order"),
        (page([f"{i:04}" for i in range(1001)]), "more than 1000"),
        (page(["k" * 1025]), "longer than keys"),
        (b"<!DOCTYPE l [<!ENTITY a 'b'>]>" + page(["&a;"]), "document type"),
        (b"<!DOCTYPE l SYSTEM 'file:///etc/passwd'>" + page([]), "document type"),
        (page(["&a;"]), "no XML"),
        (page([]) + page([]), "no XML"),
        (page([]).replace(b"/ListBucketResult", b"<a>" * 9 + b"/ListBucketResult"), "no XML"),
        (page([]).replace(b"<IsTr", b"<a>" * 9 + b"</a>" * 9 + b"<IsTr"), "holds 'http"),
        (page(["x" * 900] * 5000), "too many for a page"),
        (page([], "true"), "does not advance"),
        (page(["a"], "true"), "strays or goes back"),
        (page([PREFIX + "a"], "true"), "strays or goes back"),
        (page([PREFIX + "a", "e"], "true"), "strays or goes back"),
    ],
)
def test_a_page_that_is_none_is_not_believed(body: bytes, said: str) -> None:
    with pytest.raises(BadPayload, match=said):
        list(listing.keys(PREFIX, "metrics", lambda request: body))


def test_a_listing_without_end_is_given_up(tmp_path: Path) -> None:
    numbers = iter(range(1000, 9999))
    with pytest.raises(BadPayload, match="no end after 50 pages"):
        list(listing.keys(PREFIX, "metrics", lambda request: page([f"{PREFIX}{next(numbers)}"], "true")))
    assert next(numbers) == 1050


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (Reply(404, {}, b""), NotReady), (Reply(403, {}, b""), NotReady), (Reply(451, {}, b""), NotReady),
        (Reply(429, {}, b""), Retryable), (Reply(503, {}, b""), Retryable),
        (Reply(200, {}, b"<!doctype html><html>"), BadPayload), (Reply(200, {}, b""), BadPayload),
    ],
)  # fmt: skip
def test_what_is_no_page_is_told_apart(reply: Reply, error: type[Exception]) -> None:
    with pytest.raises(error):
        listing.judged(reply)
    listing.judged(Reply(200, {}, page([])))


# --- where it is, and what a check tells


def test_a_mirror_lists_itself_unless_told_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    conf = BinanceConf(hosts=replace_listing("https://listing.example/bucket"))
    assert Binance(conf).hosts[listing.HOST].url == "https://listing.example/bucket"
    monkeypatch.setenv("BINANCE_VISION_URL", "http://127.0.0.1:9")
    assert Binance(conf).hosts[listing.HOST].url == "http://127.0.0.1:9"
    monkeypatch.setenv("BINANCE_LISTING_URL", "http://127.0.0.1:8")
    assert Binance(conf).hosts[listing.HOST].url == "http://127.0.0.1:8"


def replace_listing(url: str) -> Hosts:
    return Hosts("https://a.example", "https://b.example", "https://c.example", url)


def test_a_check_tells_from_when_to_when_there_are_files(tmp_path, mirror) -> None:  # type: ignore[no-untyped-def]
    served, source = mirror
    newest = date(2024, 9, 18)
    Archive(served.root).bars("klines", SYMBOL, TF, [newest])
    served.until = "2024-06-12"

    def told() -> str:
        made = source()
        with Sender(made.hosts, tries=1) as sender:
            found = {one.what: one for one in offers.checked(made, sender, SYMBOL, TF)}
        assert found["binance listing"].well
        return found["binance listing"].told

    said = told().split(", ")
    assert said[0] == f"klines 2024-06-10 … {newest}" and "spot 2024-06-10 … 2024-06-12" in said
    assert "funding 2024-06 … 2024-06" in said
    served.version = 0
    assert "does not tell" in told()
