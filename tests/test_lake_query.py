"""SQL reads the lake, in whole days of one instant, and gets at nothing else."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest

from lake import catalog, locks, sandbox, views
from lake.commands import commands
from lake.ending import status
from meta.columns import BARS
from tests import lakes


@pytest.fixture(scope="module")
def root() -> Iterator[Path]:
    """A lake with bars, a strange database in three places, and a link to a folder outside."""
    with lakes.scratch() as where:
        root = where / "lake"
        lakes.committed(lakes.a_shelf(root), lakes.the_days(2), columns=BARS)
        lakes.committed(lakes.a_shelf(root, "4h", "ETHUSDT"), lakes.the_days(2), columns=BARS)
        catalog.refresh(root)
        outside = where / "outside"
        outside.mkdir()
        (outside / "secret.csv").write_text("a\nsecret\n")
        pq.write_table(lakes.a_day(), outside / "secret.parquet")
        with duckdb.connect(str(outside / "strange.duckdb")) as made:
            made.execute("CREATE TABLE t AS SELECT 'secret' AS a")
        for place in (root, root / "parquet", root / ".lake"):
            shutil.copy(outside / "strange.duckdb", place / "strange.duckdb")
            shutil.copy(outside / "strange.duckdb", place / "strange.parquet")
        (root / "parquet" / "link").symlink_to(outside)
        yield root


def asked(root: Path, sql: str, *words: str) -> int:
    return status(commands, "lake", ["query", sql, "--lake", str(root), *words])


OUT = [
    "SELECT * FROM read_csv('{outside}/secret.csv')",
    "SELECT * FROM read_text('{outside}/secret.csv')",
    "SELECT * FROM read_blob('/proc/self/environ')",
    "SELECT * FROM read_text('/etc/passwd')",
    "SELECT * FROM read_csv('/dev/stdin')",
    "FROM '{outside}/secret.csv'",
    "FROM '{outside}/secret.parquet'",
    "SELECT * FROM read_parquet('{root}/parquet/../../outside/secret.parquet')",
    "SELECT * FROM read_csv('{root}/parquet/link/secret.csv')",
    "SELECT * FROM read_parquet(['{root}/parquet/1h/BTCUSDT/*/*/*/*.parquet', '{outside}/secret.parquet'])",
    "SELECT * FROM glob('{outside}/*')",
    "SELECT * FROM glob('/etc/*')",
    "SELECT * FROM glob('{root}/.lake/*')",
    "SELECT * FROM parquet_metadata('{outside}/secret.parquet')",
    "SELECT * FROM read_csv('http://127.0.0.1:9/x.csv')",
    "SELECT * FROM 's3://bucket/x.parquet'",
    "FROM '{root}/strange.duckdb'",
    "FROM '{root}/parquet/strange.duckdb'",
    "FROM '{root}/parquet/strange.parquet'",
    "FROM '{root}/.lake/p1.duckdb'",
    "FROM read_duckdb('{root}/parquet/strange.duckdb')",
    "FROM system.main.read_duckdb('{root}/parquet/strange.duckdb', table_name = 't')",
    "WITH x AS (FROM read_duckdb('{root}/parquet/strange.duckdb')) SELECT * FROM bars_1h, x",
    "SELECT (SELECT a FROM read_duckdb('{root}/parquet/strange.duckdb'))",
    "FROM query('FROM read_duckdb(''{root}/parquet/strange.duckdb'')')",
    "FROM query_table('{root}/parquet/strange.duckdb')",
    "FROM histogram('{root}/parquet/strange.duckdb', a)",
    "FROM json_execute_serialized_sql(json_serialize_sql('SELECT 1'))",
    "SUMMARIZE FROM read_duckdb('{root}/parquet/strange.duckdb')",
    "ATTACH '{root}/parquet/strange.duckdb' AS s",
    "ATTACH ':memory:' AS s",
    "COPY bars_1h TO '{root}/parquet/x.csv'",
    "COPY (SELECT 1) TO '/tmp/x.csv'",
    "EXPLAIN ANALYZE COPY (SELECT 1) TO '{root}/parquet/x.csv'",
    "EXPORT DATABASE '{root}/parquet/x'",
    "CREATE TABLE x AS FROM bars_1h",
    "CREATE MACRO f(a) AS TABLE FROM read_duckdb(a)",
    "DROP VIEW bars_1h",
    "INSERT INTO bars_1h VALUES (1)",
    "INSTALL httpfs",
    "LOAD httpfs",
    "PRAGMA database_list",
    "CALL pragma_version()",
    "SET enable_external_access = true",
    "SET allowed_directories = ['/']",
    "RESET lock_configuration",
    "SELECT getenv('HOME')",
    "SELECT * FROM duckdb_secrets()",
    "SELECT * FROM duckdb_logs()",
    "CHECKPOINT",
    "SELECT 1; SELECT 2",
    "PREPARE p AS SELECT 1",
    "USE memory",
    "BEGIN",
    "",
    "nonsense",
]


@pytest.mark.parametrize("sql", OUT)
def test_sql_finds_no_way_out_of_the_lake(root: Path, sql: str, capfd: pytest.CaptureFixture[str]) -> None:
    before = sorted(path for path in root.rglob("*"))
    code = asked(root, sql.format(root=root, outside=root.parent / "outside"))
    said = capfd.readouterr()
    assert code in (1, 2) and "secret" not in said.out, said.out
    (line,) = [line for line in said.err.splitlines() if not line.startswith("lake ")]
    assert line.startswith("error: ")
    assert sorted(path for path in root.rglob("*")) == before


@pytest.mark.parametrize(
    "sql",
    [
        "SHOW TABLES",
        "DESCRIBE bars_1h",
        "SUMMARIZE bars_1h",
        "VALUES (1)",
        "FROM range(3)",
        "SELECT view_name FROM duckdb_views() WHERE NOT internal",
        "SELECT table_name FROM information_schema.tables",
        "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < 3) FROM r",
        "FROM (PIVOT bars_1h ON symbol IN ('BTCUSDT') USING max(close))",
        "SELECT count(*) FROM read_parquet('{root}/parquet/*/*/y=*/m=*/d=*/part-*.parquet', union_by_name = true)",
        "SELECT a.close FROM bars_1h AS a ASOF JOIN bars_4h AS b ON a.ts >= b.ts",
        "SELECT ';' AS semicolon -- and; a comment",
    ],
)
def test_reading_the_lake_is_not_in_the_way(root: Path, sql: str) -> None:
    assert asked(root, sql.format(root=root)) == 0


def test_variables_of_the_program_are_no_tables(root: Path) -> None:
    assert asked(root, "SELECT * FROM found") == 2


def test_the_settings_are_locked_for_whoever_holds_the_connection(root: Path) -> None:
    with catalog.opened(root) as connection:
        for setting in ("enable_external_access = true", "lock_configuration = false", "threads = 1"):
            with pytest.raises(duckdb.Error):
                connection.execute(f"SET {setting}")


@pytest.mark.parametrize("linked", ["root", "parquet"])
def test_a_lake_behind_a_link_is_read_as_well(tmp_path: Path, linked: str) -> None:
    real = tmp_path / "real"
    lakes.committed(lakes.a_shelf(real))
    root = tmp_path / "lake"
    if linked == "root":
        root.symlink_to(real)
    else:
        root.mkdir()
        (root / "parquet").symlink_to(real / "parquet")
    assert asked(root, "SELECT count(*) FROM bars_1h") == 0


def test_only_the_views_that_are_asked_for_are_made(root: Path) -> None:
    found = views.of(root)
    assert set(catalog.spoken_of(found, "SELECT * FROM BARS_1H")) == {"bars_1h"}
    assert set(catalog.spoken_of(found, "SELECT 1")) == set()
    assert set(catalog.spoken_of(found, "SHOW TABLES")) == set(found)
    chain = {"feat_1h": "x", "labels_1h": "x", "train_1h": "FROM feat_1h JOIN labels_1h", "bars_1h": "x"}
    assert list(catalog.spoken_of(chain, "FROM train_1h")) == ["feat_1h", "labels_1h", "train_1h"]


def test_an_answer_comes_as_table_csv_json_or_parquet(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sql = "SELECT symbol, ts, close, '=1' AS f, sum(trades) OVER () AS n FROM bars_1h ORDER BY ts LIMIT 2"
    for form in ("table", "csv", "json"):
        assert asked(root, sql, "--format", form) == 0
        said = capsys.readouterr().out
        assert "BTCUSDT" in said and ("'=1" in said) == (form == "csv")
        if form == "json":
            assert [sorted(row) for row in json.loads(said)] == [["close", "f", "n", "symbol", "ts"]] * 2
    for name in ("a.csv", "a.json", "a.parquet", "a.txt"):
        assert asked(root, sql, "--output", str(tmp_path / name)) == 0
        told = capsys.readouterr()
        assert (told.out, told.err.splitlines()[-1]) == ("", f"wrote 2 rows to {tmp_path / name}")
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "a.txt").read_bytes()
    table = pq.read_table(tmp_path / "a.parquet")
    assert table.num_rows == 2 and str(table.schema.field("n").type) == "int64"
    assert json.loads((tmp_path / "a.json").read_text())[0]["close"] == table.column("close")[0].as_py()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--format", "parquet"], "needs --output"),
        (["--format", "table", "--output", "x.csv"], "for people"),
        (["--format", "xml"], "xml"),
    ],
)
def test_a_form_that_makes_no_sense_is_refused(
    root: Path, words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert asked(root, "SELECT 1", *words) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("SELECT clsoe FROM bars_1h", "clsoe"),
        ("SELECT '\udcff'", "no UTF-8 text"),
        ("SELECT * FROM bars_1m", "bars_1m.*the lake has bars_1h bars_4h days"),
        ("SELECT * FROM bars_15m", "exist!; the lake has"),
        ("SELECT 1 AS a, 2 AS a", "two columns are called a"),
        ("SELECT [1] AS a", "lists"),
        ("SELECT 170141183460469231731687303715884105727::HUGEINT AS a", "INT64|BIGINT"),
        ("SELECT error('boom')", "boom$"),
        ("SELECT error('boom') FROM bars_1h", "boom$"),
    ],
)
def test_what_cannot_be_answered_is_one_line_and_no_file(
    root: Path, tmp_path: Path, sql: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert asked(root, sql, "--output", str(tmp_path / "a.csv")) == 2
    assert re.search(said, capsys.readouterr().err) and not list(tmp_path.iterdir())


def test_the_lake_is_let_go_before_anybody_reads_what_was_printed(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Pager:
        def write(self, text: str) -> None:
            assert not text or _free(root)

        def flush(self) -> None:
            pass

        def isatty(self) -> bool:
            return False

    monkeypatch.setattr(sys, "stdout", Pager())
    for form in ("csv", "json", "table"):
        assert asked(root, "FROM bars_1h", "--format", form) == 0


def _free(root: Path) -> bool:
    """Could a writer publish now?"""
    import fcntl

    fd = os.open(root / ".lake" / "locks" / "publish", os.O_RDWR)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(fd)
    return True


def test_the_lake_is_held_while_it_is_read(root: Path) -> None:
    with catalog.opened(root):
        assert not _free(root)
    assert _free(root) and locks is not None


def test_what_spills_to_disk_is_gone_afterwards(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with catalog.opened(root, limits={"memory_limit": "60MB", "threads": "1"}) as connection:
        sql = "SELECT count(*) FROM (SELECT hash(i) AS h FROM range(4000000) t(i) ORDER BY h LIMIT 3500000)"
        assert connection.sql(sql).fetchall() == [(3_500_000,)]
        assert list(tmp_path.iterdir())
    assert not list(tmp_path.iterdir())


def test_a_statement_that_cannot_be_looked_into_is_not_run(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duckdb, "extract_statements", lambda sql: [_Select()])
    assert asked(root, "EXPLAIN ANALYZE COPY (SELECT 1) TO '/tmp/x'") == 2


class _Select:
    type = duckdb.StatementType.SELECT


def test_functions_that_may_be_called_exist() -> None:
    known = {name for (name,) in duckdb.sql("SELECT DISTINCT function_name FROM duckdb_functions()").fetchall()}
    assert not sandbox.FUNCTIONS - known - {"read_parquet"}
