"""What does the Binance source make of bodies that were really sent? `python -m scripts.read_recorded FILE…`

Original archive zips (whatever the file is called: its one member's name says what it is, and `spot` in the file's
name where), and fundingRate bodies of the futures REST (`…fundingRate-SYMBOL…json`). Each is read as an ingest would
read it, and told in a line or two. Other files are passed over by name.
"""

from __future__ import annotations

import re
import sys
import zipfile
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import numpy as np

from meta.errors import PerplakeError
from meta.timeframes import DAY, day_start, timeframe, utc
from p1_ingest.payload import parse
from p1_ingest.sources.base import Answer, Request
from p1_ingest.sources.binance import Binance, BinanceConf
from p1_ingest.sources.binance_archive import day_file
from p1_ingest.sources.binance_rest import FUTURES, PATHS

MEMBER = re.compile(r"([A-Z0-9]+)-(metrics|\d+[mhd])-(\d{4}-\d\d-\d\d)\.csv")
SETTLEMENTS = re.compile(r"fundingRate-([A-Z0-9]+).*\.json$")


def asked(path: Path) -> tuple[Request, bytes] | None:
    """The request this file answers, and its body; None where it is of no use."""
    if path.suffix == ".zip":
        with zipfile.ZipFile(path) as packed:
            member = packed.namelist()[0]
        if (found := MEMBER.fullmatch(member)) is None:
            return None
        symbol, what, day = found[1], found[2], date.fromisoformat(found[3])
        series = "metrics" if what == "metrics" else "spot" if "spot" in path.name else "klines"
        tf = timeframe("5m" if what == "metrics" else what)
        return day_file(series, symbol, symbol, tf, day, [day]), path.read_bytes()
    if (found := SETTLEMENTS.search(path.name)) is None:
        return None
    body = path.read_bytes()
    stamps = [row["fundingTime"] for row in parse(body, path.name)]
    first, last = min(stamps) // DAY * DAY, (max(stamps) // DAY + 1) * DAY
    return Request("funding", FUTURES, PATHS["funding"], (), (), first, last, found[1], "5m"), body


def told(answer: Answer) -> str:
    """An answer in a line: how many rows, from when to when, and how many values each column has."""
    span = f"{utc(int(answer.at[0]))[:16]} … {utc(int(answer.at[-1]))[:16]}" if len(answer.at) else "none"
    columns = ", ".join(f"{name} {np.isfinite(values).sum()}" for name, values in answer.values.items())
    odd = [str(dict(answer.counts))] if answer.counts else []
    parts = [f"{answer.series}: {len(answer.at)} rows, {span}", f"values: {columns}", *odd, answer.note]
    return "; ".join(filter(None, parts))


def main(names: Sequence[str]) -> int:
    """Read each; 1 where one that should be read is refused."""
    source, code = Binance(BinanceConf(), clock=lambda: day_start(date(2100, 1, 1))), 0
    for path in map(Path, names):
        if (found := asked(path)) is None:
            print(f"{path.name}: passed over, no ingest asks for it")
            continue
        try:
            print(f"{path.name}\n  {told(source.read(*found))}")
        except PerplakeError as error:
            print(f"{path.name}\n  REFUSED: {error}")
            code = 1
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
