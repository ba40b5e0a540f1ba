"""A file of columns that is mapped rather than read, each compared with its digest before anything parses it.

32 bytes    sha256 of the index
8 bytes     how long the index is, little-endian
index       JSON: the file's mark; of each column where it starts after the index, how long it is, and its sha256
columns     one after the other, each an Arrow stream, as it lies in memory
"""

from __future__ import annotations

import json
from collections.abc import Collection
from hashlib import sha256
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import ipc

from lake import disk

HEAD, ALIGNED = 40, 64  # bytes


def write(path: Path, mark: str, table: pa.Table) -> None:
    """Keep this table under this mark, in the place of what was there: whole or not at all."""
    whole = table.combine_chunks()
    streams = [_stream(whole.select([name])) for name in whole.column_names]
    columns, start = {}, 0
    for name, stream in zip(whole.column_names, streams, strict=True):
        columns[name] = (start, stream.size, sha256(stream).hexdigest())
        start += stream.size
    text = json.dumps({"mark": mark, "columns": columns}).encode()
    text += b" " * (-(HEAD + len(text)) % ALIGNED)
    disk.make_folders(path.parent)
    with disk.writing_over(path) as out:
        for piece in (sha256(text).digest(), len(text).to_bytes(8, "little"), text, *streams):
            out.write(piece)


def _stream(table: pa.Table) -> pa.Buffer:
    out = pa.BufferOutputStream()
    with ipc.new_stream(out, table.schema) as writer:
        writer.write_table(table)
    return out.getvalue()


def read(path: Path, mark: str, columns: Collection[str]) -> pa.Table | None:
    """Those of these columns that the file has; None where it is not there, of another mark, or damaged.

    Their values take no memory of their own, and stay what they are when another file takes this one's place.
    """
    if not path.is_file():  # a pipe is not waited for
        return None
    try:
        with pa.memory_map(str(path)) as file:
            data = memoryview(file.read_buffer()).cast("B")
    except (OSError, pa.ArrowException):
        return None
    body = HEAD + int.from_bytes(data[HEAD - 8 : HEAD], "little")
    known = _index(data, body)
    if known is None or known["mark"] != mark:
        return None
    found = {}
    for name, (start, size, sha) in known["columns"].items():
        if name in columns:
            stream = data[body + start : body + start + size]
            if sha256(stream).hexdigest() != sha:
                return None
            found[name] = ipc.open_stream(pa.py_buffer(stream)).read_all().column(0)
    return pa.table(found)


def _index(data: memoryview, end: int) -> dict[str, Any] | None:
    """What does the index say? None where its digest is another."""
    text = data[HEAD:end]
    known: dict[str, Any] | None = json.loads(bytes(text)) if sha256(text).digest() == data[: HEAD - 8] else None
    return known
