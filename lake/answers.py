"""What does the lake answer to one SELECT, and in which form?"""

from __future__ import annotations

import contextlib
import io
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from lake import advice, catalog, files, sandbox, views
from meta.errors import Refused, Tampered, Usage

if TYPE_CHECKING:
    import duckdb

TABLE, FORMS = "table", ("csv", "json", "parquet")
WIDE = 240  # columns of a table that goes to no terminal
BATCH = 1 << 16  # rows
VIEWS_OWN = "; run `python -m "  # in a refusal of a view: it names the next step itself
PART = re.compile(r"part-\d{8}\.parquet")  # in an error: it is a day's file that cannot be read
# Types that no file keeps: 128-bit sums are whole numbers of 64 bits, or said to be too large.
KEPT_AS = {"HUGEINT": "BIGINT", "UHUGEINT": "BIGINT", "INTERVAL": "VARCHAR", "UUID": "VARCHAR", "BIT": "VARCHAR"}


def form_of(form: str | None, output: Path | None) -> str:
    """Which form is meant: the one named, else the one the file's name ends in, else a table? Raises Usage."""
    ending = output.suffix.lower().lstrip(".") if output else ""
    meant = form or (ending if ending in FORMS else "csv" if output else TABLE)
    if meant == "parquet" and output is None:
        raise Usage("--format parquet needs --output FILE")
    if meant == TABLE and output is not None:
        raise Usage(f"a table is for people to read; for {output.name} give --format csv, json or parquet")
    return meant


def answer(root: Path, sql: str, form: str, output: Path | None = None, rows: int = 40) -> int | None:
    """Print the answer, or write it to `output` whole: then, how many rows? Raises Usage for what is not one SELECT.

    The lake is held still while DuckDB works and never while somebody reads what was printed: a pager left open must
    not keep writers waiting.
    """
    text = sandbox.checked(sql)
    with catalog.opened(root, asked=text) as lake, _told(root):
        relation = lake.sql(text)
        if form == TABLE:
            shown = _shown(relation, rows)
        elif output is not None:
            return _kept(relation, form, output)
        else:
            shown = _encoded(relation, form)
    sys.stdout.write(shown)
    return None


def _shown(relation: duckdb.DuckDBPyRelation, rows: int) -> str:
    width = os.get_terminal_size(sys.stdout.fileno()).columns if sys.stdout.isatty() else WIDE
    shown = io.StringIO()
    with contextlib.redirect_stdout(shown):
        relation.show(max_rows=rows, max_width=width)
    return shown.getvalue()


def _kept(relation: duckdb.DuckDBPyRelation, form: str, output: Path) -> int:
    import pyarrow as pa

    reader, rows = _storable(relation).to_arrow_reader(BATCH), 0
    with files.table(output, form, reader.schema) as write:
        for batch in reader:
            write(pa.Table.from_batches([batch]))
            rows += batch.num_rows
    return rows


def _encoded(relation: duckdb.DuckDBPyRelation, form: str) -> str:
    whole, buffer = _storable(relation).to_arrow_table(), io.BytesIO()
    with files.pieces(buffer, form, whole.schema) as write:
        write(whole)
    return buffer.getvalue().decode()


def _storable(relation: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:
    """The same rows in types that files have. Raises Usage where two columns have one name."""
    names = relation.columns
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise Usage(f"two columns are called {twice}; name one of them otherwise with AS")
    kinds = [str(kind) for kind in relation.types]
    if not any(kind in KEPT_AS or kind.startswith("ENUM") for kind in kinds):
        return relation
    columns = []
    for name, kind in zip(names, kinds, strict=True):
        column = '"' + name.replace('"', '""') + '"'
        other = "VARCHAR" if kind.startswith("ENUM") else KEPT_AS.get(kind)
        columns.append(f"CAST({column} AS {other}) AS {column}" if other else column)
    return relation.project(", ".join(columns))


@contextlib.contextmanager
def _told(root: Path) -> Iterator[None]:
    """DuckDB's own errors as ours: the asker's, or the disk's."""
    import duckdb

    try:
        yield
    except duckdb.PermissionException as error:
        raise Usage(f"{sandbox.one_line(error)}: SQL reads the lake and nothing else") from None
    except duckdb.CatalogException as error:
        said = sandbox.one_line(error).split(' Did you mean "pg_')[0]  # tables of DuckDB's own
        raise Usage(f"{said}; the lake has {' '.join(sorted(views.of(root)))}") from None
    except (duckdb.IOException, duckdb.InvalidInputException) as error:
        said = sandbox.one_line(error)
        if VIEWS_OWN in said:
            raise Refused(said.removeprefix("Invalid Input Error: ")) from None
        if isinstance(error, duckdb.InvalidInputException) and not PART.search(said):  # error('…'), a cast, a setting
            raise Usage(said) from None
        raise Tampered(f"lake {root}: {said}; {advice.verify(root)}") from None
    except duckdb.Error as error:
        raise Usage(sandbox.one_line(error)) from None
    except RuntimeError as error:
        if str(error) == "Query interrupted":  # what DuckDB makes of Ctrl-C
            raise KeyboardInterrupt from None
        raise
