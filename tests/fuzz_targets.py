"""Everything of ours that parses bytes others wrote, with true bytes to begin from."""

from __future__ import annotations

import io
import logging
import zipfile
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from lake import following, live, log, notes, parts, raw, settings, snapshots, universes
from lake.manifest import parsed, written
from meta.errors import PerplakeError
from meta.timeframes import timeframe
from p1_ingest.sources import binance_listing
from p1_ingest.sources.base import Reply, Request
from p1_ingest.sources.binance import BinanceConf
from p1_ingest.sources.coinglass_conf import CoinGlassConf
from p2_features import catalogue, state
from p3_labels import events
from tests import lakes
from tests.archive import zipped
from tests.conformance import Stand
from tests.stands import SOURCES

logging.getLogger("dotenv.main").setLevel(logging.ERROR)  # it warns of each line it passes over


@dataclass(frozen=True)
class Target:
    """One parser: true bytes, and what reads them. `parse` raises AssertionError where what it took cannot be."""

    name: str
    seeds: list[bytes]
    parse: Callable[[bytes], object]


def targets(running: ExitStack, scratch: Path) -> list[Target]:
    """Every parser; stand-ins of the venues are kept running meanwhile."""
    found = []
    for made in SOURCES:
        try:
            stand = running.enter_context(made())
        except pytest.skip.Exception:  # an extra that is not installed
            continue
        found += _bodies(made.__name__, replace(stand, days=stand.days[:2]))
    return [*found, *_files(scratch)]


def _bodies(name: str, stand: Stand) -> Iterator[Target]:
    """A target for each form a venue answers in: a series' JSON, a kind of CSV in its zip."""
    groups: dict[str, list[tuple[Request, bytes]]] = defaultdict(list)
    for one, request in stand.requests():
        groups[one.name].append((request, stand.body(request)))
    for series, asked in groups.items():
        columns = next(one.columns for one in stand.series if one.name == series)
        yield Target(f"{name} {series}", [body for _, body in asked], _reader(stand, asked[0][0], set(columns)))
        if asked[0][0].expects == "zip":
            texts = [_member(body) for _, body in asked]
            yield Target(f"{name} {series} csv", texts, _in_zip(stand, asked[0][0], set(columns)))
    request, body = next(iter(groups.values()))[0]
    if stand.source.companion(request):
        true = f"{'0' * 64}  {request.path.rpartition('/')[2]}\n".encode()
        yield Target(f"{name} checksum", [true], lambda data: stand.source.verify(request, body, data))


def _reader(stand: Stand, request: Request, columns: set[str]) -> Callable[[bytes], object]:
    def read(body: bytes) -> None:
        for status in (200, 400):
            try:
                stand.source.judge(request, Reply(status, {}, body))
            except PerplakeError:
                if status == 200:
                    raise
        answer = stand.source.read(request, body)
        assert (np.diff(answer.at) > 0).all(), "rows are ascending and unique"
        assert set(answer.values) <= columns, "only declared columns"
        assert not any(np.isinf(values).any() for values in answer.values.values()), "values are finite or missing"
        if len(answer.at):
            assert answer.at.min() >= request.start and answer.at.max() <= request.end, "nothing of another time"

    return read


def _member(body: bytes) -> bytes:
    with zipfile.ZipFile(io.BytesIO(body)) as packed:
        return packed.read(packed.namelist()[0])


def _in_zip(stand: Stand, request: Request, columns: set[str]) -> Callable[[bytes], object]:
    read = _reader(stand, request, columns)
    return lambda text: read(zipped(request.path.rpartition("/")[2], text))


def _files(scratch: Path) -> Iterator[Target]:
    """What lies on the user's disk, where anybody may have written."""
    shelf = lakes.committed(lakes.a_shelf(scratch / "lake"))
    day = lakes.entry(shelf)
    part = (shelf.day_folder(lakes.DAY) / day.file).read_bytes()
    yield Target("MANIFEST.tsv", [written([day]), written([day, day])], lambda data: parsed(data, "a day"))
    yield Target("part", [part], lambda data: parts.decoded(data, "a day"))
    yield Target("listing", [LISTING], binance_listing.page)

    def at(place: Path, read: Callable[[Path], object]) -> Callable[[bytes], object]:
        place.parent.mkdir(parents=True, exist_ok=True)

        def put(data: bytes) -> None:
            place.write_bytes(data)
            read(place)

        return put

    told = log.path(shelf.root).read_bytes()
    yield Target("log.tsv", [told], at(log.path(shelf.root), lambda _: list(log.lines(shelf.root))))
    yield Target("raw index", [INDEX], at(raw.index(shelf.root), lambda _: list(raw.lines(shelf.root))))
    offered = notes.path(shelf, notes.OFFERED)
    yield Target("OFFERED.json", [b'{"source": "sim", "columns": {"close": true}}'],
                 at(offered, lambda _: notes.read(shelf, notes.OFFERED)))  # fmt: skip
    yield Target("live", [part], at(live.path(shelf), lambda _: live.grid(shelf, ["close"])))
    place = snapshots.folds(shelf.root, shelf.tf, "main")
    yield Target("meta.json of folds", [b'{"digest": "", "files": {}}'],
                 at(place.folder / snapshots.META, lambda _: snapshots.meta(place)))  # fmt: skip
    conf = settings.conf_path
    yield Target("sources.yaml", [conf("sources.yaml").read_bytes()], at(scratch / "sources.yaml", _sources))
    yield Target("lake.yaml", [conf("lake.yaml").read_bytes()], at(scratch / "lake.yaml", _lake))
    yield Target("features.yaml", [conf("features.yaml").read_bytes()], at(scratch / "features.yaml", _features))
    yield Target("universe.json", [UNIVERSE], lambda data: universes.decoded(data, "a universe"))
    yield Target("universe.yaml", [conf("universe.yaml").read_bytes(), b"follow: {5m: [BTCUSDT]}\n"],
                 at(scratch / "universe.yaml", _universe))  # fmt: skip
    yield Target(
        ".env", [b"# keys\nCOINGLASS_API_KEY='a b'\nexport SOURCE=sim\n"], at(scratch / ".env", settings.dotenv)
    )
    told_of = following.path(shelf)
    yield Target("follow", [FOLLOWED], at(told_of, lambda _: [told.line(0) for told in following.all_of(shelf.root)]))
    held = scratch / "state.p2"
    state.save(held, timeframe("5m"), {"BTCUSDT": state.Memory("code", ("close",), np.ones((9, 1)), 7)})
    yield Target("state", [held.read_bytes()], at(held, lambda path: state.load(path, timeframe("5m"))))
    yield Target("events.csv", [b"ts,side\n2025-05-01T00:05:00Z,1\n2025-05-01T00:10:00Z,-1\n"],
                 at(scratch / "events.csv", lambda path: events.events(str(path))))  # fmt: skip
    yield Target("events.parquet", [part], at(scratch / "events.parquet", lambda path: events.events(str(path))))


def _sources(path: Path) -> None:
    found = settings.read_yaml(path)
    settings.convert(found.get("binance"), BinanceConf, "sources.yaml")
    settings.convert(found.get("coinglass"), CoinGlassConf, "sources.yaml")


def _lake(path: Path) -> None:
    settings.convert(settings.read_yaml(path), settings.LakeConf, "lake.yaml")


def _universe(path: Path) -> None:
    settings.convert(settings.read_yaml(path), settings.UniverseConf, "universe.yaml")


def _features(path: Path) -> None:
    catalogue.load(path)


UNIVERSE = (
    b'{"schema_version": "2.0", "start_date": "2024-10-01", "end_date": "2024-10-01",'
    b' "created_at": "2024-10-02T00:00:00Z", "requested_symbols": ["BTCUSDT"], "daily_snapshots":'
    b' [{"date": "2024-10-01", "active_symbols": ["BTCUSDT"], "missing_symbols": {}}]}'
)
FOLLOWED = (
    b'{"tf": "5m", "symbol": "BTCUSDT", "source": "sim", "pid": 7, "host": "h", "started": 1, "beat": 2,'
    b' "state": "following", "last_bar": 1735689600000, "lag_ms": 900, "answered": 1735689600000}'
)
LISTING = (
    b'<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
    b"<Name>data.binance.vision</Name><Prefix>data/</Prefix><Marker></Marker><MaxKeys>1000</MaxKeys>"
    b"<IsTruncated>false</IsTruncated><Contents><Key>data/futures/um/daily/klines/BTCUSDT/1h/BTCUSDT-1h-2025-01-01.zip"
    b"</Key><LastModified>2025-01-02T00:00:00.000Z</LastModified><Size>2000</Size></Contents></ListBucketResult>"
)
INDEX = (
    b'{"kind":"answer","run":"1","time":"2025-06-01T00:00:00Z","source":"sim","series":"oi","host":"h","path":"/x",'
    b'"status":200,"tf":"1h","symbol":"BTCUSDT","days":[["2025-05-01","2025-05-01"]],"sha256":"00"}\n'
    b'{"kind":"end","run":"1","time":"2025-06-01T00:00:00Z","tf":"1h","symbol":"BTCUSDT"}\n'
)
