"""How is an answer spelled? JSON text as recorded: strings here, numbers there, both in the forming bar."""

from __future__ import annotations

import json

import numpy as np

from p1_ingest.sim.coins import Coin
from p1_ingest.sim.market import Bars
from p1_ingest.sim.minutes import DECIMALS
from p1_ingest.sim.series import Series


def history(series: Series, coin: Coin, at: np.ndarray, columns: Bars, mixed: bool) -> bytes:
    """Which body holds these bars? Without `msg`, as most series have it.

    at : (n,) int64, bar opens, UTC ms · columns : (n,) or (4, n) int64 as in DECIMALS · mixed : the last bar is forming
    """
    ticks = {"perp": coin.decimals, "spot": coin.spot_decimals}
    texts: list[list[str]] = []
    for name, column in columns.items():
        decimals = ticks.get(name, DECIMALS.get(name, 0))
        texts += [_texts(part, decimals) for part in (column if column.ndim == 2 else column[None, :])]
    mark = '"' if series.quoted else ""
    row = '{"time":%d,' + ",".join(f'"{field}":{mark}%s{mark}' for field in series.fields) + "}"
    rows = [row % values for values in zip(at.tolist(), *texts, strict=True)]
    if mixed:
        rows[-1] = _mixed(series, int(at[-1]), [text[-1] for text in texts])
    return ('{"code":"0","data":[' + ",".join(rows) + "]}").encode()


def _mixed(series: Series, at: int, texts: list[str]) -> str:
    """The forming bar: one value typed unlike its neighbours; open interest all unquoted, with decimals."""
    quoted = [series.quoted] * len(texts)
    quoted[2 if len(texts) > 2 else 0] = not series.quoted
    if series.habit == "interest":
        quoted = [False] * len(texts)
        texts = [text if "." in text else f"{text}.2341" for text in texts]
    cells = [f'"{f}":"{t}"' if q else f'"{f}":{t}' for f, t, q in zip(series.fields, texts, quoted, strict=True)]
    return f'{{"time":{at},' + ",".join(cells) + "}"


def _texts(values: np.ndarray, decimals: int) -> list[str]:
    """Decimal texts of scaled integers, without trailing zeros and never in powers of ten."""
    if not decimals:
        return [str(value) for value in values.tolist()]
    exact = (values / 10.0**decimals).tolist()
    if decimals > 4:
        return [f"{value:.{decimals}f}".rstrip("0").rstrip(".") for value in exact]
    return [text[:-2] if text.endswith(".0") else text for text in map(repr, exact)]


def listing(data: object) -> bytes:
    """Which body holds this reference list?"""
    return _json({"code": "0", "msg": "success", "data": data})


def error(code: str, msg: str) -> bytes:
    """Which body says no?"""
    return _json({"code": code, "msg": msg} | ({"success": False} if code == "30001" else {}))


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
