"""Binance's files: what is read, what is set aside, and what is refused by name."""

from __future__ import annotations

import io
import random
import struct
import zipfile
from datetime import date

import numpy as np
import pytest

from meta.errors import BadPayload
from meta.timeframes import Timeframe, day_start, timeframe
from p1_ingest.sources import binance_archive, binance_files
from p1_ingest.sources.base import Answer, Request
from p1_ingest.sources.binance_archive import unzipped
from tests.archive import FUNDING, KLINES, METRICS, bars, csv, metrics, microseconds, settlements, zipped

TF, DAY = timeframe("5m"), date(2025, 2, 3)
START = day_start(DAY)
NAME = "BTCUSDT-5m-2025-02-03.zip"
ROWS = bars("BTCUSDT", TF, [DAY])


def request(series: str = "klines", tf: Timeframe = TF) -> Request:
    build = binance_archive.month_file if series == "funding" else binance_archive.day_file
    return build(series, "BTCUSDT", "BTCUSDT", tf, DAY, [DAY])


def read(text: str, series: str = "klines", tf: Timeframe = TF) -> Answer:
    readers = {"metrics": binance_files.metrics, "funding": binance_files.settlements}
    return readers.get(series, binance_files.bars)(text.encode(), request(series, tf))


def same(one: Answer, other: Answer) -> bool:
    return np.array_equal(one.at, other.at) and all(
        np.array_equal(one.values[name], other.values[name], equal_nan=True) for name in one.values
    )


def edited(row: int, field: int, text: str) -> list[list[str]]:
    return [[*r[:field], text, *r[field + 1 :]] if i == row else r for i, r in enumerate(ROWS)]


def test_a_header_changes_nothing() -> None:
    assert same(read(csv(ROWS)), read(csv(ROWS, KLINES)))


def test_microseconds_are_told_by_their_size() -> None:
    stamped = [microseconds(row) for row in ROWS]
    assert same(read(csv(ROWS), "spot"), read(csv(stamped), "spot"))


def test_rows_out_of_order_are_put_in_order() -> None:
    assert same(read(csv(ROWS)), read(csv(ROWS[::-1])))


def test_equal_doubles_are_dropped_and_counted_and_the_last_of_unequal_ones_stands() -> None:
    doubled = read(csv([*ROWS, *ROWS]))
    assert same(doubled, read(csv(ROWS))) and doubled.counts == {"duplicate": 288}
    later = [*ROWS, edited(3, 5, "7.5")[3]]
    restated = read(csv(later))
    assert restated.values["volume"][3] == 7.5 and restated.counts == {"restated": 1}


def test_rows_off_the_grid_or_of_another_day_are_dropped_and_counted() -> None:
    answer = read(csv([*edited(5, 0, str(START + 5 * TF.ms + 1000)), *bars("BTCUSDT", TF, [date(2025, 2, 4)])[:2]]))
    assert len(answer.at) == 287 and START + 6 * TF.ms not in answer.at
    assert answer.counts == {"off_grid": 1, "outside": 2}


@pytest.mark.parametrize("text", ["", '""', "NaN", "inf", "1e999"])
def test_a_row_with_a_number_that_is_none_is_set_aside(text: str) -> None:
    answer = read(csv(edited(9, 2, text)))
    assert len(answer.at) == 287 and answer.counts == {"not_a_number": 1}
    assert len(read(csv(edited(9, 2, text)), "spot").at) == 288, "spot takes no price"


def test_a_row_without_a_stamp_is_set_aside() -> None:
    assert read(csv(edited(9, 0, ""))).counts == {"no_stamp": 1}


@pytest.mark.parametrize("text", ["1_000", "0x10", "abc", "1,5", "١"])
def test_a_field_that_is_no_number_fails_the_file(text: str) -> None:
    with pytest.raises(BadPayload, match=r"high .* is not a number|Expected 12 columns"):
        read(csv(edited(9, 2, text)))


@pytest.mark.parametrize("header", ["", KLINES])
def test_text_stamps_with_an_offset_are_refused_by_name(header: str) -> None:
    row = ["2025-02-02 19:00:00-04:00", *ROWS[0][1:]]
    with pytest.raises(BadPayload, match=r"2025-02-02 19:00:00-04:00" + (".*UTC offset" if header else ".*neither")):
        read(csv([row], header))


def test_other_first_rows_are_refused() -> None:
    with pytest.raises(BadPayload, match="starts with 'Date', neither open_time nor a number"):
        read(csv(ROWS, KLINES.replace("open_time", "Date")))
    with pytest.raises(BadPayload, match="has close in another place"):
        read(csv(ROWS, KLINES.replace("high,low,close,", "close,low,high,")))
    with pytest.raises(BadPayload, match="has 11 columns, not 12"):
        read(csv([row[:11] for row in ROWS]))
    with pytest.raises(BadPayload, match="is empty"):
        read("")


def test_a_header_alone_is_an_empty_answer() -> None:
    assert len(read(KLINES + "\n").at) == 0
    assert len(read(METRICS, "metrics").at) == 0


def test_bars_of_another_length_or_day_are_refused() -> None:
    with pytest.raises(BadPayload, match="holds bars of 60 minutes, not 5m"):
        read(csv(bars("BTCUSDT", timeframe("1h"), [DAY])))
    with pytest.raises(BadPayload, match=r"has no row from 2025-02-03.*its first is 2025-02-04"):
        read(csv(bars("BTCUSDT", TF, [date(2025, 2, 4)])))
    seconds = [[str(int(row[0]) // 1000), *row[1:6], str(int(row[6]) // 1000), *row[7:]] for row in ROWS]
    with pytest.raises(BadPayload):
        read(csv(seconds))


def test_taker_turnover_a_rounding_above_turnover_leaves_nothing_sold_and_far_above_is_left_to_be_seen() -> None:
    turnover = float(ROWS[4][7])
    near = read(csv(edited(4, 10, f"{turnover + 0.004:.5f}")))
    assert near.values["perp_taker_sell"][4] == 0
    far = read(csv(edited(4, 10, f"{turnover * 1.1:.5f}")))
    assert far.values["perp_taker_sell"][4] < 0


def test_every_column_takes_its_own_field() -> None:
    row = dict(zip(KLINES.split(","), map(float, ROWS[7]), strict=True))
    perp, spot = read(csv(ROWS)), read(csv(ROWS), "spot")
    sold = row["quote_volume"] - row["taker_buy_quote_volume"]
    assert {name: column[7] for name, column in perp.values.items()} == {
        **{name: row[name] for name in ("open", "high", "low", "close", "volume", "quote_volume")},
        "trades": row["count"],
        "perp_taker_buy": row["taker_buy_quote_volume"],
        "perp_taker_sell": sold,
        "perp_taker_buy_base": row["taker_buy_volume"],
    }
    assert (spot.values["spot_taker_buy"][7], spot.values["spot_taker_sell"][7]) == (
        row["taker_buy_quote_volume"],
        sold,
    )


def test_every_metric_takes_its_own_field() -> None:
    rows = metrics("BTCUSDT", DAY)
    said = read(csv(rows, METRICS), "metrics").values
    names = ("oi_base", "oi_now", "ls_top_account", "ls_top_position", "ls_global", "ls_taker")
    assert [said[name][5] for name in names] == [float(text) for text in rows[5][2:]]


def test_mark_index_and_premium_give_the_close_alone() -> None:
    for series, column in (("mark", "mark_price"), ("index", "index_price"), ("premium", "premium")):
        rows = [[*row[:4], "-0.00012", "0", row[6], *"00000"] for row in ROWS]
        answer = read(csv(rows), series)
        assert list(answer.values) == [column] and (answer.values[column] == -0.00012).all()


def test_settlements_keep_their_stamps_and_intervals() -> None:
    rows = settlements("BTCUSDT", DAY, 4)
    answer = read(csv(rows, FUNDING), "funding")
    assert len(answer.at) == 28 * 6 and answer.at.tolist() == [int(row[0]) for row in rows]
    assert set(answer.values["funding_interval_hours"]) == {4.0}
    assert answer.values["funding_now"][5] == float(rows[5][2])
    blank = read(csv([[rows[0][0], "", rows[0][2]], [rows[1][0], "8", ""]], FUNDING), "funding")
    assert np.isnan(blank.values["funding_interval_hours"][0]) and blank.counts == {"not_a_number": 1}


def test_blank_ratios_quoted_or_not_are_missing_and_the_interest_stands() -> None:
    rows = [[*row[:4], '""', "", '""', ""] for row in metrics("BTCUSDT", DAY)]
    answer = read(csv(rows, METRICS), "metrics")
    assert len(answer.at) == 288 and np.isfinite(answer.values["oi_now"]).all()
    assert np.isnan(answer.values["ls_taker"]).all() and np.isnan(answer.values["ls_global"]).all()


@pytest.mark.parametrize("text", ["inf", "1e999", "-1e999", "NaN"])
def test_a_metric_or_a_rate_that_overflows_is_missing(text: str) -> None:
    """An infinite open interest would outweigh a month of z-scores."""
    rows = metrics("BTCUSDT", DAY, 300_000)
    rows[4][2] = text
    assert np.isnan(read(csv(rows, METRICS), "metrics").values["oi_base"][4])
    settled = settlements("BTCUSDT", DAY)
    infinite = [[stamp, hours, text] for stamp, hours, _ in settled]
    assert np.isnan(read(csv(infinite, FUNDING), "funding").values["funding_now"]).all()


def test_doubled_unordered_and_off_grid_metrics_are_read_as_what_they_are() -> None:
    rows = metrics("BTCUSDT", DAY, 300_000)
    assert rows[-1][0] == "2025-02-04 00:00:00"
    odd = [*rows[:3], ["2025-02-03 00:17:12", *rows[3][1:]], *rows[4:]]
    answer = read(csv([*odd[::-1], *odd], METRICS), "metrics")
    assert answer.counts == {"duplicate": 288} and len(answer.at) == 288
    assert answer.at[3] == START + 17 * 60_000 + 12_000 and answer.at[-1] == START + 86_400_000


def test_metrics_of_another_symbol_or_with_an_offset_are_refused() -> None:
    with pytest.raises(BadPayload, match="speaks of 'ETHUSDT', not BTCUSDT"):
        read(csv(metrics("ETHUSDT", DAY), METRICS), "metrics")
    rows = metrics("BTCUSDT", DAY)
    rows[7][0] += "-04:00"
    with pytest.raises(BadPayload, match=r"create_time .*UTC offset"):
        read(csv(rows, METRICS), "metrics")


def packed(members: list[tuple[str, bytes]], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", method) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return held.getvalue()


INSIDE = NAME.removesuffix(".zip") + ".csv"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"PK\3\4 nothing", "not a sound zip"),
        (zipped(NAME, csv(ROWS))[:-30], "not a sound zip"),
        (packed([]), "holds nothing"),
        (packed([("../" + INSIDE, b"1")]), "holds '../"),
        (packed([(INSIDE, b"1"), ("more.csv", b"2")]), "alone"),
        (packed([(INSIDE, b"0" * (9 << 20))]), "too many to be bars"),
        (packed([(INSIDE, b"1,2")], zipfile.ZIP_BZIP2), "does not use"),
    ],
)
def test_a_zip_that_is_not_one_small_csv_is_refused(body: bytes, said: str) -> None:
    with pytest.raises(BadPayload, match=said):
        unzipped(body, NAME)


def test_no_file_is_larger_than_a_month_of_minutes_could_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binance_archive, "LARGEST", len(csv(ROWS)) - 1)
    with pytest.raises(BadPayload, match="too many to be bars"):
        unzipped(zipped(NAME, csv(ROWS)), NAME)


def test_a_flipped_byte_and_a_lying_size_are_noticed() -> None:
    body = zipped(NAME, csv(ROWS))
    at = len(body) // 2
    with pytest.raises(BadPayload, match="not a sound zip"):
        unzipped(body[:at] + bytes([body[at] ^ 4]) + body[at + 1 :], NAME)
    size = struct.pack("<I", len(csv(ROWS)))
    assert body.count(size) == 2
    with pytest.raises(BadPayload):
        unzipped(body.replace(size, struct.pack("<I", 65 << 20)), NAME)


def test_whatever_is_done_to_a_file_it_is_read_or_refused() -> None:
    dice = random.Random(7)
    whole = {
        "klines": csv(ROWS[:40], KLINES), "spot": csv([microseconds(row) for row in ROWS[:40]]),
        "metrics": csv(metrics("BTCUSDT", DAY)[:40], METRICS), "funding": csv(settlements("BTCUSDT", DAY), FUNDING),
    }  # fmt: skip
    refused = 0
    for _ in range(600):
        series = dice.choice(list(whole))
        body = bytearray(whole[series].encode())
        for _ in range(dice.randint(1, 4)):
            body[dice.randrange(len(body))] = dice.choice(b'\x00\xff",\n\r-+eE.0189 ')
        reader = {"metrics": binance_files.metrics, "funding": binance_files.settlements}.get(
            series, binance_files.bars
        )
        try:
            answer = reader(bytes(body), request(series))
        except BadPayload as error:
            refused += 1
            assert "\n" not in str(error) and len(str(error)) < 300
        else:
            assert (np.diff(answer.at) > 0).all()
    assert 50 < refused < 600


def test_whatever_is_done_to_a_zip_it_is_read_whole_or_refused() -> None:
    dice, text = random.Random(8), csv(ROWS)
    sound = zipped(NAME, text)
    for _ in range(600):
        body = bytearray(sound)
        for _ in range(dice.randint(1, 3)):
            place = dice.randrange(len(body)) if dice.random() < 0.5 else dice.randrange(len(body) - 120, len(body))
            body[place] = dice.randrange(256)
        try:
            assert unzipped(bytes(body), NAME).decode() == text
        except BadPayload as error:
            assert "\n" not in str(error)
