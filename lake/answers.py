"""What does the lake answer to one SELECT, and in which form?"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from lake import advice, catalog, disk
from meta.errors import Tampered, Usage

if TYPE_CHECKING:
    import pyarrow as pa


def statements(sql: str) -> list[str]:
    """Which statements stand in this text? Raises Usage where it is not SQL."""
    import duckdb

    try:
        return [statement.query for statement in duckdb.extract_statements(sql)]
    except duckdb.Error as error:
        raise Usage(catalog.one_line(error)) from None


def answer(root: Path, sql: str, form: str, output: Path | None, rows: int) -> None:
    """Print the answer, or write it to `output` whole. Raises Usage for what is not one SELECT, or is wrong."""
    import duckdb

    text = catalog.checked(sql)
    with catalog.opened(root) as lake:
        try:
            relation = lake.sql(text)
            if form == "table" and output is None:
                relation.show(max_rows=rows, max_width=None if sys.stdout.isatty() else 240)
                return
            table = relation.to_arrow_table()
        except (duckdb.IOException, duckdb.InvalidInputException) as error:
            raise Tampered(f"lake {root}: {catalog.one_line(error)}; {advice.verify(root)}") from None
        except duckdb.Error as error:
            raise Usage(catalog.one_line(error)) from None
    data = _encoded(table, form)
    if output is not None:
        disk.write_over(output.absolute(), data)
    else:
        sys.stdout.write(data.decode())


def _encoded(table: pa.Table, form: str) -> bytes:
    import polars

    frame = polars.DataFrame(table)
    if form == "json":
        return (frame.write_json() + "\n").encode()
    if form == "parquet":
        import pyarrow as pa
        import pyarrow.parquet as pq

        sink = pa.BufferOutputStream()
        pq.write_table(table, sink, compression="zstd")
        return sink.getvalue().to_pybytes()
    return frame.write_csv(datetime_format="%Y-%m-%dT%H:%M:%S%.3fZ").encode()
