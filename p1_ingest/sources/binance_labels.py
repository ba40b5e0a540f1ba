"""A metrics label means the instant it names, or five minutes later: each file's own implied price decides."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import date

import numpy as np

from meta.timeframes import DAY, MINUTE, Timeframe, day_of, day_start
from p1_ingest.sources.base import Answer, merged
from p1_ingest.sources.binance_rows import AS_PUBLISHED

STEP = 5 * MINUTE
FEWEST = 3  # comparable rows below which nothing is decided
CLEAR = 0.75  # the nearer reading's median must be below this share of the other's, or nothing is decided
OI, RATIOS = ("oi_now", "oi_base"), ("ls_top_account", "ls_top_position", "ls_global", "ls_taker")


def settle(metrics: Sequence[Answer], klines: Sequence[Answer], tf: Timeframe) -> list[Answer]:
    """What do these metrics say, each settled by the klines of its own day?

    Files of the archive first, each as it is; REST's pages, a few columns each, follow as one answer.
    """
    bars = merged(klines, ("open", "volume", "perp_taker_buy_base"))
    files = [settled(a, bars, tf) if AS_PUBLISHED in a.note else a for a in metrics if _whole(a)]
    pages = [a for a in metrics if not _whole(a)]
    return [*files, _joined(_settled_pages(pages, bars, tf), files)] if pages else files


def settled(metrics: Answer, bars: Answer, tf: Timeframe) -> Answer:
    """What does this metrics file say, each row at the instant it describes?

    metrics : `at` holds the labels as published
    bars : the perp klines around it (`at` the close; open, volume and perp_taker_buy_base)

    Undecided labels are read as five minutes later: stale, never early. So are labels that the taker ratio places later
    than the implied price does. Formula: FORMULAS, Binance metrics label.
    """
    by_price, by_flow = _by_price(metrics, bars, tf), _by_flow(metrics, bars, tf)
    shift = 0 if by_price == 0 and by_flow in (0, None) else STEP
    return _shifted(metrics, shift, _evidence(by_price, by_flow))


def _settled_pages(pages: Sequence[Answer], bars: Answer, tf: Timeframe) -> list[Answer]:
    """REST's pages are labelled each in its own way: interest by its price, flows by the bars', ratios as interest.

    Seen in 2026: interest at its instant, the taker ratio at the start of its five minutes.
    """
    by_price = {_day(page): _by_price(page, bars, tf) for page in pages if "oi_now" in page.values and len(page.at)}
    found = []
    for page in pages:
        decided = _by_flow(page, bars, tf) if "ls_taker" in page.values else by_price.get(_day(page))
        what = "interest" if "oi_now" in page.values else "flow" if "ls_taker" in page.values else "ratios"
        evidence = f"REST {what}" + ("" if decided is not None else ", undecided")
        found.append(_shifted(page, STEP if decided is None else decided, evidence))
    return found


def _joined(pages: Sequence[Answer], files: Sequence[Answer]) -> Answer:
    """One row an instant from pages of a few columns each; where a file of the archive says something, that stands."""
    at = np.unique(np.concatenate([page.at for page in pages]))
    values = {name: np.full(len(at), np.nan) for name in (*OI, *RATIOS)}
    for answer in (*pages, *files):
        _, ours, theirs = np.intersect1d(at, answer.at, assume_unique=True, return_indices=True)
        for name, column in answer.values.items():
            said = np.isfinite(column[theirs])
            values[name][ours[said]] = column[theirs[said]]
    note = "; ".join(sorted({page.note for page in pages}))
    return Answer("metrics", at, values, sum((page.counts for page in pages), Counter[str]()), note=note)


def _whole(metrics: Answer) -> bool:
    return set(metrics.values) >= {*OI, *RATIOS}


def _shifted(metrics: Answer, shift: int, evidence: str) -> Answer:
    verdict = f"labels at {'T' if shift == 0 else 'T+5m'}, {evidence}"
    return replace(metrics, at=metrics.at + shift, note=metrics.note.replace(AS_PUBLISHED, verdict))


def _by_price(metrics: Answer, bars: Answer, tf: Timeframe) -> int | None:
    """The shift at which value over coins is the price the bars opened at; None where neither clearly is."""
    bars = _of_its_day(metrics, bars)
    implied = metrics.values["oi_now"] / _positive(metrics.values["oi_base"])
    return _nearer(_medians(metrics.at, implied, bars.at - tf.ms, bars.values["open"]))


def _by_flow(metrics: Answer, bars: Answer, tf: Timeframe) -> int | None:
    """The shift at which the taker ratio is that of the bar which ends there; None at other timeframes too."""
    if tf.ms != STEP:
        return None
    bars = _of_its_day(metrics, bars)
    return _nearer(_medians(metrics.at, metrics.values["ls_taker"], bars.at, _taker_ratio(bars)))


def _day(metrics: Answer) -> date:
    """The day whose labels these are: the middle one lies within it under every convention."""
    return day_of(int(metrics.at[len(metrics.at) // 2]) - 1) if len(metrics.at) else date.min


def _of_its_day(metrics: Answer, bars: Answer) -> Answer:
    """The bars of the labels' own day: what else a run asked for must not sway the verdict."""
    if not len(metrics.at):
        return bars
    start = day_start(_day(metrics))
    own = (bars.at > start) & (bars.at <= start + DAY)
    return replace(bars, at=bars.at[own], values={name: column[own] for name, column in bars.values.items()})


def _positive(column: np.ndarray) -> np.ndarray:
    return np.where(column > 0, column, np.nan)


def _taker_ratio(bars: Answer) -> np.ndarray:
    buy = bars.values["perp_taker_buy_base"]
    return buy / _positive(bars.values["volume"] - buy)


def _medians(labels: np.ndarray, said: np.ndarray, at: np.ndarray, seen: np.ndarray) -> tuple[float, float]:
    """Median |log(said / seen)| with the labels read as T and as T+5m; NaN where too few rows compare."""
    near = []
    for shift in (0, STEP):
        _, ours, theirs = np.intersect1d(labels + shift, at, assume_unique=True, return_indices=True)
        gap = np.abs(np.log(_positive(said[ours])) - np.log(_positive(seen[theirs])))
        gap = gap[np.isfinite(gap)]
        near.append(float(np.median(gap)) if len(gap) >= FEWEST else np.nan)
    return near[0], near[1]


def _nearer(medians: tuple[float, float]) -> int | None:
    """The shift whose median is clearly the smaller, None where neither is."""
    at_t, later = medians
    return 0 if at_t < CLEAR * later else STEP if later < CLEAR * at_t else None


def _evidence(by_price: int | None, by_flow: int | None) -> str:
    if by_price is None:
        return "undecided by implied price"
    return "by implied price, taker ratio " + (
        "silent" if by_flow is None else "agrees" if by_flow == by_price else "disagrees"
    )
