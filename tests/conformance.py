"""What every source must keep: one suite of claims, run against each venue's stand-in on loopback.

A new source is held to it by a `Stand` of its own in tests/test_p1_ingest_conformance.py.
"""

from __future__ import annotations

import io
import ipaddress
import json
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest

from lake import days as lake_days
from lake.ending import line_of
from meta.columns import BAR_COLUMNS, BARS, PRICES
from meta.errors import BadPayload, NotReady, PerplakeError, Retryable, VenueRefused
from meta.timeframes import DAY, Timeframe, day_start, timeframe
from p1_ingest.bars import together
from p1_ingest.fetch import Fetcher
from p1_ingest.fetched import State
from p1_ingest.grid import STAMPS, laid
from p1_ingest.http import Sender
from p1_ingest.ingest import ingest
from p1_ingest.sources.base import Answer, Reply, Request, Series, Source
from p1_ingest.wanted import Choice
from tests import lakes
from tests.archive import zipped
from tests.canned import Canned, reply

KEY = "canary-77d0c2be91a4f635"
HOURLY = timeframe("1h")
ROW = 5  # which row of a body is made to say nothing: inside every span that is asked for
KEPT = (0, 6)  # of a row that is a list: its stamps
NAMES = ("time", "timestamp", "symbol", "fundingTime")  # of a row that is an object
NONSENSE = (b"", b"<!doctype html><html>Just a moment...</html>", b"\xff\xfe\x00", b"null", b'"busy"', b"{", b"[1,")


@dataclass
class Stand:
    """A source before its stand-in.

    days : settled, adjacent, each with bars. asking : a source like it whose every host is at this URL.
    """

    source: Source
    sender: Sender
    symbol: str
    days: list[date]
    now: int
    asking: Callable[[str], Source]
    tf: Timeframe = HOURLY
    _answers: dict[Request, bytes] = field(default_factory=dict)

    @property
    def series(self) -> tuple[Series, ...]:
        return self.source.series(self.symbol, self.tf)

    def asked(self, one: Series, days: list[date] | None = None) -> list[Request]:
        return self.source.ask(one, self.symbol, self.tf, days or self.days)

    def requests(self) -> Iterator[tuple[Series, Request]]:
        """Every request for the days, with its series."""
        for one in self.series:
            for request in self.asked(one):
                yield one, request

    def body(self, request: Request) -> bytes:
        """What the stand-in answers, asked once."""
        if request not in self._answers:
            self._answers[request] = self.sender.send(request, self.source.judge)
        return self._answers[request]

    def columns(self, groups: list[list[date]]) -> dict[str, np.ndarray]:
        """The bars' columns over all days, asked for in these groups."""
        found: dict[str, list[np.ndarray]] = {}
        with ThreadPoolExecutor(2) as pool:
            fetcher = Fetcher(self.source, self.sender, pool, lambda: self.now)
            for group in groups:
                said = fetcher.fetch(self.series, self.symbol, self.tf, group)
                assert all(said.state(day, [one.name for one in self.series]) is State.ANSWERED for day in group)
                whole = together(self.series, said.answers)
                for day in group:
                    close = day_start(day) + self.tf.ms * np.arange(1, self.tf.per_day + 1)
                    at: dict[str, np.ndarray] = {}
                    for one in self.series:
                        at |= laid(one, whole[one.name], close, self.tf)
                    for name, values in at.items():
                        found.setdefault(name, []).append(values)
        return {name: np.concatenate(parts) for name, parts in found.items()}

    def ingested(self, root: Path, groups: list[list[date]]) -> dict[str, dict[str, bytes]]:
        """The day folders of a lake that these groups of days were ingested into, one after the other."""
        shelf = lakes.a_shelf(root, self.tf.name, self.symbol)
        for group in groups:
            ingest(self.source, self.sender, shelf, group, Choice(refresh_tail=0), lambda: self.now)
        assert sorted(lake_days.committed(shelf)) == self.days
        return lakes.day_folders(root)


class Conformance:
    """The claims; a class that inherits them needs a fixture `stand`."""

    # --- what it says of itself

    def test_every_bar_column_is_offered_or_left_out_with_a_reason(self, stand: Stand) -> None:
        offered = {column for one in stand.series for column in one.columns}
        offered |= {stamp for column, stamp in STAMPS.items() if column in offered}
        out = stand.source.left_out(stand.symbol, stand.tf)
        assert offered | set(out) == {column.name for column in BARS if column.kind != "key"}
        assert not offered & set(out) and all(isinstance(why, str) and why for why in out.values())

    def test_no_two_series_bring_the_same_column_and_one_makes_the_bars(self, stand: Stand) -> None:
        columns = [column for one in stand.series for column in one.columns]
        assert len(columns) == len(set(columns)) and set(columns) <= set(BAR_COLUMNS)
        required = {column for one in stand.series if one.required for column in one.columns}
        assert set(PRICES) <= required

    def test_the_same_question_has_the_same_answer(self, stand: Stand) -> None:
        for one in stand.series:
            assert stand.asked(one) == stand.asked(one)
        assert stand.series == stand.source.series(stand.symbol, stand.tf)

    # --- what it asks

    def test_requests_cover_each_day_and_name_it(self, stand: Stand) -> None:
        for one in stand.series:
            requests = stand.asked(one)
            assert {day for request in requests for day in request.days} == set(stand.days), one.name
            for day in stand.days:
                spans = sorted((r.start, r.end) for r in requests if day in r.days)
                reached = day_start(day)
                for start, end in spans:
                    reached = max(reached, end) if start <= reached else reached
                assert reached >= day_start(day) + DAY, f"{one.name} {day}"

    def test_every_request_goes_to_a_host_of_its_own_over_https_or_loopback(self, stand: Stand) -> None:
        for one, request in stand.requests():
            assert request.series == one.name and (request.symbol, request.tf) == (stand.symbol, stand.tf.name)
            assert request.host in stand.source.hosts and request.path.startswith("/") and request.start < request.end
            url = urlsplit(stand.source.hosts[request.host].url)
            assert url.scheme == "https" or ipaddress.ip_address(url.hostname or "").is_loopback

    # --- what it reads

    def test_reading_is_a_function_of_the_body_alone(self, stand: Stand) -> None:
        for _, request in stand.requests():
            body = stand.body(request)
            one, other = stand.source.read(request, body), stand.source.read(request, bytes(bytearray(body)))
            assert np.array_equal(one.at, other.at) and set(one.values) == set(other.values)
            assert all(np.array_equal(v, other.values[n], equal_nan=True) for n, v in one.values.items())

    def test_rows_are_ascending_unique_and_of_the_declared_columns(self, stand: Stand) -> None:
        for one, request in stand.requests():
            answer = stand.source.read(request, stand.body(request))
            assert answer.series == one.name and answer.at.dtype == np.int64 and len(answer.at)
            assert (np.diff(answer.at) > 0).all() and set(answer.values) <= set(one.columns)
            for values in answer.values.values():
                assert values.dtype == np.float64 and values.shape == answer.at.shape
                assert not np.isinf(values).any()

    def test_nothing_is_of_another_time_than_was_asked_for(self, stand: Stand) -> None:
        for one, request in stand.requests():
            at = stand.source.read(request, stand.body(request)).at
            first, last = request.start, request.end
            if one.kind == "bar":
                assert at.min() >= first + stand.tf.ms and at.max() <= last and not (at % stand.tf.ms).any()
            else:
                assert at.min() >= first and at.max() <= last

    def test_what_a_row_does_not_say_is_missing_and_never_zero(self, stand: Stand) -> None:
        for one, request in stand.requests():
            body = stand.body(request)
            intact, holed = stand.source.read(request, body), stand.source.read(request, without_a_row(request, body))
            lost = _changed(intact, holed, [c for c in one.columns if c != "funding_interval_hours"])
            assert len(lost) == 1, f"{one.name}: {len(lost)} rows changed"
            assert not np.isfinite(lost[0]).any(), f"{one.name} says {lost[0]} where nothing was said"

    def test_a_body_that_is_none_is_bad_payload(self, stand: Stand) -> None:
        for _, request in stand.requests():
            body = stand.body(request)
            for nonsense in (*NONSENSE, body[: len(body) // 2], body[1:], body + b"}"):
                if request.expects == "zip" and nonsense == body + b"}":
                    continue  # a zip may be followed by anything; its digest tells
                with pytest.raises(BadPayload):
                    stand.source.read(request, nonsense)

    # --- what it takes a reply for

    def test_a_reply_is_judged_by_what_the_caller_should_do(self, stand: Stand) -> None:
        classes = {404: (NotReady, VenueRefused), 429: (Retryable,), 500: (Retryable,), 502: (Retryable,)}
        classes |= {403: (VenueRefused,), 451: (VenueRefused,), 400: (VenueRefused, BadPayload, NotReady)}
        for _, request in stand.requests():
            stand.source.judge(request, Reply(200, {}, stand.body(request)))
            for status, kinds in classes.items():
                for body in (b"", b"<html>no</html>", b"{}"):
                    with pytest.raises(kinds):
                        stand.source.judge(request, Reply(status, {}, body))
            with pytest.raises((BadPayload, Retryable)):
                stand.source.judge(request, Reply(200, {}, b"<!doctype html><html>Just a moment...</html>"))

    def test_no_failure_holds_the_key_or_a_line_break(self, stand: Stand) -> None:
        request = next(request for _, request in stand.requests())
        names = {host.key_name for host in stand.source.hosts.values() if host.key_name}
        said = {"code": "401", "msg": f"the key {KEY if names else '…'} is\nnot known"}
        for status in (200, 401, 403, 404, 429, 500):
            with Canned(reply(said, status)) as venue:
                source = stand.asking(venue.url)
                with Sender(source.hosts, keys=dict.fromkeys(names, KEY), tries=1) as sender:
                    with pytest.raises(PerplakeError) as caught:
                        source.read(request, sender.send(request, source.judge))
                    assert ("\n" not in str(caught.value)) and KEY not in line_of(caught.value)
                    chain: BaseException | None = caught.value
                    while chain is not None:
                        assert KEY not in repr(chain)
                        chain = chain.__cause__ or (None if chain.__suppress_context__ else chain.__context__)
                assert all((KEY in head) == bool(names) for head in venue.heads)

    # --- what the values mean

    def test_values_are_in_the_declared_units(self, stand: Stand) -> None:
        at = stand.columns([stand.days])
        nothing = np.full(len(at["close"]), np.nan)
        of = {column.name: at.get(column.name, nothing) for column in BARS}
        top, bottom = np.maximum(of["open"], of["close"]), np.minimum(of["open"], of["close"])
        assert (of["high"] >= top).all() and (of["low"] <= bottom).all() and (of["low"] > 0).all()
        believed = {
            "turnover is about volume x price": _ratio(of["quote_volume"], of["volume"] * of["close"], 0.8, 1.25),
            "taker flow within turnover": of["perp_taker_buy"] + of["perp_taker_sell"] <= of["quote_volume"] * 1.005,
            "taker base within volume": of["perp_taker_buy_base"] <= of["volume"] * 1.005,
            "funding is a fraction": np.abs(of["funding_now"]) < 0.02,
            "a funding period is of hours": np.isin(of["funding_interval_hours"], (1, 2, 4, 8)),
            "open interest in money is coins x price": _ratio(of["oi_now"], of["oi_base"] * of["close"], 0.8, 1.25),
            "mark and close are one price": _ratio(of["mark_price"], of["close"], 0.9, 1.1),
            "index and close are one price": _ratio(of["index_price"], of["close"], 0.9, 1.1),
            "premium is a fraction": np.abs(of["premium"]) < 0.05,
            "ratios are ratios": (of["ls_global"] > 0.01) & (of["ls_global"] < 100),
            "flows are not negative": (np.fmin(of["liq_long"], of["spot_taker_buy"]) >= 0),
        }
        for claim, holds in believed.items():
            told = ~np.isnan(_inputs_of(claim, of))
            assert holds[told].all(), claim

    def test_stamps_are_never_later_than_the_bar(self, stand: Stand) -> None:
        at = stand.columns([stand.days])
        close = np.concatenate([day_start(d) + stand.tf.ms * np.arange(1, stand.tf.per_day + 1) for d in stand.days])
        for name in {stamp for stamp in STAMPS.values() if stamp in at}:
            told = ~np.isnan(at[name])
            assert told.any() and (at[name][told] <= close[told]).all(), name

    def test_a_state_older_than_its_period_is_missing(self, stand: Stand) -> None:
        close = day_start(stand.days[0]) + stand.tf.ms * np.arange(1, stand.tf.per_day + 1)
        for one in [one for one in stand.series if one.kind == "sample"]:
            answers = [stand.source.read(r, stand.body(r)) for r in stand.asked(one, stand.days[:1])]
            whole = together([one], {one.name: answers})[one.name]
            rows = whole.at < close[4]
            cut = replace(whole, at=whole.at[rows], values={name: v[rows] for name, v in whole.values.items()})
            for name, values in laid(one, cut, close, stand.tf).items():
                assert np.isnan(values[close >= close[4] + max(stand.tf.ms, one.native_ms)]).all(), name

    # --- the same days, asked for otherwise

    def test_days_asked_for_in_other_groups_have_the_same_values(self, stand: Stand) -> None:
        at_once = stand.columns([stand.days])
        for groups in ([[day] for day in stand.days], [stand.days[:1], stand.days[1:]]):
            again = stand.columns(groups)
            assert set(again) == set(at_once)
            unlike = [name for name in again if not np.array_equal(again[name], at_once[name], equal_nan=True)]
            assert not unlike

    def test_days_come_whole_into_the_lake_and_day_by_day_is_byte_for_byte_at_once(self, stand: Stand) -> None:
        with lakes.scratch() as one, lakes.scratch() as other:
            at_once = stand.ingested(one, [stand.days])
            assert stand.ingested(other, [[day] for day in stand.days]) == at_once
            table = lake_days.need(lakes.a_shelf(one, stand.tf.name, stand.symbol), stand.days[0]).table()
            assert table.num_rows == stand.tf.per_day
            out = stand.source.left_out(stand.symbol, stand.tf)
            assert all(table.column(name).null_count == table.num_rows for name in out), "what is left out is null"
            for name in {column for series in stand.series for column in series.columns}:
                assert table.column(name).null_count < 0.1 * table.num_rows, name

    def test_a_second_ingest_changes_nothing(self, stand: Stand) -> None:
        with lakes.scratch() as root:
            first = stand.ingested(root, [stand.days])
            assert stand.ingested(root, [stand.days]) == first


def without_a_row(request: Request, body: bytes) -> bytes:
    """The same body, of which one row keeps its stamps and says nothing else."""
    return _zip_without(body) if request.expects == "zip" else _json_without(body)


def _json_without(body: bytes) -> bytes:
    found = json.loads(body)
    rows = found if isinstance(found, list) else found["data"]
    row: Any = rows[ROW]
    for place in range(len(row)) if isinstance(row, list) else [name for name in row if name not in NAMES]:
        if not (isinstance(row, list) and place in KEPT):
            row[place] = None
    return json.dumps(found).encode()


def _zip_without(body: bytes) -> bytes:
    with zipfile.ZipFile(io.BytesIO(body)) as packed:
        name = packed.namelist()[0]
        lines = packed.read(name).decode().splitlines()
    cells = lines[ROW].split(",")
    kept = (0, 1) if len(cells) == 8 else KEPT  # metrics name the symbol; klines close after they open
    lines[ROW] = ",".join(cell if i in kept else "" for i, cell in enumerate(cells))
    return zipped(name.removesuffix(".csv") + ".zip", "".join(f"{line}\n" for line in lines))


def _changed(intact: Answer, holed: Answer, columns: list[str]) -> list[np.ndarray]:
    """What the second answer says (NaN: nothing) at each instant where it differs from the first."""
    names = [name for name in columns if name in intact.values]
    place = {int(at): i for i, at in enumerate(holed.at)}
    lost = []
    for i, at in enumerate(intact.at):
        before = np.array([intact.values[name][i] for name in names])
        after = np.array([holed.values[name][place[int(at)]] if int(at) in place else np.nan for name in names])
        if not np.array_equal(before, after, equal_nan=True):
            lost.append(after)
    assert set(place) <= set(intact.at.tolist())
    return lost


def _ratio(one: np.ndarray, other: np.ndarray, least: float, most: float) -> np.ndarray:
    return (one >= least * other) & (one <= most * other)


INPUTS = {
    "turnover is about volume x price": ("quote_volume", "volume"),
    "taker flow within turnover": ("perp_taker_buy", "perp_taker_sell", "quote_volume"),
    "taker base within volume": ("perp_taker_buy_base", "volume"),
    "funding is a fraction": ("funding_now",),
    "a funding period is of hours": ("funding_interval_hours",),
    "open interest in money is coins x price": ("oi_now", "oi_base"),
    "mark and close are one price": ("mark_price",),
    "index and close are one price": ("index_price",),
    "premium is a fraction": ("premium",),
    "ratios are ratios": ("ls_global",),
    "flows are not negative": ("liq_long",),
}


def _inputs_of(claim: str, of: dict[str, np.ndarray]) -> np.ndarray:
    """NaN wherever one of the claim's inputs is missing."""
    return np.sum([of[name] for name in INPUTS[claim]], axis=0)
