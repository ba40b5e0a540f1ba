"""A longer bar is what the venue itself would have said, wherever all its members are there."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from lake import commit, days, notes, repair
from lake import status as lake_status
from lake.ending import status
from lake.groups import grouped
from lake.layout import Shelf
from lake.span import Span
from meta.columns import BARS, PRICES
from meta.errors import NotReady, Refused, Usage
from meta.timeframes import DAY as DAY_MS
from meta.timeframes import TIMEFRAMES, Timeframe, day_start, timeframe
from p1_ingest import cli
from p1_ingest.http import Sender
from p1_ingest.ingest import ingest
from p1_ingest.resample import resample
from p1_ingest.sim.server import SimVenue
from p1_ingest.sources.coinglass import sim_source
from p1_ingest.wanted import Choice
from tests import lakes

SOME = [date(2026, 3, 2), date(2026, 3, 3)]
NOW = day_start(date(2026, 3, 9))
ALL = Span()
NARROW = tuple(c for c in BARS if c.name in ("symbol", "ts", *PRICES, "volume", "trades", "oi_now", "oi_ts"))


def from_sim(root: Path, *tfs: str) -> None:
    """These days of the stand-in market, ingested at these timeframes."""
    with SimVenue(clock=lambda: NOW) as venue:
        source = sim_source(venue.url)
        with Sender(source.hosts, pools=source.pools) as sender:
            for tf in tfs:
                ingest(source, sender, lakes.a_shelf(root, tf), SOME, Choice(), lambda: NOW)


@pytest.fixture(scope="module")
def ingested() -> Iterator[Path]:
    """A lake with the same days at every timeframe that the tests compare."""
    with lakes.scratch() as root:
        from_sim(root, "1m", "5m", "1h", "1d")
        yield root


@pytest.fixture
def root() -> Iterator[Path]:
    with lakes.scratch() as where:
        yield where


def bars_of(shelf: Shelf) -> pa.Table:
    return pa.concat_tables([days.need(shelf, day).table() for day in days.committed(shelf)])


@pytest.mark.parametrize(("small", "large"), [("1m", "5m"), ("5m", "1h"), ("5m", "1d"), ("1h", "1d")])
def test_resampled_equals_ingested(ingested: Path, root: Path, small: str, large: str) -> None:
    lakes.copied(ingested / "parquet" / small, root / "parquet" / small)
    resample(lakes.a_shelf(root, small), lakes.a_shelf(root, large), ALL)
    ours, venues = bars_of(lakes.a_shelf(root, large)), bars_of(lakes.a_shelf(ingested, large))
    assert ours.column("ts").equals(venues.column("ts"))
    k, states = timeframe(large).ms // timeframe(small).ms, {"close", "oi_now", "oi_base"}
    for column in [c for c in BARS if c.kind in ("first", "max", "min", "flow") or c.name in states]:
        made, said = ours.column(column.name).to_pylist(), venues.column(column.name).to_pylist()
        if said.count(None) == len(said):
            assert made.count(None) == len(made), column.name
            continue
        pairs = [(a, b) for a, b in zip(made, said, strict=True) if column.name in PRICES or None not in (a, b)]
        slack = k * 1e-4 if column.name.startswith("liq_") else 0  # the venue rounds its share of each bar on its own
        assert len(pairs) > 0.98 * len(said) - 1, column.name  # it loses a row now and then
        assert all(abs(a - b) <= slack for a, b in pairs), column.name


def test_a_state_is_its_last_members_and_so_is_its_stamp(ingested: Path, root: Path) -> None:
    lakes.copied(ingested / "parquet" / "5m", root / "parquet" / "5m")
    resample(lakes.a_shelf(root, "5m"), lakes.a_shelf(root, "1h"), ALL)
    small, large = bars_of(lakes.a_shelf(root, "5m")), bars_of(lakes.a_shelf(root, "1h"))
    for name in ("funding_now", "oi_now", "oi_ts", "funding_ts", "close"):
        assert large.column(name).to_pylist() == small.column(name).to_pylist()[11::12], name


def holed(holes: set[int], nulls: dict[str, set[int]] | None = None) -> pa.Table:
    """A 1h day without these bars, and with these columns null there."""
    table = lakes.a_day(lakes.DAY, "1h", columns=BARS)
    for name, at in (nulls or {}).items():
        cells = [None if i in at else value for i, value in enumerate(table.column(name).to_pylist())]
        place = table.column_names.index(name)
        table = table.set_column(place, table.field(place), pa.array(cells, table.field(place).type))
    return table.take(pa.array([i for i in range(24) if i not in holes]))


def four_hours(table: pa.Table) -> pa.Table:
    return grouped(table, lakes.DAY, timeframe("1h"), timeframe("4h"))


def test_a_bar_with_a_missing_member_is_absent() -> None:
    for hole in (4, 5, 7):
        ts = four_hours(holed({hole})).column("ts").cast(pa.int64()).to_pylist()
        assert ts == [day_start(lakes.DAY) + i * DAY_MS // 6 for i in (1, 3, 4, 5, 6)]


def test_a_flow_with_a_null_summand_is_null_and_a_state_is_its_last_members_null() -> None:
    made = four_hours(holed(set(), {"volume": {1}, "trades": {5}, "oi_now": {3}, "oi_base": {2}}))
    assert [v is None for v in made.column("volume").to_pylist()] == [True, False, False, False, False, False]
    assert [v is None for v in made.column("trades").to_pylist()] == [False, True, False, False, False, False]
    assert [v is None for v in made.column("oi_now").to_pylist()] == [True, False, False, False, False, False]
    assert made.column("oi_base").null_count == 0


def test_a_column_that_says_nothing_stays_null() -> None:
    made = four_hours(holed(set(), {"liq_long": set(range(24)), "trades": set(range(24)), "ls_ts": set(range(24))}))
    assert [made.column(name).null_count for name in ("liq_long", "trades", "ls_ts")] == [6, 6, 6]


COMBINED = {
    "first": lambda group: group[:, 0],
    "max": lambda group: group.max(1),
    "min": lambda group: group.min(1),
    "last": lambda group: group[:, -1],
    "flow": lambda group: group.sum(1),
}


def test_each_kind_of_column_is_combined_by_its_rule() -> None:
    table = holed(set())
    made = four_hours(table)
    for column in BARS[2:]:
        expected = COMBINED[column.kind](np.reshape(table.column(column.name).to_numpy(), (6, 4)))
        assert made.column(column.name).to_numpy().tolist() == expected.tolist(), column.name


def test_an_empty_day_stays_an_empty_day(root: Path) -> None:
    small = lakes.committed(lakes.a_shelf(root, "1h"), rows=0, columns=BARS)
    done = resample(small, lakes.a_shelf(root, "4h"), ALL)
    assert done.committed == [lakes.DAY] and lakes.entry(lakes.a_shelf(root, "4h")).rows == 0


def small_lake(root: Path, n: int = 3) -> tuple[Shelf, Shelf]:
    small = lakes.committed(lakes.a_shelf(root, "1h"), lakes.the_days(n), columns=BARS)
    notes.write(small, notes.OFFERED, {"source": "sim", "columns": {"close": True, "ls_ts": "not asked for"}})
    return small, lakes.a_shelf(root, "4h")


def test_running_it_again_touches_nothing(root: Path) -> None:
    small, large = small_lake(root)
    assert resample(small, large, ALL).committed == lakes.the_days(3)
    before = {path: path.stat().st_mtime_ns for path in large.folder.rglob("*")}
    again = resample(small, large, ALL)
    assert (again.committed, again.fresh) == ([], 3)
    assert {path: path.stat().st_mtime_ns for path in large.folder.rglob("*")} == before


def test_only_days_whose_bars_changed_are_made_again(root: Path) -> None:
    small, large = small_lake(root)
    resample(small, large, ALL)
    lakes.committed(small, [lakes.DAY + timedelta(days=1)], seed=9, columns=BARS)
    done = resample(small, large, ALL)
    assert (done.committed, done.fresh) == ([lakes.DAY + timedelta(days=1)], 2)


def test_days_whose_bars_changed_or_are_gone_are_told_as_stale(root: Path) -> None:
    small, large = small_lake(root)
    resample(small, large, ALL)
    assert [len(one.stale) for one in lake_status.status(root).shelves] == [0, 0]
    first, second, _ = lakes.the_days(3)
    lakes.committed(small, [second], seed=9, columns=BARS)
    with commit.writing(small) as writer:
        writer.remove(first)
        writer.publish()
    told = {one.shelf.tf.name: one.stale for one in lake_status.status(root).shelves}
    small_tf, large_tf = small.tf.name, large.tf.name
    gone, changed = f"the {small_tf} bars of {first} are gone", f"the {small_tf} bars of {second} changed"
    assert told == {small_tf: {}, large_tf: {first: gone, second: changed}}


def test_a_damaged_day_is_made_again_of_the_bars_it_was_made_of(root: Path) -> None:
    small, large = small_lake(root)
    resample(small, large, ALL)
    (large.day_folder(lakes.DAY) / large.part_name(lakes.DAY)).write_bytes(b"")
    told = [one.command for one in repair.repair(root)]
    assert len(told) == 1
    assert told[0].startswith(f"python -m p1_ingest resample --symbol BTCUSDT --from {small.tf} --to {large.tf} ")
    assert told[0].endswith(f"--start {lakes.DAY} --end {lakes.DAY}")


def test_day_by_day_equals_at_once(root: Path) -> None:
    small, large = small_lake(root)
    resample(small, large, ALL)
    at_once = lakes.day_folders(root / "parquet" / "4h" / "BTCUSDT")
    for day in lakes.the_days(3):
        for path in sorted(large.day_folder(day).iterdir()):
            path.unlink()
        large.day_folder(day).rmdir()
        assert resample(small, large, Span(None, day, day)).committed == [day]
    assert lakes.day_folders(root / "parquet" / "4h" / "BTCUSDT") == at_once


def test_the_manifest_names_the_source_and_the_timeframe_it_came_from(ingested: Path, root: Path) -> None:
    lakes.copied(ingested / "parquet" / "5m", root / "parquet" / "5m")
    resample(lakes.a_shelf(root, "5m"), lakes.a_shelf(root, "15m"), ALL)
    cell = lakes.entry(lakes.a_shelf(root, "15m"), SOME[0]).source
    assert cell.startswith("sim SYNTHETIC: resampled from 5m: price (Binance pair), oi (all venues, usd)")


def test_what_the_source_offers_is_carried_over(root: Path) -> None:
    small, large = small_lake(root)
    resample(small, large, ALL)
    assert notes.read(large, notes.OFFERED) == notes.read(small, notes.OFFERED)


def test_ingested_days_are_not_mixed_with_resampled_ones(root: Path) -> None:
    small, large = small_lake(root)
    lakes.committed(large, [lakes.DAY], columns=BARS)
    with pytest.raises(Refused, match=r"holds 1 ingested days .*--force"):
        resample(small, large, ALL)
    assert list(days.committed(large)) == [lakes.DAY]
    assert resample(small, large, ALL, force=True).committed == lakes.the_days(3)


def test_a_day_that_shrinks_needs_force(root: Path) -> None:
    small, large = small_lake(root, 1)
    resample(small, large, ALL)
    with commit.writing(small) as writer:
        writer.stage(lakes.DAY, holed({4}), lakes.SOURCE)
        writer.publish()
    with pytest.raises(Refused, match="--force"):
        resample(small, large, ALL)
    assert resample(small, large, ALL, force=True).incomplete == 1


def test_nothing_to_resample_names_the_command(root: Path) -> None:
    with pytest.raises(NotReady, match="ingest"):
        resample(lakes.a_shelf(root, "5m"), lakes.a_shelf(root, "15m"), ALL)


@pytest.mark.parametrize(("small", "large"), [("5m", "5m"), ("15m", "5m"), ("8h", "12h"), ("3m", "5m")])
def test_bars_that_do_not_divide_are_refused(root: Path, small: str, large: str) -> None:
    with pytest.raises(Usage, match=f"{large} is not made of whole {small} bars"):
        resample(lakes.a_shelf(root, small), lakes.a_shelf(root, large), ALL)


@pytest.mark.parametrize("tf", [tf for tf in TIMEFRAMES.values() if tf.name != "1m"], ids=str)
def test_every_timeframe_is_made_of_minutes(ingested: Path, tf: Timeframe) -> None:
    minutes = days.need(lakes.a_shelf(ingested, "1m"), SOME[0]).table()
    made = grouped(minutes, SOME[0], timeframe("1m"), tf)
    assert made.num_rows == tf.per_day
    assert made.column("close").to_pylist()[-1] == minutes.column("close").to_pylist()[-1]


def test_the_command_tells_what_it_did(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    small_lake(root)
    line = ["resample", "--from", "1h", "--to", "4h,1d", "--symbol", "BTCUSDT", "--lake", str(root), "--days", "2"]
    assert status(cli.commands, "p1_ingest", line) == 0
    out = capsys.readouterr().out
    assert "BTCUSDT 4h from 1h: 2 days written" in out and "BTCUSDT 1d from 1h: 2 days written" in out
    assert (root / "parquet" / "1d" / "BTCUSDT").is_dir()


def test_the_command_names_what_would_fit(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert status(cli.commands, "p1_ingest", ["resample", "--from", "4h", "--to", "6h", "--lake", str(root)]) == 2
    assert "8h 12h 1d" in capsys.readouterr().err
