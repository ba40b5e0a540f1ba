"""A small archive laid out as Binance publishes its own: zips and digests with synthetic rows, on disk or on loopback.

One made-up market underlies every file, a pure function of time: a bar is the same in a day's and in a month's file.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import http.server
import io
import math
import zipfile
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

from meta.timeframes import HOUR, MINUTE, Timeframe, day_start, timeframe
from tests import loopback

STEP = 5 * MINUTE
KLINES = (
    "open_time,open,high,low,close,volume,close_time,quote_volume,count,taker_buy_volume,taker_buy_quote_volume,ignore"
)
FUNDING = "calc_time,funding_interval_hours,last_funding_rate"
METRICS = (
    "create_time,symbol,sum_open_interest,sum_open_interest_value,count_toptrader_long_short_ratio,"
    "sum_toptrader_long_short_ratio,count_long_short_ratio,sum_taker_long_short_vol_ratio"
)
FOLDERS = {
    "klines": "futures/um/{cadence}/klines",
    "mark": "futures/um/{cadence}/markPriceKlines",
    "index": "futures/um/{cadence}/indexPriceKlines",
    "premium": "futures/um/{cadence}/premiumIndexKlines",
    "spot": "spot/{cadence}/klines",
}


@functools.lru_cache(1 << 17)
def noise(*key: object) -> float:
    """A number in [0, 1) that depends on `key` alone."""
    return int.from_bytes(hashlib.blake2b(repr(key).encode(), digest_size=6).digest(), "big") / 2**48


@functools.lru_cache(1 << 17)
def price(symbol: str, ms: int) -> float:
    """The made-up market's price at an instant; five minutes move it by some 20 basis points."""
    level = 100 * (1 + len(symbol))
    return round(level * math.exp(0.02 * math.sin(ms / (9 * HOUR)) + 0.003 * (noise(symbol, ms) - 0.5)), 4)


def bar(symbol: str, open_ms: int, tf: Timeframe) -> list[str]:
    """One kline row's fields, stamps in ms."""
    first, last = price(symbol, open_ms), price(symbol, open_ms + tf.ms)
    volume = round(5 + 20 * noise("volume", symbol, open_ms), 3)
    bought = round(volume * (0.3 + 0.4 * noise("taker", symbol, open_ms)), 3)
    middle = (first + last) / 2
    texts = [first, max(first, last) + 0.01, min(first, last) - 0.01, last]
    return [
        str(open_ms), *(f"{value:.4f}" for value in texts), f"{volume:.3f}", str(open_ms + tf.ms - 1),
        f"{volume * middle:.5f}", str(1 + int(volume)), f"{bought:.3f}", f"{bought * middle:.5f}", "0",
    ]  # fmt: skip


def bars(symbol: str, tf: Timeframe, days: Sequence[date]) -> list[list[str]]:
    """Every kline row of these days."""
    return [bar(symbol, day_start(day) + i * tf.ms, tf) for day in days for i in range(tf.per_day)]


def microseconds(row: list[str]) -> list[str]:
    """The same row as the spot archive stamps it from 2025 on."""
    return [row[0] + "000", *row[1:6], row[6] + "999", *row[7:]]


def premiums(rows: Sequence[list[str]]) -> list[list[str]]:
    """The same rows as a premium index: small signed ratios, zeros in the unused fields."""
    small = [[f"{float(p) * 1e-6 - 3e-4:.8f}" for p in row[1:5]] for row in rows]
    return [[row[0], *p, "0", row[6], "0", "60", "0", "0", "0"] for row, p in zip(rows, small, strict=True)]


def metric(symbol: str, label: int, shift: int = 0) -> list[str]:
    """One metrics row: labelled `label`, describing the instant `label + shift`."""
    instant = label + shift
    flow = bar(symbol, instant - STEP, timeframe("5m"))
    bought, volume = float(flow[9]), float(flow[5])
    interest = round(1000 + 50 * noise("oi", symbol, instant), 3)
    ratios = [1 + noise(name, symbol, instant) for name in ("account", "position", "global")]
    stamp = datetime.fromtimestamp(label // 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")
    taker = bought / (volume - bought)
    return [
        stamp, symbol, f"{interest:.16f}", f"{interest * price(symbol, instant):.16f}",
        *(f"{ratio:.8f}" for ratio in ratios), f"{taker:.8f}",
    ]  # fmt: skip


def metrics(symbol: str, day: date, first: int = 0, shift: int = 0) -> list[list[str]]:
    """A day of metrics rows whose labels start `first` ms into the day and describe the instant `shift` ms later."""
    return [metric(symbol, day_start(day) + first + i * STEP, shift) for i in range(288)]


def settlements(symbol: str, month: date, hours: int = 8) -> list[list[str]]:
    """A month of funding rows, jitter included."""
    start, end = day_start(month.replace(day=1)), day_start((month.replace(day=1) + timedelta(days=32)).replace(day=1))
    return [
        [str(at + int(9 * noise("jitter", at))), str(hours), f"{2e-4 * noise('rate', symbol, at) - 5e-5:.8f}"]
        for at in range(start, end, hours * HOUR)
    ]


def csv(rows: Sequence[Sequence[str]], header: str = "") -> str:
    """The rows as a CSV with the archive's line ends."""
    return "".join(f"{line}\n" for line in ([header] if header else []) + [",".join(row) for row in rows])


def zipped(name: str, text: str | bytes, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip called `name` with its one CSV."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", method) as archive:
        archive.writestr(zipfile.ZipInfo(name.removesuffix(".zip") + ".csv"), text, method)
    return packed.getvalue()


def digest_line(name: str, body: bytes) -> bytes:
    """What the .CHECKSUM beside this zip says."""
    return f"{hashlib.sha256(body).hexdigest()}  {name}\n".encode()


class Archive:
    """A folder laid out like data.binance.vision."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def put(self, path: str, text: str | bytes, checksum: bool = True) -> Path:
        """Publish this CSV as the zip at `path`, with its digest."""
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        body = zipped(file.name, text)
        file.write_bytes(body)
        if checksum:
            file.with_name(file.name + ".CHECKSUM").write_bytes(digest_line(file.name, body))
        return file

    def bars(self, series: str, pair: str, tf: Timeframe, days: Sequence[date], monthly: bool = False) -> Path:
        """Publish klines of one day, or of one month where `monthly`, in the archive's habits for their dates."""
        rows = bars(pair, tf, days)
        if series == "premium":
            rows = premiums(rows)
        if series == "spot" and days[0] >= date(2025, 1, 1):
            rows = [microseconds(row) for row in rows]
        folder = FOLDERS[series].format(cadence="monthly" if monthly else "daily")
        stamp = f"{days[0]:%Y-%m}" if monthly else days[0].isoformat()
        header = KLINES if series != "spot" and days[0] >= date(2022, 5, 1) else ""
        return self.put(f"data/{folder}/{pair}/{tf}/{pair}-{tf}-{stamp}.zip", csv(rows, header))

    def funding(self, symbol: str, month: date, hours: int = 8) -> Path:
        """Publish a month of settlements."""
        path = f"data/futures/um/monthly/fundingRate/{symbol}/{symbol}-fundingRate-{month:%Y-%m}.zip"
        return self.put(path, csv(settlements(symbol, month, hours), FUNDING))

    def metrics(self, symbol: str, day: date, first: int = STEP, shift: int = 0) -> Path:
        """Publish a day of metrics: by default labels 00:05 … 24:00 that mean what they say."""
        path = f"data/futures/um/daily/metrics/{symbol}/{symbol}-metrics-{day}.zip"
        return self.put(path, csv(metrics(symbol, day, first, shift), METRICS))

    def days(self, symbol: str, tf: Timeframe, days: Sequence[date], spot: str = "") -> None:
        """Publish all that is daily for these days, the metrics of the day after, and the months' settlements."""
        for day in days:
            for series in ("klines", "mark", "index", "premium"):
                self.bars(series, symbol, tf, [day])
            self.bars("spot", spot or symbol, tf, [day])
        for day in sorted({*days, *(day + timedelta(days=1) for day in days)}):
            self.metrics(symbol, day)
        for month in sorted({day.replace(day=1) for d in days for day in (d, d - timedelta(days=1))}):
            self.funding(symbol, month)


class _Files(loopback.Quiet, http.server.SimpleHTTPRequestHandler):
    """Files of a folder."""


def served(root: Path) -> contextlib.AbstractContextManager[str]:
    """The folder on loopback: yields its base URL, fit for BINANCE_VISION_URL."""
    return loopback.listening(functools.partial(_Files, directory=str(root)))


def url_path(path: Path, root: Path) -> str:
    """The path a source should ask for to get this file."""
    return "/" + quote(path.relative_to(root).as_posix())
