"""A part is a day's table as Parquet, the same bytes for the same values."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from lake.manifest import HEX, Entry, Provenance, digest
from meta.columns import TS, Column
from meta.errors import Refused, Tampered
from meta.timeframes import DAY, Timeframe, day_start, utc

TYPES = {"bool": pa.bool_(), "double": pa.float64(), "string": pa.string(), TS: pa.timestamp("ms", "UTC")}
TYPES |= {"date": pa.date32(), "int8": pa.int8(), "int32": pa.int32(), "int64": pa.int64()}


def schema_of(columns: Iterable[Column]) -> pa.Schema:
    """Which Arrow schema do these columns make?"""
    return pa.schema([pa.field(column.name, TYPES[column.type]) for column in columns])


def schema_digest(schema: pa.Schema) -> str:
    """What is the sha256 of a schema's names and types, in hex?"""
    return digest("".join(f"{field.name}\t{field.type}\n" for field in schema).encode())


def encoded(table: pa.Table) -> bytes:
    """How is this table written? ZSTD 3, text in a dictionary, page checksums; no clock, no randomness, no metadata.

    Every column may hold nulls, whatever the table's schema promises of today's values.
    """
    # A day's numbers hardly repeat: with dictionaries of them parts are a fifth larger, and slower both ways.
    bare = pa.schema([pa.field(field.name, field.type) for field in table.schema])
    sink = pa.BufferOutputStream()
    pq.write_table(
        pa.Table.from_arrays(table.columns, schema=bare),
        sink,
        compression="zstd",
        compression_level=3,
        use_dictionary=[field.name for field in table.schema if pa.types.is_string(field.type)],
        write_page_checksum=True,
        store_schema=False,
        row_group_size=1 << 20,
    )
    return sink.getvalue().to_pybytes()


def decoded(
    data: bytes, where: str, columns: list[str] | None = None, remedy: str = "run `python -m lake repair`"
) -> pa.Table:
    """Which table do these bytes hold? Raises Tampered, naming `where` and the remedy, if none."""
    with _opened(data, where, remedy) as file:
        return file.read(columns=columns, use_threads=False)


def keys_of(data: bytes, where: str) -> tuple[pa.Table, pa.Schema]:
    """Which keys do these bytes hold, and under which schema? A quarter of the time of reading every column.

    Raises Tampered, naming `where`, if none.
    """
    with _opened(data, where, "run the same command again") as file:
        return file.read(columns=["symbol", "ts"], use_threads=False), file.schema_arrow


@contextmanager
def _opened(data: bytes, where: str, remedy: str) -> Iterator[pq.ParquetFile]:
    try:
        with pq.ParquetFile(pa.BufferReader(data)) as file:  # pq.read_table opens a dataset first: five times the time
            yield file
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:  # the last of a name that is no text
        raise Tampered(f"{where} is not Parquet ({type(error).__name__}); {remedy}") from None


def stamps(table: pa.Table) -> pa.ChunkedArray:
    """What are a table's ts, as int64 UTC milliseconds?"""
    return pa.chunked_array([chunk.view(pa.int64()) for chunk in table.column("ts").chunks], pa.int64())


def entry_of(table: pa.Table, data: bytes, name: str, provenance: Provenance) -> Entry:
    """What does the manifest say of this part?"""
    ts = stamps(table)
    span = pc.min_max(ts).as_py()
    keys = digest(ts.to_numpy().astype("<i8").tobytes())
    first, last = ("" if stamp is None else utc(stamp) for stamp in (span["min"], span["max"]))
    size, shape = len(data), schema_digest(table.schema)
    return Entry(name, digest(data), size, table.num_rows, first, last, shape, keys, *_cells(provenance))


def _cells(provenance: Provenance) -> tuple[str, str, str]:
    if not provenance.source.isprintable():
        raise Refused(f"source {provenance.source!r} holds a tab, a line break or the like; no manifest cell may")
    for cell in (provenance.inputs, provenance.code):
        if not HEX.fullmatch(cell):
            raise Refused(f"provenance {cell!r} is no sha256 in hex; report this as a fault")
    return provenance.source, provenance.inputs, provenance.code


def belongs(table: pa.Table, day: date, tf: Timeframe, symbol: str) -> None:
    """Is this a day: one symbol, ts ascending and unique, on the grid, within the day? Raises Refused if not."""
    ts = stamps(table).to_numpy()
    start = day_start(day)
    if len(ts) and not (
        ts[0] > start and ts[-1] <= start + DAY and (ts % tf.ms == 0).all() and (ts[1:] > ts[:-1]).all()
    ):
        raise Refused(f"{tf} {symbol} {day}: the computed rows do not lie on that day's grid; report this as a fault")
    if set(pc.unique(table.column("symbol")).to_pylist()) - {symbol}:
        raise Refused(f"{tf} {symbol} {day}: the computed rows name another symbol; report this as a fault")
