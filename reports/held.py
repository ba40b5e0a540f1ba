"""One symbol at one timeframe, held still and asked by SQL: what a page is made from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lake import advice, catalog, layout, sandbox
from lake.layout import Shelf
from lake.span import Span
from lake.status import ShelfStatus
from meta.datasets import DATASETS
from meta.errors import NotReady, Tampered
from meta.timeframes import Timeframe, day_start, days_between

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

MEMORY = "1GB"  # beyond it DuckDB works on disk


@dataclass(frozen=True)
class Held:
    """Tables bars, features, labels, weights, folds and days of one symbol, those that are there.

    Beside the lake's columns each row has `open_ms`: the instant its bar opened, UTC ms. states : dataset -> what the
    lake's status says of its shelf.
    """

    root: Path
    tf: Timeframe
    symbol: str
    states: dict[str, ShelfStatus]
    tables: frozenset[str]
    connection: DuckDBPyConnection

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        """Which rows answer this SELECT?"""
        return self.connection.execute(sql).fetchall()

    def row(self, sql: str) -> tuple[Any, ...]:
        """Which one row answers it?"""
        return self.ask(sql)[0]

    def count(self, table: str) -> int:
        """How many rows has a table? 0 where it is not there."""
        return self.row(f"SELECT count(*) FROM {table}")[0] if table in self.tables else 0

    def columns(self, table: str) -> list[str]:
        """Which columns has a table? None where it is not there."""
        if table not in self.tables:
            return []
        return [name for name, *_ in self.ask(f"DESCRIBE {table}")]

    def shelf(self, dataset: str) -> Shelf:
        """Where does this dataset of the symbol lie?"""
        return layout.shelf(self.root, DATASETS[dataset], self.tf, self.symbol)

    @cached_property
    def days(self) -> list[date]:
        """Every day from the first to the last one of bars, committed or not."""
        first, last = self.row("SELECT min(day), max(day) FROM days WHERE dataset = 'bars'")
        return days_between(first, last)

    @property
    def start(self) -> int:
        """When the first day begins, UTC ms."""
        return day_start(self.days[0])


@contextmanager
def held(root: Path, tf: Timeframe, symbol: str, span: Span, states: Sequence[ShelfStatus]) -> Iterator[Held]:
    """Hold one symbol still. Raises NotReady where no day of bars lies in the span, Tampered."""
    import duckdb

    shelves = [layout.shelf(root, dataset, tf, symbol) for dataset in DATASETS.values()]
    with catalog.opened(root, shelves, {"memory_limit": MEMORY}) as connection:
        try:
            tables = _taken(connection, tf, symbol, span)
        except duckdb.Error as error:
            fact = sandbox.one_line(error)
            raise Tampered(f"{symbol} {tf} cannot be read: {fact}; {advice.repair(root)}") from None
        if "bars" not in tables:
            raise NotReady(
                f"{shelves[0]} has no committed day there; choose another range, or run {advice.first(root)}"
            )
        here = Held(root, tf, symbol, {one.shelf.dataset.name: one for one in states}, tables, connection)
        if not here.count("bars"):
            raise NotReady(f"{shelves[0]}: its {len(here.days)} days there hold no bar; choose another range")
        yield here


def _taken(connection: DuckDBPyConnection, tf: Timeframe, symbol: str, span: Span) -> frozenset[str]:
    """Take the span's rows into memory: each file is read once, however many questions follow."""
    views = {
        name for (name,) in connection.execute("SELECT view_name FROM duckdb_views() WHERE NOT internal").fetchall()
    }
    known = connection.execute("SELECT DISTINCT day FROM days WHERE dataset = 'bars' ORDER BY day").fetchall()
    meant = span.of([day for (day,) in known]) if known else []
    if not meant:
        return frozenset()
    inside = f"day BETWEEN DATE '{meant[0]}' AND DATE '{meant[-1]}'"
    connection.execute(f"CREATE TEMP TABLE held_days AS SELECT * FROM days WHERE {inside}")
    found = {"days"}
    for dataset in DATASETS.values():
        if f"{dataset.view}_{tf}" in views:
            columns = "* EXCLUDE (symbol), epoch_ms(bar_open) AS open_ms"
            sql = f"SELECT {columns} FROM {dataset.view}_{tf} WHERE {inside} ORDER BY ts"
            connection.execute(f"CREATE TEMP TABLE {dataset.name} AS {sql}")
            found.add(dataset.name)
    if f"folds_{tf}" in views:
        sql = f"SELECT split, role, epoch_ms(ts) AS open_ms FROM folds_{tf} WHERE symbol = '{symbol}'"
        connection.execute(f"CREATE TEMP TABLE folds AS {sql}")
        found.add("folds")
    connection.execute("DROP VIEW days")
    connection.execute("ALTER TABLE held_days RENAME TO days")
    return frozenset(found)
