"""CoinGlass API v4: what to ask, and what its answers say."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from lake.settings import variable
from meta.columns import BARS
from meta.errors import BadPayload, NotReady, VenueRefused
from meta.timeframes import DAY, HOUR, MINUTE, Timeframe, day_start, timeframe, utc
from p1_ingest.budget import Pool
from p1_ingest.payload import numbers, parse, said
from p1_ingest.sources import coinglass_verdicts as verdicts
from p1_ingest.sources.base import Answer, Gate, Host, Reply, Request, Series, Source
from p1_ingest.sources.coinglass_conf import CoinGlassConf, Field, SeriesConf, coinglass_conf

SECONDS_BELOW = 1e11  # a smaller stamp counts seconds: a few of the venue's endpoints do
LATEST = 4e12
GRACE = HOUR  # a plan's depth moves on while we ask


class CoinGlass(Source):
    """The venue, or a stand-in that speaks as it does."""

    def __init__(
        self, conf: CoinGlassConf, *, url: str | None = None, name: str = "coinglass", synthetic: bool = False
    ):
        self._conf = conf
        self.name = name
        self.synthetic = synthetic
        self.settle_lag_ms = conf.settle_lag_minutes * MINUTE
        base = (url or conf.url).rstrip("/").removesuffix("/api")
        public = {"public_key": "stand-in"} if synthetic else {"key_name": conf.key_name}
        self.hosts = {name: Host(base, conf.key_header, **public)}
        self.pools = {name: Pool(conf.per_minute)}

    def series(self, symbol: str, tf: Timeframe) -> tuple[Series, ...]:
        """What does the source offer for this symbol? Raises Usage where its coin cannot be told."""
        return tuple(
            Series(name, _columns(spec), "bar", spec.variant, spec.required)
            for name, spec in self._conf.series.items()
            if self._conf.market(symbol).spot or not spec.spot
        )

    def left_out(self, symbol: str, tf: Timeframe) -> dict[str, str]:
        """Which bar columns does it not offer for this symbol, and why?"""
        offered = {column for series in self.series(symbol, tf) for column in series.columns}
        spot = {column for spec in self._conf.series.values() if spec.spot for column in _columns(spec)}
        return {
            column.name: f"{symbol} has no spot pair"
            if column.name in spot
            else self._conf.absent.get(column.name, "not offered")
            for column in BARS
            if column.kind != "key" and column.name not in offered
        }

    def rules(self, symbol: str, tf: Timeframe) -> str:
        """Which paths, parameters, fields and market names make this symbol's values?"""
        said = {"series": self._conf.series, "market": self._conf.market(symbol)}
        return msgspec.json.encode(said, order="sorted").decode()

    def gate(self, tf: Timeframe, now: int, fetch: Callable[[Request], bytes]) -> Gate:
        """What does the plan allow? Raises VenueRefused where it has expired or does not serve this timeframe."""
        request = Request("account", self.name, self._conf.account, (), (), 0, 0, tf=tf.name, pool=self.name)
        try:
            body = fetch(request)
        except NotReady:
            return Gate(None, f"{self.name} does not tell its plan, so its depth is not known beforehand")
        account = _data(parse(body, f"{self.name} account"), f"{self.name} account")
        if not isinstance(account, dict) or not isinstance(account.get("level"), str):
            raise BadPayload(f"{self.name} account: the answer names no plan; nothing can be planned on it")
        level = said(account["level"], 40).upper()
        if account.get("expired") is True:
            raise VenueRefused(f"{self.name}: the {level.title()} plan of this key has expired; renew it")
        return self._allowed(level, tf, now)

    def _allowed(self, level: str, tf: Timeframe, now: int) -> Gate:
        if level not in self._conf.plans:
            return Gate(None, f"{self.name}: plan {level.title()}, no depth limit known")
        depth = self._conf.plans[level].get(tf.name)
        if depth is None:
            need = self._conf.plan_for(tf.name)
            wants = f"needs the {need} plan or above" if need else "is served by no plan"
            raise VenueRefused(
                f"{self.name}: {tf} {wants}, and this key has {level.title()} "
                f"({', '.join(self._conf.plans[level])}); ask for one of those with --tf, or upgrade"
            )
        if not depth:
            return Gate(None, f"{self.name}: the {level.title()} plan keeps all of {tf}")
        oldest = now - depth * DAY + GRACE
        return Gate(
            oldest, f"{self.name}: the {level.title()} plan keeps {depth} days of {tf}, back to {utc(oldest)[:16]}Z"
        )

    def ask(self, series: Series, symbol: str, tf: Timeframe, days: Sequence[date]) -> list[Request]:
        """Which requests answer this series for these days? Windows of whole days with fewer bars than a page holds."""
        spec = self._conf.series[series.name]
        return self._requests(series.name, spec, spec.path, symbol, tf, days)

    def instead(self, request: Request, days: Sequence[date], disbelieved: bool = False) -> list[Request]:
        """What else can be asked for the days that had no row?"""
        spec = self._conf.series.get(request.series)
        if disbelieved or spec is None or spec.instead is None or request.path != spec.path:
            return []
        return self._requests(request.series, spec, spec.instead.path, request.symbol, timeframe(request.tf), days)

    def judge(self, request: Request, reply: Reply) -> None:
        """Is this reply an answer? Raises Retryable, VenueRefused, NotReady or BadPayload if not."""
        conf = self._conf
        key_name = "" if self.synthetic else conf.key_name
        terms = verdicts.Terms(key_name, conf.key_header, conf.plan_for(request.tf), conf.wait_seconds)
        verdicts.judge(request, reply, terms)

    def read(self, request: Request, body: bytes) -> Answer:
        """What does this body say? Rows that make no sense are dropped and counted.

        Raises BadPayload where the body is not such an answer at all.
        """
        spec, what = self._conf.series[request.series], f"{self.name} {request.series} {request.tf} {request.symbol}"
        rows = _data(parse(body, what), what)
        if not isinstance(rows, list):
            raise BadPayload(f"{what}: the answer's data is no list of rows; nothing of it is used")
        stood_in = spec.instead is not None and request.path == spec.instead.path
        variant = spec.instead.variant if spec.instead and stood_in else spec.variant
        coins = self._conf.market(request.symbol).coins
        at, values, counts = _table(rows, spec.columns(), coins, request, what)
        if spec.stamp:
            values[spec.stamp] = at.astype(np.float64)
        return Answer(request.series, at, values, counts, variant)

    def _requests(
        self, name: str, spec: SeriesConf, path: str, symbol: str, tf: Timeframe, days: Sequence[date]
    ) -> list[Request]:
        market = self._conf.market(symbol)
        fixed = [
            (key, value.format(pair=market.pair, coin=market.coin, spot=market.spot))
            for key, value in spec.params.items()
        ]
        requests = []
        for group, start, end in _windows(days, tf, self._conf.page):
            asked = [
                ("interval", tf.name),
                ("limit", str(self._conf.page)),
                ("start_time", str(start)),
                ("end_time", str(end)),
            ]
            params = (*fixed, *asked)
            requests.append(Request(name, self.name, path, params, group, start, end, symbol, tf.name, self.name))
        return requests


def coinglass_source(url: str | None = None, conf: Path | None = None) -> CoinGlass:
    """Where is CoinGlass? At `url`, else COINGLASS_BASE_URL, else where conf/sources.yaml says."""
    return CoinGlass(coinglass_conf(conf), url=url or variable("COINGLASS_BASE_URL"))


def sim_source(url: str, conf: Path | None = None) -> CoinGlass:
    """The stand-in venue at `url`: it speaks as CoinGlass does, and its data is synthetic."""
    return CoinGlass(coinglass_conf(conf, sim=True), url=url, name="sim", synthetic=True)


def _columns(spec: SeriesConf) -> tuple[str, ...]:
    return (*spec.fields, *([spec.stamp] if spec.stamp else []))


def _windows(days: Sequence[date], tf: Timeframe, page: int) -> Iterator[tuple[tuple[date, ...], int, int]]:
    """Runs of adjacent days, cut to fewer bars than a page: should end_time count as inside, there is a row more."""
    most = max(1, (page - 1) // tf.per_day)
    parts = -(-tf.per_day // (page - 1)) if tf.per_day >= page else 1
    adjacent = itertools.groupby(enumerate(days), lambda pair: pair[1].toordinal() - pair[0])
    for _, pairs in adjacent:
        run = [day for _, day in pairs]
        for first in range(0, len(run), most):
            group = tuple(run[first : first + most])
            start, length = day_start(group[0]), len(group) * tf.per_day
            for part in range(parts):
                yield group, start + length * part // parts * tf.ms, start + length * (part + 1) // parts * tf.ms


def _data(found: Any, what: str) -> Any:
    """The envelope's data. Raises BadPayload where this is no envelope of a success."""
    if not isinstance(found, dict) or str(found.get("code")) != "0" or "data" not in found:
        raise BadPayload(f"{what}: the answer has no code 0 with data; nothing of it is used")
    return found["data"]


def _table(
    rows: list[Any], columns: dict[str, Field], coins: float, request: Request, what: str
) -> tuple[np.ndarray, dict[str, np.ndarray], Counter[str]]:
    """The rows as columns by bar close, without those that make no sense, and the count of each kind of those."""
    counts: Counter[str] = Counter()
    dicts = [row for row in rows if type(row) is dict]
    raw = {name: [row.get(field.field) for row in dicts] for name, field in columns.items()}
    _must_have(dicts, ["time", *[field.field for field in columns.values()]], what)
    values = {name: numbers(raw[name]) / (f.per * (coins if f.per_coin else 1.0)) for name, f in columns.items()}
    opens, keep = _opens(dicts, timeframe(request.tf), counts)
    told = keep & _told(raw, values, keep, counts)
    counts["malformed"] += len(rows) - len(dicts)
    if (counts["malformed"] + counts["misaligned"]) * 2 > len(rows):
        raise BadPayload(
            f"{what}: {len(rows) - int(told.sum())} of {len(rows)} rows are nonsense; nothing of it is used"
        )
    told &= _inside(opens, keep, request, counts, what)
    at, values = opens[told] + timeframe(request.tf).ms, {name: column[told] for name, column in values.items()}
    order = np.argsort(at, kind="stable")
    last = np.append(np.diff(at[order]) != 0, True)[: len(at)]
    counts["duplicate"] += int((~last).sum())
    chosen = order[last]
    return at[chosen], {name: column[chosen] for name, column in values.items()}, +counts


def _must_have(dicts: list[dict[str, Any]], fields: list[str], what: str) -> None:
    for field in fields:
        if dicts and not any(field in row for row in dicts):
            has = said(" ".join(map(str, dicts[0])), 80)
            raise BadPayload(f"{what}: no row has the field {field!r} (they have {has}); nothing of it is used")


def _opens(dicts: list[dict[str, Any]], tf: Timeframe, counts: Counter[str]) -> tuple[np.ndarray, np.ndarray]:
    """Each row's bar open (n,) int64 ms, 0 where its stamp is none, and which rows have one on the grid."""
    stamps = numbers([row.get("time") for row in dicts])
    stamps = np.where(stamps < SECONDS_BELOW, stamps * 1000, stamps)
    stamped = (stamps > 0) & (stamps < LATEST) & (stamps == np.floor(stamps))
    opens = np.where(stamped, stamps, 0).astype(np.int64)
    on_grid = stamped & (opens % tf.ms == 0)
    counts["malformed"] += int((~stamped).sum())
    counts["misaligned"] += int((stamped & ~on_grid).sum())
    return opens, on_grid


def _told(
    raw: dict[str, list[Any]], values: dict[str, np.ndarray], keep: np.ndarray, counts: Counter[str]
) -> np.ndarray:
    """Which rows say all their columns? The others said null (`missing`) or no number at all (`malformed`)."""
    bad, null = np.zeros(len(keep), bool), np.zeros(len(keep), bool)
    for name, column in values.items():
        if np.isnan(column).any():
            silent = np.array([value is None for value in raw[name]])
            null |= silent
            bad |= np.isnan(column) & ~silent
    counts["malformed"] += int((keep & bad).sum())
    counts["missing"] += int((keep & null & ~bad).sum())
    return ~(bad | null)


def _inside(opens: np.ndarray, keep: np.ndarray, request: Request, counts: Counter[str], what: str) -> np.ndarray:
    """Which rows lie in the asked window? One at its very end is the venue's reading of end_time, and not counted."""
    inside = (opens >= request.start) & (opens < request.end)
    outside = keep & ~inside & (opens != request.end)
    counts["outside"] += int(outside.sum())
    if outside.any() and not (keep & inside).any():
        first = utc(int(opens[outside][0]))
        raise BadPayload(f"{what}: asked from {utc(request.start)}, the answer is of {first}; nothing of it is used")
    return inside
