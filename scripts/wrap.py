"""Odd CSV files become archives of their own, laid out as Binance's, and are ingested: what comes of real dirt?

    python -m scripts.wrap FOLDER/*.csv FOLDER/*.csv.zst

Each file is wrapped into day zips under its header's own kind: klines (perpetual, of the bar length its stamps show),
or open interest, which becomes metrics. Its rows stay as they are, but for stamps of UTC+00:00 in words, which become
milliseconds as the archive has them. Then each archive is served on loopback and ingested into a lake of its own, and
one table tells what became of the days. Everything lies under a temporary folder that is removed at the end.

Open interest cannot be read without klines to read its labels by, and the file brings none. So the wrapper makes a tape
of the interest's own implied price, and says so: that the labels then come out as published is circular, and shows the
way of the data only. Without the tape they are undecided, and are read as five minutes later.
"""

from __future__ import annotations

import csv
import io
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa

from lake import days, layout
from meta.datasets import DATASETS
from meta.errors import PerplakeError
from meta.timeframes import TIMEFRAMES, Timeframe, day_of, day_start, timeframe, utc
from p1_ingest.http import Sender
from p1_ingest.ingest import ingest
from p1_ingest.sources import binance_labels
from p1_ingest.sources.base import merged
from p1_ingest.sources.binance import Binance, BinanceConf, Hosts
from p1_ingest.sources.binance_archive import day_file
from p1_ingest.summary import Summary
from p1_ingest.venues import now_ms
from p1_ingest.wanted import Choice
from tests.archive import KLINES, METRICS, Archive, served

Row = list[str]
STEP = binance_labels.STEP
FIVE = timeframe("5m")


@dataclass(frozen=True)
class Wrapped:
    """One file as an archive: its symbol, bar length and days, and what has to be said of it."""

    archive: Archive
    symbol: str
    tf: Timeframe
    days: Sequence[date]
    note: str = ""


def text(path: Path) -> str:
    """What does this file hold, unpacked?"""
    codec = "zstd" if path.suffix == ".zst" else None
    with pa.input_stream(str(path), compression=codec) as stream:
        return str(stream.read().decode())


def instant(stamp: str) -> int:
    """Which instant (UTC ms) does a stamp name, whatever its form?"""
    if stamp.isdigit():
        return int(stamp) // (1000 if len(stamp) > 13 else 1)
    moment = datetime.fromisoformat(stamp)
    return round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)


def as_archived(stamp: str) -> str:
    """The stamp as the archive would have it, where that changes nothing but its form."""
    return str(instant(stamp)) if stamp.endswith("+00:00") else stamp


def klines(archive: Archive, symbol: str, rows: Sequence[Row]) -> Wrapped:
    """Wrap bars: a zip a day, their text as it is."""
    opens = np.array([instant(row[0]) for row in rows])
    step = int(np.min(np.diff(np.unique(opens))))
    tf = next(one for one in TIMEFRAMES.values() if one.ms == step)
    by_day: dict[date, list[Row]] = defaultdict(list)
    for at, row in zip(opens.tolist(), rows, strict=True):
        full = [as_archived(row[0]), *row[1:6], as_archived(row[6]), *row[7:], "0"]
        by_day[day_of(at)].append(full[:12])
    for day, found in by_day.items():
        lines = "".join(f"{','.join(row)}\n" for row in [KLINES.split(","), *found])
        archive.put(f"data/futures/um/daily/klines/{symbol}/{tf}/{symbol}-{tf}-{day}.zip", lines)
    return Wrapped(archive, symbol, tf, _between(min(by_day), max(by_day)))


def interest(archive: Archive, symbol: str, rows: Sequence[Row]) -> Wrapped:
    """Wrap open interest as metrics without ratios, labels 00:05 … 24:00; and a tape of its implied price."""
    by_day: dict[date, list[Row]] = defaultdict(list)
    price: dict[int, float] = {}
    for stamp, coins, money in rows:
        at = instant(stamp)
        label = f"{datetime.fromtimestamp(at / 1000, UTC):%Y-%m-%d %H:%M:%S}"
        by_day[day_of(at - 1)].append([label, symbol, coins, money, "", "", "", ""])
        price[at] = float(money) / float(coins)
    for day, found in by_day.items():
        lines = "".join(f"{','.join(row)}\n" for row in [METRICS.split(","), *found])
        archive.put(f"data/futures/um/daily/metrics/{symbol}/{symbol}-metrics-{day}.zip", lines)
        archive.put(_path(symbol, day), "".join(f"{line}\n" for line in (KLINES, *_tape(price, day))))
    wanted = _between(min(by_day), max(by_day))
    return Wrapped(archive, symbol, FIVE, wanted, "its bars are the interest's own implied price: circular")


def _tape(price: dict[int, float], day: date) -> list[str]:
    """Bars that open at the price known last."""
    known = np.array(sorted(price))
    lines = []
    for opens in range(day_start(day), day_start(day + timedelta(days=1)), STEP):
        at = max(int(np.searchsorted(known, opens, side="right")) - 1, 0)
        p = f"{price[int(known[at])]:.8f}"
        lines.append(f"{opens},{p},{p},{p},{p},1,{opens + STEP - 1},{p},1,0.5,{float(p) / 2:.8f},0")
    return lines


def _path(symbol: str, day: date) -> str:
    return f"data/futures/um/daily/klines/{symbol}/{FIVE}/{symbol}-{FIVE}-{day}.zip"


def _between(first: date, last: date) -> list[date]:
    return [first + timedelta(days=i) for i in range((last - first).days + 1)]


def wrapped(path: Path, root: Path) -> Wrapped:
    """The archive this file makes, by its header."""
    rows = list(csv.reader(io.StringIO(text(path))))
    symbol = next((part for part in path.name.replace("-", "_").split("_") if part.endswith("USDT")), "BTCUSDT")
    head = [] if rows[0][0].isdigit() else rows[0]
    make: Callable[[Archive, str, Sequence[Row]], Wrapped] = interest if "sum_open_interest" in head else klines
    return make(Archive(root), symbol, rows[1:] if head else rows)


def ingested(of: Wrapped, root: Path) -> tuple[Summary, list[str]]:
    """What comes of it: the run's summary, and where between its first and last value each column is null."""
    shelf, now = layout.shelf(root, DATASETS["bars"], of.tf, of.symbol), now_ms()
    with served(of.archive.root) as url:
        source = Binance(BinanceConf(hosts=Hosts(url, url, url)), route="daily", clock=lambda: now)
        with Sender(source.hosts, pools=source.pools) as sender:
            summary = ingest(source, sender, shelf, list(of.days), Choice(), lambda: now)
    known = [days.need(shelf, day).table() for day in days.committed(shelf)]
    table = pa.concat_tables(known) if known else None
    return summary, [_nulls(table, name) for name in ("close", "oi_now", "oi_base") if table is not None]


def _nulls(table: pa.Table, name: str) -> str:
    there = table[name].is_valid().to_numpy()
    at = np.flatnonzero(there)
    if not len(at):
        return f"{name} nowhere"
    null = at[0] + np.flatnonzero(~there[at[0] : at[-1]])
    ts = table["ts"].cast(pa.int64()).to_numpy()[null[:5]]
    where = f" ({', '.join(utc(int(one))[:16] for one in ts)})" if len(null) else ""
    return f"{name} {len(at):,} values, {len(null)} null between them{where}"


def without_bars(of: Wrapped) -> Counter[str]:
    """What the labels of its metrics mean where there is no bar to read them by."""
    source, found = Binance(BinanceConf(), route="daily"), Counter[str]()
    for file in sorted(of.archive.root.glob("data/futures/um/daily/metrics/*/*.zip")):
        day = date.fromisoformat(file.stem[-10:])
        answer = source.read(day_file("metrics", of.symbol, of.symbol, of.tf, day, [day]), file.read_bytes())
        found[binance_labels.settled(answer, merged([], ("open", "volume", "perp_taker_buy_base")), of.tf).note] += 1
    return found


def main(names: Sequence[str]) -> int:
    """Wrap and ingest each, and tell."""
    for path in map(Path, names):
        with tempfile.TemporaryDirectory() as folder:
            print(f"\n{path.name}")
            try:
                of = wrapped(path, Path(folder) / "archive")
                summary, found = ingested(of, Path(folder) / "lake")
            except (PerplakeError, ValueError, StopIteration) as error:
                print(f"  not wrapped: {type(error).__name__} {error}")
                continue
            for line in (*summary.lines(), *summary.trouble()):
                print(f"  {line}")
            print(f"  committed: {'; '.join(found) or 'no bar'}")
            if of.note:
                print(f"  NOTE {of.note}; without them: {dict(without_bars(of))}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
