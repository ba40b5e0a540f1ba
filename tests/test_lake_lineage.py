"""A row's way back is verified link by link, and what is broken is named."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest

from lake import days, ending, raw
from lake.commands import commands
from lake.layout import Shelf
from lake.lineage import Lineage, lineage
from lake.span import Span
from meta.datasets import DATASETS
from meta.errors import NotReady
from meta.timeframes import HOUR, day_start, timeframe
from p1_ingest.resample import resample
from p2_features.build import build as build_features
from p2_features.choice import Asked
from p3_labels.build import Work
from p3_labels.build import build as build_labels
from p3_labels.rules import rules
from tests import lakes, market

LENGTH = 36
EVERY = market.the_days(LENGTH)
DAY = EVERY[33]
TF = timeframe("1h")


def recorded(bars: Shelf, every: list[date]) -> None:
    """A record of these days as ingest leaves one: a body for every three days, one for each day."""
    lines: list[raw.Line] = []
    for i, day in enumerate(every):
        shared, own = (raw.keep(bars.root, name.encode()) for name in (f"price {i // 3}", f"oi {i}"))
        for series, sha in (("price", shared), ("oi", own)):
            told = (("day", str(day)),)
            lines.append(
                raw.Answer(
                    "r", "2025-04-20T00:00:00.000Z", "sim", series, "sim", f"/{series}", 200, told,
                    bars.tf.name, bars.symbol, sha256=sha, size=8,
                )
            )  # fmt: skip
        part = lakes.entry(bars, day).sha256
        lines.append(raw.Day("r", "t", bars.tf.name, bars.symbol, str(day), part, {"price": (shared,), "oi": (own,)}))
    raw.tell(bars.root, lines)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with lakes.scratch() as root:
        bars = market.bars_shelf(root)
        market.commit_bars(bars, market.columns(LENGTH), EVERY)
        recorded(bars, EVERY)
        build_features(bars.sibling(DATASETS["features"]), bars, Span(), Asked())
        build_labels(work(bars), Span())
        yield root


@pytest.fixture
def root(made: Path) -> Iterator[Path]:
    with lakes.scratch() as where:
        yield lakes.copied(made, where)


def work(bars: Shelf) -> Work:
    return Work(bars.sibling(DATASETS["labels"]), bars.sibling(DATASETS["features"]), bars, rules())


def bars_of(root: Path) -> Shelf:
    return market.bars_shelf(root)


def labelled(root: Path) -> int:
    """The ts of a row that has a label."""
    return int(days.need(bars_of(root).sibling(DATASETS["labels"]), DAY).table().column("ts")[5].value)


def walk(root: Path, ts: int | None = None) -> Lineage:
    return lineage(root, "BTCUSDT", TF, labelled(root) if ts is None else ts)


def broken(root: Path) -> list[str]:
    return [f"{link.level}: {link.what} {link.fact}" for link in walk(root).broken]


def test_a_sound_row_is_walked_back_to_every_body(root: Path) -> None:
    found = walk(root)
    assert found.broken == []
    assert [link.level for link in found.links if link.level in ("label", "features")] == ["label", "features"]
    assert len([link for link in found.links if link.level == "bars"]) == 34 + 1  # to DAY, and where its paths end
    told = [link.sha256 for link in found.links if link.level == "raw"]
    assert len(told) == len(set(told)) == 35 + 12  # one a day, one for every three days
    text = "\n".join(found.lines())
    assert "label=" in text and "oi from sim /oi?day=2025-04-03" in text and "BROKEN" not in text


@pytest.mark.parametrize("harm", ["deleted", "altered"])
def test_a_harmed_body_is_named_with_the_days_made_of_it(root: Path, harm: str) -> None:
    victim = raw.keep(root, b"price 2")
    if harm == "deleted":
        raw.path(root, victim).unlink()
    else:
        shutil.copy(raw.path(root, raw.keep(root, b"oi 7")), raw.path(root, victim))
    (fact,) = broken(root)
    assert victim in fact and "2025-03-07 … 2025-03-09 made of it" in fact and "price from sim /price" in fact


def test_a_part_that_was_altered_is_named(root: Path) -> None:
    day = EVERY[10]
    part = bars_of(root).day_folder(day) / Shelf.part_name(day)
    data = bytearray(part.read_bytes())
    data[len(data) // 2] ^= 1
    part.write_bytes(data)
    told = broken(root)
    assert any(fact.startswith(f"bars: P1 1h BTCUSDT {day}") and "sha256 differs" in fact for fact in told), told


@pytest.mark.parametrize("level", ["features", "labels"])
def test_a_harmed_row_of_its_own_day_is_named(root: Path, level: str) -> None:
    shelf = bars_of(root).sibling(DATASETS[level])
    ts = labelled(root)
    (shelf.day_folder(DAY) / Shelf.part_name(DAY)).write_bytes(b"PAR1")
    assert any(str(shelf) in link.what and link.broken for link in walk(root, ts).links)


def test_a_missing_day_makes_what_read_it_stale(root: Path) -> None:
    shutil.rmtree(bars_of(root).day_folder(EVERY[10]))
    (fact,) = broken(root)
    assert "features: P2 1h BTCUSDT" in fact and "is stale" in fact


def test_a_restated_day_is_told_to_be_newer_than_what_was_made_of_it(root: Path) -> None:
    bars, at = bars_of(root), market.columns(LENGTH)
    at["close"][33 * 24 + 3] *= 1.0001
    at["high"][33 * 24 + 3] *= 1.01
    market.commit_bars(bars, at, [DAY])
    told = broken(root)
    assert [fact.split(":")[0] for fact in told] == ["label", "features", "raw"]
    assert "is stale" in told[0] and "is stale" in told[1] and "no line in raw/index" in told[2]
    recorded(bars, [DAY])
    build_features(bars.sibling(DATASETS["features"]), bars, Span(), Asked())
    build_labels(work(bars), Span())
    assert broken(root) == []


def test_the_older_generation_keeps_its_link(root: Path) -> None:
    bars, at = bars_of(root), market.columns(LENGTH)
    old = lakes.entry(bars, DAY).sha256
    at["oi_now"] += 1
    market.commit_bars(bars, at, [DAY])
    recorded(bars, [DAY])
    told = raw.days_of(bars)
    assert (str(DAY), old) in told and (str(DAY), lakes.entry(bars, DAY).sha256) in told


def test_rules_that_changed_are_told(root: Path) -> None:
    note = bars_of(root).sibling(DATASETS["features"]).folder / "FEATURES.json"
    said = json.loads(note.read_text())
    note.write_text(json.dumps({**said, "code": "0" * 64}))
    (fact,) = broken(root)
    assert "the rules in FEATURES.json" in fact


def test_days_never_recorded_break_the_chain_at_the_raw_bodies(root: Path) -> None:
    shutil.rmtree(raw.folder(root))
    assert all("no line in raw/index" in fact for fact in broken(root))
    assert len(broken(root)) == 35


def test_a_row_with_bars_alone_is_walked_from_there(root: Path) -> None:
    found = walk(root, day_start(EVERY[3]) + 5 * HOUR)
    assert found.broken == []
    assert [(link.level, link.fact) for link in found.links[:2]] == [
        ("label", "not committed"),
        ("features", "not committed"),
    ]


def test_a_day_in_no_dataset_is_not_ready(root: Path) -> None:
    with pytest.raises(NotReady, match="lake why"):
        walk(root, day_start(EVERY[-1] + timedelta(days=9)) + HOUR)


def test_resampled_bars_are_traced_through_the_shorter_ones(root: Path) -> None:
    bars = bars_of(root)
    longer = lakes.a_shelf(root, "4h")
    resample(bars, longer, Span())
    ts = day_start(DAY) + 8 * HOUR
    found = lineage(root, "BTCUSDT", longer.tf, ts)
    assert found.broken == [] and sum(link.level == "raw" for link in found.links) == 2
    raw.path(root, raw.keep(root, b"oi 33")).unlink()
    assert len(lineage(root, "BTCUSDT", longer.tf, ts).broken) == 1
    at = market.columns(LENGTH)
    at["oi_now"] += 1
    market.commit_bars(bars, at, [DAY])
    (link,) = lineage(root, "BTCUSDT", longer.tf, ts).broken
    assert "is not the day that 4h was resampled from" in link.fact
    shutil.rmtree(bars.day_folder(DAY))
    (link,) = lineage(root, "BTCUSDT", longer.tf, ts).broken
    assert "is not committed any more" in link.fact


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    def call(*words: str) -> tuple[int, str, str]:
        code = ending.status(commands, "lake", list(words))
        out = capsys.readouterr()
        return code, out.out, out.err

    return call


def test_the_command_ends_with_3_where_a_link_is_broken(root: Path, said: Callable[..., tuple[int, str, str]]) -> None:
    words = ("lineage", "btcusdt", str(labelled(root)), "--tf", "1h", "--lake", str(root))
    assert said(*words)[0] == 0
    raw.path(root, raw.keep(root, b"oi 9")).unlink()
    code, out, err = said(*words)
    assert code == 3 and "BROKEN" in out.splitlines()[-1] and "1 links are broken" in err.splitlines()[-1]
    code, out, _ = said(*words, "--json")
    told = json.loads(out)
    assert code == 3 and told["broken"] == 1
    assert [link["what"] for link in told["links"] if link["broken"]] == [f"body {raw.keep(root, b'oi 9')}"]


def test_an_instant_that_is_none_is_refused(root: Path, said: Callable[..., tuple[int, str, str]]) -> None:
    code, _, err = said("lineage", "BTCUSDT", "yesterday", "--tf", "1h", "--lake", str(root))
    assert code == 2 and "'yesterday' is no instant" in err.splitlines()[-1]
