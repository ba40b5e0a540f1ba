"""Binance's metrics labels: which instant does a row describe, told by the prices it implies."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest

from meta.timeframes import MINUTE, day_start, timeframe
from p1_ingest.sources import binance_archive, binance_files
from p1_ingest.sources.base import Answer
from p1_ingest.sources.binance_labels import settle
from tests.archive import KLINES, METRICS, STEP, bars, csv, metrics, price

TF, DAY = timeframe("5m"), date(2025, 2, 3)


def file(day: date, first: int, shift: int) -> Answer:
    asked = binance_archive.day_file("metrics", "BTCUSDT", "BTCUSDT", TF, day, [day])
    return binance_files.metrics(csv(metrics("BTCUSDT", day, first, shift), METRICS).encode(), asked)


def klines(day: date = DAY, tf: str = "5m") -> Answer:
    asked = binance_archive.day_file("klines", "BTCUSDT", "BTCUSDT", timeframe(tf), day, [day])
    return binance_files.bars(csv(bars("BTCUSDT", timeframe(tf), [day]), KLINES).encode(), asked)


def implied(answer: Answer) -> np.ndarray:
    return answer.values["oi_now"] / answer.values["oi_base"]


def truth(answer: Answer) -> np.ndarray:
    return np.array([price("BTCUSDT", int(at)) for at in answer.at])


@pytest.mark.parametrize("first", [0, STEP])
@pytest.mark.parametrize("shift", [0, STEP])
@pytest.mark.parametrize("tf", ["5m", "15m", "1h", "4h"])
def test_each_row_lands_on_the_instant_it_describes(first: int, shift: int, tf: str) -> None:
    found = settle([file(DAY, first, shift)], [klines(tf=tf)], timeframe(tf))[0]
    assert np.allclose(implied(found), truth(found), rtol=1e-9)
    assert found.note.startswith("labels at T," if shift == 0 else "labels at T+5m,")


def test_the_evidence_is_told_and_what_else_the_note_says_stays() -> None:
    noted = replace(file(DAY, STEP, 0), note=file(DAY, STEP, 0).note + " unpublished checksum")
    found = settle([noted], [klines()], TF)[0]
    assert found.note == "labels at T, by implied price, taker ratio agrees unpublished checksum"


def test_bars_of_other_days_sway_nothing() -> None:
    """Were they compared too, a neighbour's bars could decide for or against a file, depending on what a run asked."""
    torn = klines(DAY + timedelta(days=1))
    torn = replace(torn, values=torn.values | {"open": torn.values["open"] * 2})
    answer = file(DAY, STEP, 0)
    few = replace(answer, at=answer.at[-4:], values={name: column[-4:] for name, column in answer.values.items()})
    assert settle([few], [klines(), torn], TF)[0].note == settle([few], [klines()], TF)[0].note


def test_one_label_with_two_meanings_becomes_two_instants() -> None:
    """The file of the switch day ends with the label that the next one, of the new convention, begins with."""
    after = DAY + timedelta(days=1)
    files = [file(DAY, STEP, 0), file(after, 0, STEP)]
    assert files[0].at[-1] == files[1].at[0]
    old, new = settle(files, [klines(), klines(after)], TF)
    assert old.at[-1] == day_start(after) and new.at[0] == day_start(after) + STEP
    assert np.allclose(implied(old), truth(old)) and np.allclose(implied(new), truth(new))


def test_undecided_labels_are_read_late_never_early() -> None:
    as_published = file(DAY, 0, 0)
    for bars_seen in ([], [klines(DAY - timedelta(days=30))], [klines(tf="1d")]):
        found = settle([as_published], bars_seen, TF if len(bars_seen) == 0 else timeframe("5m"))[0]
        assert (found.at == as_published.at + STEP).all() and "undecided" in found.note


def test_a_flat_market_decides_nothing() -> None:
    flat = klines()
    flat = replace(flat, values=flat.values | {"open": np.full(288, 700.0)})
    interest = replace(
        file(DAY, 0, 0), values=file(DAY, 0, 0).values | {"oi_now": np.full(288, 7e5), "oi_base": np.full(288, 1e3)}
    )
    assert "undecided" in settle([interest], [flat], TF)[0].note


def test_a_taker_ratio_that_contradicts_the_price_makes_labels_late() -> None:
    early, late = file(DAY, 0, 0), file(DAY, 0, STEP)
    torn = replace(early, values=early.values | {"ls_taker": late.values["ls_taker"]})
    found = settle([torn], [klines()], TF)[0]
    assert found.note.startswith("labels at T+5m,") and found.note.endswith("taker ratio disagrees")


def test_blank_ratios_leave_the_price_to_decide() -> None:
    answer = file(DAY, 0, 0)
    silent = replace(answer, values=answer.values | {"ls_taker": np.full(288, np.nan)})
    found = settle([silent], [klines()], TF)[0]
    assert found.note.startswith("labels at T,") and found.note.endswith("taker ratio silent")


def test_a_basis_of_some_points_does_not_hide_the_convention() -> None:
    for shift in (0, STEP):
        answer = file(DAY, 0, shift)
        dear = replace(answer, values=answer.values | {"oi_now": answer.values["oi_now"] * 1.0004})
        assert settle([dear], [klines()], TF)[0].at[0] == day_start(DAY) + shift


def test_an_answer_that_is_no_archive_file_is_left_as_it_is() -> None:
    answer = replace(file(DAY, 0, 0), note="")
    assert settle([answer], [klines()], TF)[0] is answer


def test_a_file_is_judged_alone_whatever_else_was_asked() -> None:
    days = [DAY, DAY + timedelta(days=1)]
    files, seen = [file(DAY, 0, 0), file(days[1], 0, STEP)], [klines(day) for day in days]
    together = settle(files, seen, TF)
    alone = [settle([one], seen, TF)[0] for one in files]
    assert [(a.note, a.at.tolist()) for a in together] == [(a.note, a.at.tolist()) for a in alone]
    assert together[0].at[-1] == day_start(days[1]) - 5 * MINUTE


def page(columns: tuple[str, ...], labels: Answer) -> Answer:
    return replace(labels, values={name: labels.values[name] for name in columns})


def test_pages_that_nothing_decides_are_read_late_never_early() -> None:
    seen = file(DAY, 0, 0)
    pages = [page(("oi_now", "oi_base"), seen), page(("ls_global",), seen), page(("ls_taker",), seen)]
    found = settle(pages, [], TF)[0]
    assert found.at.tolist() == (seen.at + STEP).tolist() and found.note.count("undecided") == 3
    assert settle(pages[1:2], [klines()], TF)[0].at[0] == seen.at[0] + STEP, "ratios without interest beside them"


def test_ratios_share_the_instant_of_the_interest_and_flows_have_their_own() -> None:
    stock, flow = file(DAY, 0, 0), file(DAY, 0, STEP)
    pages = [page(("oi_now", "oi_base"), stock), page(("ls_global",), stock), page(("ls_taker",), flow)]
    found = settle(pages, [klines()], TF)[0]
    assert len(found.at) == 289
    assert np.array_equal(found.values["ls_global"][:-1], stock.values["ls_global"])
    assert np.array_equal(found.values["ls_taker"][1:], flow.values["ls_taker"])


def test_where_the_archive_and_rest_speak_of_one_instant_the_archive_stands() -> None:
    whole = file(DAY, 0, 0)
    told = replace(whole, values=whole.values | {"ls_global": np.where(np.arange(288) < 9, np.nan, 2.5)})
    pages = [page(("oi_now", "oi_base"), whole), page(("ls_global",), whole)]
    archive, joined = settle([*pages, told], [klines()], TF)
    assert (archive.values["ls_global"][9:] == 2.5).all()
    assert (joined.values["ls_global"][9:] == 2.5).all()
    assert np.array_equal(joined.values["ls_global"][:9], whole.values["ls_global"][:9]), (
        "and REST fills what it left blank"
    )
