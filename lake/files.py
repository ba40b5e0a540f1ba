"""A table people take away is written in pieces, and is whole under its name or not there."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from lake import disk
from meta.errors import Usage

if TYPE_CHECKING:
    import polars
    import pyarrow as pa

GROUP = 1 << 16  # rows of one row group
INSTANT = "%Y-%m-%dT%H:%M:%S%.3fZ"
FORMULA = r"^([=+\-@\t\r])"  # a spreadsheet runs a text cell that starts so

Write = Callable[["pa.Table"], None]


@contextmanager
def table(path: Path, form: str, schema: pa.Schema) -> Iterator[Write]:
    """A file of this form (csv, json, parquet) to put tables of this schema into, one after the other.

    It is in its place once the block ends well, folders made on the way. Raises Usage for columns a CSV cannot hold.
    """
    disk.make_folders(path.absolute().parent)
    with disk.writing_over(path.absolute()) as file, pieces(file, form, schema) as write:
        yield write


@contextmanager
def pieces(file: BinaryIO, form: str, schema: pa.Schema) -> Iterator[Write]:
    """The same into an open file."""
    with {"csv": _csv, "json": _json, "parquet": _parquet}[form](file, schema) as write:
        yield write


@contextmanager
def _parquet(file: BinaryIO, schema: pa.Schema) -> Iterator[Write]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    waiting: list[pa.Table] = []
    options = {"compression": "zstd", "compression_level": 3, "write_page_checksum": True, "store_schema": False}
    with pq.ParquetWriter(file, schema, **options) as writer:

        def write(rows: pa.Table) -> None:
            waiting.append(rows)
            if sum(one.num_rows for one in waiting) >= GROUP:
                flush()

        def flush() -> None:
            if waiting:
                writer.write(pa.concat_tables(waiting), row_group_size=GROUP)
                waiting.clear()

        yield write
        flush()


@contextmanager
def _csv(file: BinaryIO, schema: pa.Schema) -> Iterator[Write]:
    """Comma-separated, UTF-8, one line of names; a null is an empty cell, a text cell never a spreadsheet's formula."""
    file.write(_lines(_frame(schema.empty_table()), True))

    def write(rows: pa.Table) -> None:
        file.write(_lines(_frame(rows), False))

    yield write


def _lines(frame: polars.DataFrame, named: bool) -> bytes:
    import polars

    nested = [name for name, kind in frame.schema.items() if kind.is_nested()]
    if nested:
        raise Usage(f"column {nested[0]} holds lists or structs, which a CSV cannot; give --format json or parquet")
    text = polars.selectors.string()
    safe = frame.with_columns(text.str.replace(FORMULA, "'$1"))
    safe.columns = [f"'{name}" if re.match(FORMULA, name) else name for name in frame.columns]
    return safe.write_csv(include_header=named, datetime_format=INSTANT).encode()


@contextmanager
def _json(file: BinaryIO, schema: pa.Schema) -> Iterator[Write]:
    """One array of objects."""
    before = b"["

    def write(rows: pa.Table) -> None:
        nonlocal before
        if rows.num_rows:
            file.write(before + _frame(rows).write_json().encode()[1:-1])
            before = b",\n"

    yield write
    file.write(b"[]\n" if before == b"[" else b"]\n")


def _frame(rows: pa.Table) -> polars.DataFrame:
    """The table with its instants in UTC and its enumerations as text."""
    import polars
    from polars import selectors

    frame = polars.DataFrame(rows)
    zoned = [name for name, kind in frame.schema.items() if isinstance(kind, polars.Datetime) and kind.time_zone]
    return frame.with_columns(
        polars.col(zoned).dt.convert_time_zone("UTC"), selectors.categorical().cast(polars.String)
    )
