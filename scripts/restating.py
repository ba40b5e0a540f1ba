"""An archive of klines and funding that restates itself: months put in their place again with a few cells altered."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np

from meta.timeframes import Timeframe, day_of, day_start
from tests.archive import Archive

Row = list[str]
Alter = Callable[[Row, float], Row]
KLINES = "data/futures/um/monthly/klines/{symbol}/{tf}/{symbol}-{tf}-{month}.zip"
FUNDING = "data/futures/um/monthly/fundingRate/{symbol}/{symbol}-fundingRate-{month}.zip"
OPEN, LOW, CLOSE, VOLUME, TURNOVER, TRADES, BOUGHT = 1, 3, 4, 5, 7, 8, 10  # places in a row of klines


@dataclass(frozen=True)
class Planted:
    """A cell that was altered: what the lake holds there before and after."""

    symbol: str
    ts: int
    column: str
    old: float
    new: float


def _with(row: Row, place: int, text: str) -> Row:
    return [*row[:place], text, *row[place + 1 :]]


ALTER: Mapping[str, Alter] = {  # all of them leave a bar that can be
    "close": lambda row, by: _with(row, CLOSE, row[LOW]),
    "volume": lambda row, by: _with(row, VOLUME, f"{float(row[VOLUME]) * (1 + by):.3f}"),
    "trades": lambda row, by: _with(row, TRADES, str(int(row[TRADES]) + 1 + int(1000 * by))),
    "taker": lambda row, by: _with(row, BOUGHT, f"{float(row[BOUGHT]) * (1 - by):.5f}"),
    "nothing": lambda row, by: _with(row, VOLUME, row[VOLUME] + "0"),  # another text of the same number
}


def values(row: Row) -> dict[str, float]:
    """Which values of the lake does a row of klines give that may be altered here?"""
    sold = float(row[TURNOVER]) - float(row[BOUGHT])
    plain = {"close": CLOSE, "volume": VOLUME, "trades": TRADES, "perp_taker_buy": BOUGHT}
    return {name: float(row[place]) for name, place in plain.items()} | {"perp_taker_sell": sold}


class Restating:
    """A copy of an archive, whose monthly files may be replaced as the venue replaces them."""

    def __init__(self, root: Path, tf: Timeframe, seed: int) -> None:
        self.archive, self.tf, self.random = Archive(root), tf, np.random.default_rng(seed)

    def restate(self, symbol: str, days: Sequence[date], bars: int) -> list[Planted]:
        """Alter so many bars of each of these days; returns every cell that has another value by it."""
        found: list[Planted] = []
        for month in sorted({f"{day:%Y-%m}" for day in days}):
            path = KLINES.format(symbol=symbol, tf=self.tf, month=month)
            head, rows = self._read(path)
            at = {int(row[0]): i for i, row in enumerate(rows)}
            for day in (day for day in days if f"{day:%Y-%m}" == month):
                for i in self.random.choice(self.tf.per_day, bars, replace=False).tolist():
                    open_ms = day_start(day) + i * self.tf.ms
                    row, how = rows[at[open_ms]], str(self.random.choice([*ALTER]))
                    new = ALTER[how](row, 0.001 + 0.2 * float(self.random.random()))
                    rows[at[open_ms]] = new
                    found += self._differences(symbol, open_ms + self.tf.ms, row, new)
            self._put(path, head, rows)
        return found

    def rewrite(self, symbol: str, month: str) -> None:
        """Put a month in its place again, another file of the same values."""
        path = KLINES.format(symbol=symbol, tf=self.tf, month=month)
        head, rows = self._read(path)
        self._put(path, head, [ALTER["nothing"](row, 0.0) for row in rows])

    def settle(self, symbol: str, day: date) -> tuple[int, float, float] | None:
        """Restate the day's first funding rate: its stamp (UTC ms), what it was and is. None where there is none."""
        path = FUNDING.format(symbol=symbol, month=f"{day:%Y-%m}")
        if not (self.archive.root / path).is_file():
            return None
        head, rows = self._read(path)
        i = next(i for i, row in enumerate(rows) if day_of(int(row[0])) == day)
        stamp, old = int(rows[i][0]), rows[i][2]
        rows[i] = _with(rows[i], 2, f"{float(old) * 2.3 + 1e-6:.8f}")
        self._put(path, head, rows)
        return stamp, float(old), float(rows[i][2])

    def _differences(self, symbol: str, ts: int, old: Row, new: Row) -> list[Planted]:
        before, after = values(old), values(new)
        return [Planted(symbol, ts, name, before[name], after[name]) for name in before if before[name] != after[name]]

    def _read(self, path: str) -> tuple[str, list[Row]]:
        with zipfile.ZipFile(self.archive.root / path) as packed:
            text = packed.read(packed.namelist()[0]).decode()
        head, *rows = csv.reader(io.StringIO(text))
        return ",".join(head), rows

    def _put(self, path: str, head: str, rows: Sequence[Row]) -> None:
        self.archive.put(path, "".join(f"{line}\n" for line in [head, *(",".join(row) for row in rows)]))
