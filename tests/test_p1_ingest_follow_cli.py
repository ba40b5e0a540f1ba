"""follow as a process: one a symbol, ended by a signal with its bars whole, killed and started again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner

from lake import cli, ending, following, live, settings
from lake.layout import Shelf
from meta.errors import Retryable, Usage
from p1_ingest import follow_cli
from p1_ingest.cli import commands
from p1_ingest.known import bars_of
from p1_ingest.sim.quirks import CALM
from p1_ingest.sim.server import SimVenue
from tests.follows import shelf

PROJECT = Path(__file__).resolve().parent.parent
OURS = {"SOURCE": "", "SYMBOLS": "", "PERPLAKE_LAKE": "", "COINGLASS_API_KEY": ""}


@contextmanager
def process(root: Path, *options: str, **env: str) -> Iterator[subprocess.Popen[str]]:
    """A follower of BTCUSDT at 1m in this lake."""
    words = [sys.executable, "-m", "p1_ingest", "follow", "--lake", str(root), "--symbol", "BTCUSDT", "--tf", "1m"]
    made = subprocess.Popen(
        [*words, *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=PROJECT,
        env={**os.environ, **OURS, **env},
    )
    try:
        yield made
    finally:
        made.kill()
        made.communicate()


def lines_of(place: Shelf) -> int:
    table = live.read(place)
    return table.num_rows if table is not None else 0


def checked(root: Path, tf: str = "1m") -> tuple[int, str]:
    done = CliRunner().invoke(
        commands, ["follow", "--check", "--source", "sim", "--lake", str(root), "--symbol", "BTCUSDT", "--tf", tf]
    )
    return getattr(done.exception, "exit_code", done.exit_code), done.output


def test_a_follower_is_alone_ends_cleanly_and_goes_on_after_being_killed(tmp_path: Path) -> None:
    place = shelf(tmp_path, "1m")
    assert checked(tmp_path)[0] == 3
    with SimVenue(CALM) as venue:
        there = {"COINGLASS_BASE_URL": venue.url, "COINGLASS_API_KEY": "any-key-will-do-here"}
        with process(tmp_path, "--json", **there) as first:
            heard = json.loads(first.stdout.readline())  # type: ignore[union-attr]
            assert (heard["symbol"], heard["tf"]) == ("BTCUSDT", "1m")
            threading.Thread(target=lambda: first.stdout.read(), daemon=True).start()  # type: ignore[union-attr]
            with process(tmp_path, **there) as second:
                said = second.communicate(timeout=60)
                assert second.returncode == 75
                assert f"is being followed by pid {first.pid}" in said[1].splitlines()[-1]
            code, told = checked(tmp_path)
            assert (code, "NOT WELL" in told) == (0, False)
            first.send_signal(signal.SIGKILL)
        kept = lines_of(place)
        assert kept > 1
        with process(tmp_path, **there) as third:
            while "plan Enterprise" not in third.stderr.readline():  # type: ignore[union-attr]
                assert third.poll() is None
            third.send_signal(signal.SIGTERM)
            _, errors = third.communicate(timeout=60)
    assert third.returncode == 143
    assert errors.splitlines()[-1].startswith("error: ended by SIGTERM; what was committed stays")
    assert "Traceback" not in errors
    assert "any-key-will-do-here" not in errors
    bars = bars_of(live.read(place))  # type: ignore[arg-type]
    assert len(bars) >= kept
    told = following.read(place)
    assert told is not None
    assert told.state == following.ENDED
    code, line = checked(tmp_path)
    assert (code, ": ended 20" in line, "NOT WELL" in line) == (3, True, False)


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (["--source", "coinglass"], 2, "COINGLASS_API_KEY is not set"),
        (["--source", "nobody"], 2, "there is no source 'nobody'"),
        (["--tf", "7m"], 2, "timeframe '7m' is not one of"),
        (["--symbol", "../x"], 2, "symbol"),
        (["--lag", "-1"], 2, "--lag"),
    ],
)
def test_what_cannot_be_followed_is_one_line(
    tmp_path: Path,
    options: list[str],
    code: int,
    said: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in OURS:
        monkeypatch.delenv(name, raising=False)
    assert ending.status(commands, "p1_ingest", ["follow", "--lake", str(tmp_path / "lake"), *options]) == code
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("error: ")
    assert said in last
    assert not (tmp_path / "lake" / "live").exists()


def test_which_symbols_are_followed_is_the_flags_business_then_the_environments_then_confs(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("SYMBOLS", raising=False)
    monkeypatch.setattr(settings, "PROJECT", tmp_path)
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "lake.yaml").write_text("{symbol: ADAUSDT, tf: 15m}")

    def asked(symbol: tuple[str, ...] = (), tf: tuple[str, ...] = ()) -> list[tuple[str, str]]:
        return [(frame.name, name) for frame, name in cli.followed_of(symbol, tf)]

    assert asked() == [("15m", "ADAUSDT")]
    (tmp_path / "conf" / "universe.yaml").write_text("follow: {5m: [btcusdt, ETHUSDT], 1h: [BTCUSDT]}")
    assert asked() == [("5m", "BTCUSDT"), ("5m", "ETHUSDT"), ("1h", "BTCUSDT")]
    assert asked(tf=("1h",)) == [("1h", "BTCUSDT")]
    assert asked(tf=("4h",)) == [("4h", "ADAUSDT")]
    assert asked(symbol=("SOLUSDT",)) == [("15m", "SOLUSDT")]
    monkeypatch.setenv("SYMBOLS", "XRPUSDT,BNBUSDT")
    assert asked() == [("15m", "XRPUSDT"), ("15m", "BNBUSDT")]
    (tmp_path / "conf" / "universe.yaml").write_text("folow: {5m: [BTCUSDT]}")
    with pytest.raises(Usage, match="did you mean 'follow'"):
        asked()
    (tmp_path / "conf" / "universe.yaml").write_text("follow: {5min: [BTCUSDT]}")
    with pytest.raises(Usage, match="did you mean 5m"):
        asked()


def test_an_exchange_that_does_not_tell_its_markets_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    answers, said, slept = [Retryable("down; later"), Retryable("down; later"), None], list[str](), list[float]()

    @contextmanager
    def opened(name: str, **seams: object) -> Iterator[str]:
        if (trouble := answers.pop(0)) is not None:
            raise trouble
        yield name

    monkeypatch.setattr("p1_ingest.venues.opened", opened)
    with follow_cli.answering("ccxt:okx", None, said.append, None, slept.append) as pair:  # type: ignore[arg-type]
        assert pair == "ccxt:okx"
    assert slept == [5.0, 10.0]
    assert [line.split(";")[0] for line in said] == ["ccxt:okx: down", "ccxt:okx: answered again, after 0 s"]
