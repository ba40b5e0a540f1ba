"""A table of the lake in one line of Python, as polars, pandas, Arrow or numpy; every part read is verified."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lake import days, layout, locks, roots, snapshots
from lake.layout import Shelf
from meta.datasets import DATASETS, dataset
from meta.errors import NotReady, Refused, Usage
from meta.symbols import symbol as checked_symbol
from meta.timeframes import Timeframe, timeframe

if TYPE_CHECKING:
    import pyarrow as pa

KINDS = ("polars", "pandas", "arrow", "numpy")
When = str | date | None
KEYS = ["symbol", "ts"]


def load(
    symbol: str,
    tf: str = "5m",
    start: When = None,
    end: When = None,
    lake: str | Path | None = None,
    as_: str = "polars",
    *,
    of: str = "bars",
    as_of: str | None = None,
) -> Any:
    """What does the lake hold of one symbol from start to end?

    start, end : UTC days of the bars' open, both inclusive; None is the first, the last there is. of : bars, features,
    labels or weights. as_ : polars, pandas, arrow (a Table) or numpy (name -> array). Columns as in the data
    dictionary, ts ascending; days that are not committed have no rows. as_of : an instant (UTC), or first-seen: the
    lake as it was known then; features and labels have to be built of that first.
    Raises NotReady where no day of that range is committed, Usage, Tampered.
    """
    _is_kind(as_)
    named, checked = timeframe(tf), checked_symbol(symbol)
    kind, asked = dataset(of), span(start, end)
    with still(lake, as_of, [checked]) as root:
        return turned(whole(layout.shelf(root, kind, named, checked), *asked), as_)


def train_table(
    symbols: str | Sequence[str],
    tf: str = "5m",
    start: When = None,
    end: When = None,
    lake: str | Path | None = None,
    as_: str = "polars",
    *,
    folds: str | None = None,
    as_of: str | None = None,
) -> Any:
    """What can a model learn from: features, labels, weights and folds of the same bars, one row each?

    The rows and columns of the view `train_*`, for these symbols, by symbol and ts; concurrency, uniqueness, w_return
    and fold, weight are null where there are none. folds : a snapshot's name, else conf's. as_of : as `load` has it.
    Raises NotReady where a symbol has no features or labels there, Refused for days of two schemas and for folds of
    other labels than those that stand there, Usage, Tampered.
    """

    _is_kind(as_)
    named, asked = timeframe(tf), span(start, end)
    names = [checked_symbol(name) for name in ([symbols] if isinstance(symbols, str) else symbols)]
    if not names:
        raise Usage("train_table: no symbol is named; name one or more")
    with still(lake, as_of, names) as root:
        rows = fold_rows(root, named, folds)
        return turned(training(root, named, sorted(set(names)), *asked, rows), as_)


@contextmanager
def still(lake: str | Path | None, as_of: str | None, symbols: Sequence[str] | None = None) -> Iterator[Path]:
    """Which root is read, of today or as of then? Nothing changes in it until it is let go."""
    root = roots.root(lake)
    with contextlib.ExitStack() as held:
        if as_of is not None:
            from lake.frozen import known

            root = held.enter_context(known(root, as_of, symbols=symbols)).root
        held.enter_context(locks.snapshot(root))
        yield root


def folds(
    tf: str = "5m",
    name: str | None = None,
    lake: str | Path | None = None,
    as_: str = "polars",
    *,
    as_of: str | None = None,
) -> Any:
    """Which role has each row in each split (split, symbol, ts, role), by the snapshot of this name, else conf's?

    as_of : as `load` has it. Raises NotReady where there is none, Refused where it is of other labels than those that
    stand there, Tampered.
    """
    _is_kind(as_)
    named = timeframe(tf)
    with still(lake, as_of) as root:
        place = snapshots.folds(root, named, name or snapshots.joined())
        said = snapshots.meta(place)
        _is_of_these_labels(place, said)
        return turned(_file(place, snapshots.ROLES, said), as_)


def turned(table: pa.Table, as_: str) -> Any:
    """The same table as polars, pandas, arrow or numpy. Raises Usage where there is no such form, or no pandas."""
    _is_kind(as_)
    if as_ == "arrow":
        return table
    if as_ == "numpy":
        return {name: table.column(name).to_numpy() for name in table.column_names}
    if as_ == "polars":
        import polars

        return polars.from_arrow(table)
    try:
        return table.to_pandas()
    except ImportError:
        raise Usage("as_='pandas': pandas is not installed; install it, or take polars, arrow or numpy") from None


def _is_kind(as_: str) -> None:
    if as_ not in KINDS:
        raise Usage(f"as_={as_!r} is no form of a table; give one of {' '.join(KINDS)}")


def span(start: When, end: When) -> tuple[date | None, date | None]:
    """Which days, first and last, do these mean? Raises Usage."""
    first, last = _day(start, "start"), _day(end, "end")
    if first and last and first > last:
        raise Usage(f"start {first} lies after end {last}; swap them")
    return first, last


def _day(when: When, name: str) -> date | None:
    if when is None or (isinstance(when, date) and not isinstance(when, datetime)):
        return when
    from lake.span import parsed_day

    return parsed_day(str(when), name)


def _days(shelf: Shelf, start: date | None, end: date | None) -> list[date]:
    known = shelf.days_on_disk()
    return [day for day in known if (start is None or day >= start) and (end is None or day <= end)]


def _within(shelf: Shelf, start: date | None, end: date | None) -> list[date]:
    wanted = _days(shelf, start, end)
    if not wanted:
        known = shelf.days_on_disk()
        fact = f"has days of {known[0]} … {known[-1]} only" if known else "has no committed day"
        raise NotReady(f"{shelf} {fact}; `{days.command(shelf)}` makes them")
    return wanted


def whole(shelf: Shelf, start: date | None, end: date | None, one_schema: bool = False) -> pa.Table:
    """What do this shelf's days hold together? Raises NotReady where there is none, Refused, Tampered.

    The caller holds the lake still. one_schema : days of two schemas are refused.
    """
    from lake import frames

    found = [day for day in frames.read_all(shelf, _within(shelf, start, end)) if day is not None]
    if one_schema and len({day.entry.schema for day in found}) > 1:
        raise Refused(f"{shelf} has days of two schemas; run `{days.command(shelf)}` first")
    table = frames.table(found)
    if table is None:
        raise NotReady(f"{shelf} has no committed day there; `{days.command(shelf)}` makes them")
    return table


def _joined(root: Path, tf: Timeframe, names: Sequence[str], start: date | None, end: date | None) -> pa.Table:
    """Features, labels and weights of these symbols, one row a label."""
    import pyarrow as pa

    from lake import parts
    from meta.columns import WEIGHTS

    def all_of(kind: str) -> pa.Table:
        shelves = [layout.shelf(root, DATASETS[kind], tf, name) for name in names]
        if kind == "weights":  # labels too young to be weighed have none, and a lake need not hold any
            shelves = [shelf for shelf in shelves if _days(shelf, start, end)]
        tables = [whole(shelf, start, end, True) for shelf in shelves]
        nothing = [parts.schema_of(WEIGHTS).empty_table()]
        return pa.concat_tables(tables or nothing, promote_options="default")

    both = all_of("features").join(all_of("labels"), KEYS, join_type="inner")
    return both.join(all_of("weights"), KEYS, join_type="left outer")


def training(
    root: Path, tf: Timeframe, names: Sequence[str], start: date | None, end: date | None, rows: pa.Table
) -> pa.Table:
    """What is the training table of these symbols and days, with `fold_rows`? The caller holds the lake still."""
    whole = _joined(root, tf, names, start, end).join(rows, KEYS, join_type="left outer")
    whole = whole.sort_by([(name, "ascending") for name in KEYS])
    return whole.append_column("mature_at", whole.column("t1"))


def fold_rows(root: Path, tf: Timeframe, name: str | None = None) -> pa.Table:
    """Each row's fold and weight; no row where conf's snapshot is not made yet.

    Raises NotReady where a snapshot is named and not there, Refused where it is of other labels, Tampered.
    """
    from lake import parts
    from meta.columns import FOLD_ROWS

    place = snapshots.folds(root, tf, name or snapshots.joined())
    try:
        said = snapshots.meta(place)
    except NotReady:
        if name is not None:
            raise
        return parts.schema_of(FOLD_ROWS).empty_table()
    _is_of_these_labels(place, said)
    return _file(place, snapshots.ROWS, said)


def _is_of_these_labels(place: Shelf, said: dict[str, Any]) -> None:
    """A label that changed since may reach into a test it was not purged from."""
    for kind, name, day, sha in zip(*_file(place, snapshots.INPUTS, said).to_pydict().values(), strict=True):
        known = days.entry(layout.shelf(place.root, DATASETS[kind], place.tf, name), date.fromisoformat(day))
        if known is None or known.sha256 != sha:
            fact = f"is of other {kind} of {name} than those of {day} that stand there"
            raise Refused(f"{place} {fact}; {snapshots.again(place)}")


def _file(place: Shelf, name: str, said: dict[str, Any]) -> pa.Table:
    from lake import parts

    return parts.decoded(snapshots.read(place, name, said), f"{place} {name}")
