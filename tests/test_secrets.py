"""A key goes to its own host in a header, and nowhere else: not into a line, a file, a record, or another host."""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pyarrow as pa
import pytest

from lake import ending
from lake.commands import commands as lake_commands
from p1_ingest.cli import commands as p1
from p1_ingest.sim.quirks import CALM
from p1_ingest.sim.server import SimVenue, wall_clock
from tests import lakes
from tests.canned import Canned, reply
from tests.liar import CLOSE, Kind, Liar, Said

KEY = "canary-9b1e/4f+70=c2d8a6"  # with signs that an URL or a log would write otherwise
FORMS = {KEY.encode(), quote(KEY, "").encode(), base64.b64encode(KEY.encode()), repr(KEY)[1:-1].encode()}
ZSTD = bytes.fromhex("28b52ffd")
NAMES = ("COINGLASS_API_KEY", "BINANCE_API_KEY", "BINANCE_API_SECRET")
GROUPS = {"p1_ingest": p1, "lake": lake_commands}

# What a venue may do with the key it was sent.
ECHOES = {
    "in a body": Kind(lambda said: reply(said.body[:-1] + b',"you":"%s"}' % KEY.encode(), 200, CLOSE)),
    "in an error": Kind(lambda said: reply({"code": "401", "msg": f"key {KEY} is not known"}, 200, CLOSE)),
    "in an error page": Kind(lambda said: reply(f"<html>{KEY} {quote(KEY, '')}</html>".encode(), 500, CLOSE)),
    "in a header": Kind(lambda said: reply(said.body, 200, CLOSE, f"ETag: {KEY}", f"X-Key: {KEY}")),
}


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PERPLAKE_LAKE", "SOURCE", "SYMBOLS"):
        monkeypatch.delenv(name, raising=False)
    for name in NAMES:
        monkeypatch.setenv(name, KEY)


@pytest.fixture
def venue() -> Iterator[SimVenue]:
    with SimVenue(CALM) as running:
        yield running


@pytest.fixture
def root() -> Iterator[Path]:
    with lakes.scratch() as where:
        yield where / "lake"


def ran(line: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    name, *argv = line.split()
    code = ending.status(GROUPS[name], name, argv)
    told = capsys.readouterr()
    return code, told.out + told.err


def plain(path: Path) -> bytes:
    """A file's bytes, and what they are once unpacked."""
    data = path.read_bytes()
    if data[:4] != ZSTD:
        return data
    with pa.input_stream(pa.BufferReader(data), compression="zstd") as unpacked:
        return data + unpacked.read()


def leaked(root: Path, *texts: str) -> list[str]:
    """Where does the key stand, in any of its forms?"""
    found = [f"printed: {text!r:.200}" for text in texts if any(form in text.encode() for form in FORMS)]
    for folder, folders, files in os.walk(root.parent):
        found += [f"the name {name}" for name in [*folders, *files] if KEY in name]
        for name in files:
            data = plain(Path(folder) / name)
            found += [f"the file {name}" for form in FORMS if form in data]
    return found


INGEST = "p1_ingest ingest --source coinglass --symbol BTCUSDT --tf 4h --days 3 --debug --lake {root}"
LOOKS = ("p1_ingest sources --check", "p1_ingest ingest --source coinglass --tf 4h --days 3 --dry-run --lake {root}",
         "lake status --json --lake {root}", "lake verify --json --lake {root}", "lake doctor --json --lake {root}",
         "p1_ingest ingest --replay --source coinglass --tf 4h --days 3 --raw {root} --lake {root}-again")  # fmt: skip


def test_a_key_is_in_no_line_and_no_file_of_a_healthy_run(
    venue: SimVenue, root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with Liar(venue.url, Kind(lambda said: reply(said.body, 200, CLOSE))) as heard:
        monkeypatch.setenv("COINGLASS_BASE_URL", heard.url)
        for name in ("FAPI", "SPOT", "VISION", "LISTING"):
            monkeypatch.setenv(f"BINANCE_{name}_URL", heard.url)
        code, text = ran(INGEST.format(root=root), capsys)
        assert code == 0, text
        texts = [text, *(ran(line.format(root=root), capsys)[1] for line in LOOKS)]
    assert any(KEY in head for head in heard.heads), "the venue itself did get it"
    assert any(plain(path) != path.read_bytes() for path in root.rglob("raw/*/*")), "bodies are looked into"
    assert not leaked(root, *texts)


@pytest.mark.parametrize("how", ECHOES)
def test_a_key_that_a_venue_sends_back_goes_no_further(
    how: str, venue: SimVenue, root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("p1_ingest.http.TRIES", 2)
    with Liar(venue.url, ECHOES[how]) as echo:
        monkeypatch.setenv("COINGLASS_BASE_URL", echo.url)
        _, text = ran(INGEST.format(root=root), capsys)
    assert any(KEY in head for head in echo.heads)
    assert not leaked(root, text)


def test_a_redirect_never_carries_the_key_to_another_host(
    root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with Canned(reply(b"{}")) as other:

        def away(said: Said) -> bytes:
            return reply(b"", 307, CLOSE, f"Location: {other.url}/api?key={quote(KEY, '')}")

        with SimVenue(CALM, clock=wall_clock) as venue, Liar(venue.url, Kind(away)) as liar:
            monkeypatch.setenv("COINGLASS_BASE_URL", liar.url)
            code, text = ran(INGEST.format(root=root), capsys)
        assert code == 1 and "redirects to" in text
        assert not other.heads
    assert not leaked(root, text)


def test_a_key_in_a_secrets_file_that_cannot_be_read_is_not_shown(
    root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for odd in (f"{KEY} with a blank", f"{KEY}\n", "ключ-" + KEY):
        monkeypatch.setenv("COINGLASS_API_KEY", odd)
        code, text = ran(INGEST.format(root=root), capsys)
        assert code == 2 and "COINGLASS_API_KEY" in text
        assert not leaked(root, text)
