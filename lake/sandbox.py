"""What may SQL touch? The lake's own tables, to read; never another file, another database or a setting."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from meta.errors import Usage

if TYPE_CHECKING:
    import duckdb
    from duckdb import DuckDBPyConnection

# Named one by one: a version of DuckDB to come may bring a function that opens a database, as read_duckdb does, or one
# that runs text as SQL, as query does. Those that read files are held to the lake's folders beside this.
FUNCTIONS = {
    "range", "generate_series", "unnest", "repeat", "json_each", "json_tree",
    "read_parquet", "parquet_scan", "parquet_schema", "parquet_metadata", "parquet_file_metadata",
    "parquet_kv_metadata", "read_csv", "read_csv_auto", "read_json", "read_json_auto", "read_ndjson", "read_text",
    "read_blob", "glob", "duckdb_columns", "duckdb_functions", "duckdb_keywords", "duckdb_settings", "duckdb_tables",
    "duckdb_types", "duckdb_views", "pg_timezone_names",
}  # fmt: skip
FILES = re.compile(r".*\.(parquet|csv|tsv|json|ndjson|jsonl)(\.gz|\.zst)?", re.I | re.S)
ONLY = "give one SELECT (or SHOW, DESCRIBE, SUMMARIZE): the lake is read through SQL, never written"


def statements(sql: str) -> list[str]:
    """Which statements stand in this text? Raises Usage where it is not SQL."""
    return [statement.query for statement in _extracted(sql)]


def checked(sql: str) -> str:
    """Is this one statement that only reads, by functions that read no other database? Returns it; raises Usage."""
    import duckdb

    found = _extracted(sql)
    if len(found) != 1 or found[0].type != duckdb.StatementType.SELECT:
        raise Usage(ONLY)
    for node in _nodes(_parsed(sql)):
        if node.get("type") == "TABLE_FUNCTION":
            _may_call(str(node["function"]["function_name"]))
        elif node.get("type") == "BASE_TABLE":
            _may_read(str(node["table_name"]))
    return sql


def shut(connection: DuckDBPyConnection, root: Path) -> None:
    """Let a connection read the lake's folders and nothing else, from now on.

    `.lake` is not among them: staging is no data, and a catalog there is a database. Its log alone is.
    """
    folders = sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))
    connection.execute(f"SET allowed_directories = [{', '.join(quoted(f'{path}/') for path in folders)}]")
    told = root / ".lake" / "log.tsv"
    if told.is_file() and not told.is_symlink():
        connection.execute(f"SET allowed_paths = [{quoted(str(told))}]")
    connection.execute("SET enable_external_access = false")


def lock(connection: DuckDBPyConnection) -> None:
    """Let nobody change a connection's settings, this included."""
    connection.execute("SET lock_configuration = true")


def one_line(error: Exception) -> str:
    """What does DuckDB say is wrong, in one line?"""
    return " ".join(str(error).split("\n\n")[0].split())


def quoted(text: str) -> str:
    """How is a text written in SQL?"""
    return "'" + text.replace("'", "''") + "'"


def _extracted(sql: str) -> list[duckdb.Statement]:
    import duckdb

    try:
        sql.encode()
        return duckdb.extract_statements(sql)
    except UnicodeEncodeError:
        raise Usage("this SQL is no UTF-8 text; save it as UTF-8, or type it anew") from None
    except duckdb.Error as error:
        raise Usage(one_line(error)) from None


def _parsed(sql: str) -> Any:
    import duckdb

    with duckdb.connect() as parser:
        rows = parser.execute("SELECT json_serialize_sql(?)", [sql]).fetchall()
    found = json.loads(rows[0][0])
    if found.get("error"):  # a statement that cannot be looked into is not run
        raise Usage(ONLY)
    return found


def _nodes(found: Any) -> Iterator[dict[str, Any]]:
    if isinstance(found, dict):
        yield found
    inner = found.values() if isinstance(found, dict) else found if isinstance(found, list) else ()
    for one in inner:
        yield from _nodes(one)


def _may_call(name: str) -> None:
    if name.lower() not in FUNCTIONS:
        raise Usage(f"SQL may not call {name} here: it reads tables, and files of the lake, and nothing else")


def _may_read(name: str) -> None:
    if re.search(r"[./\\:]", name) and not FILES.fullmatch(name):
        raise Usage(f"{name!r} is none of the lake's tables; see `python -m lake views`")
