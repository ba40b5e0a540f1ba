"""A check written as SQL returns its offenders; what it needs, and how many there may be, stands above it."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lake import progress, settings
from lake.checks import SHOWN, Check, Finding, is_bound
from meta.errors import Usage

if TYPE_CHECKING:
    import pyarrow as pa
    from duckdb import DuckDBPyConnection

SQL = settings.PROJECT / "meta" / "checks"
CONF = "checks.yaml"
DATASETS = ("keys", "bars", "log", "features", "labels")
SAID = ("needs", "any", "when", "else", "with", "share", "worst", "must", "should")


class Chosen(settings.Conf, frozen=True, forbid_unknown_fields=True):
    """conf/checks.yaml, of one check: what to hold it to instead."""

    must: str | None = None
    should: str | None = None
    numbers: dict[str, float] = {}


@dataclass(frozen=True)
class Query:
    """A check, and the SQL whose rows are its offenders.

    needs : columns that must all hold values. any : columns of which one must. when : a condition the table must meet,
    else `otherwise` says why not. numbers : what the SQL reads as getvariable('name'). share : offenders count as a
    share of this table's rows. worst : the largest value of this column of theirs counts, not how many they are.
    """

    check: Check
    sql: str
    needs: tuple[str, ...] = ()
    any: tuple[str, ...] = ()
    when: str = ""
    otherwise: str = ""
    numbers: Mapping[str, float] = field(default_factory=dict)
    share: str = ""
    worst: str = ""

    def lacks(self, there: set[str]) -> str:
        """Why can it not be looked at where only these columns hold values? Empty where it can."""
        missing = [name for name in self.needs if name not in there]
        if not missing and self.any and not there & set(self.any):
            missing = list(self.any)
        return f"not applicable: no {' or '.join(missing)}" if missing else ""


def queries(dataset: str) -> list[Query]:
    """Which checks does meta/checks hold for this dataset, as conf/checks.yaml has them?

    A file is called DATASET_NAME.sql. Its comments say what its offenders are, then what it needs, how it counts them,
    and how many there must (else it fails) or should (else it warns) be. Raises Usage for a conf that makes no sense.
    """
    chosen = _chosen()
    return [_over(_query(path, dataset), chosen.get(path.stem)) for path in sorted(SQL.glob(f"{dataset}_*.sql"))]


def _views(dataset: str) -> list[tuple[str, str]]:
    """What do several checks of this dataset ask of? meta/checks/views/DATASET_NAME.sql, as NAME and its SQL."""
    paths = sorted((SQL / "views").glob(f"{dataset}_*.sql"))
    return [(path.stem.removeprefix(f"{dataset}_"), path.read_text(encoding="utf-8")) for path in paths]


def _query(path: Path, dataset: str) -> Query:
    text = path.read_text(encoding="utf-8")
    said: dict[str, list[str]] = {}
    meaning = []
    for line in (line.removeprefix("--").strip() for line in text.splitlines() if line.startswith("--")):
        name, colon, rest = line.partition(": ")
        if colon and name in SAID:
            said.setdefault(name, []).append(rest)
        else:
            meaning.append(line)
    one = {name: ", ".join(parts) for name, parts in said.items()}
    form = "ratio" if "share" in one else "number" if "worst" in one else "count"
    check = Check(path.stem.removeprefix(f"{dataset}_"), " ".join(meaning), one.get("must", ""), one.get("should", ""))
    return Query(
        replace(check, form=form),
        text,
        _names(one.get("needs", "")),
        _names(one.get("any", "")),
        one.get("when", ""),
        one.get("else", ""),
        {name.strip(): float(value) for name, value in (pair.split("=") for pair in _names(one.get("with", "")))},
        one.get("share", ""),
        one.get("worst", ""),
    )


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _chosen() -> dict[str, Chosen]:
    """What does conf say of which check? Raises Usage for a check there is not, and for bounds that are none."""
    place = settings.conf_path(CONF)
    if not place.exists():
        return {}
    known = [path.stem for path in SQL.glob("*.sql")]
    return {name: _choice(name, one, known) for name, one in settings.read_yaml(place).items()}


def _choice(name: str, said: object, known: list[str]) -> Chosen:
    if name not in known:
        near = difflib.get_close_matches(str(name), known, 1)
        raise Usage(f"conf/{CONF}: {name!r} is no check" + (f"; did you mean {near[0]!r}?" if near else ""))
    chosen = settings.convert(said, Chosen, f"conf/{CONF}: {name}")
    for bound in (chosen.must, chosen.should):
        if bound and not is_bound(bound):
            raise Usage(f"conf/{CONF}: {name}: {bound!r} is no bound; write it like '<= 3', or '' for none")
    return chosen


def _over(query: Query, chosen: Chosen | None) -> Query:
    if chosen is None:
        return query
    unknown = set(chosen.numbers) - set(query.numbers)
    if unknown:
        known = ", ".join(query.numbers) or "none"
        raise Usage(f"conf/{CONF}: {query.check.name} has no number {min(unknown)!r}; it has {known}")
    must = query.check.must if chosen.must is None else chosen.must
    should = query.check.should if chosen.should is None else chosen.should
    return replace(
        query, check=replace(query.check, must=must, should=should), numbers={**query.numbers, **chosen.numbers}
    )


def asked(
    dataset: str, tables: Mapping[str, pa.Table], only: str | None = None, **variables: int | str
) -> list[Finding]:
    """What do this dataset's SQL checks find in these tables (name in the SQL -> table)?

    only : the name of one of them; None asks all. variables : what the SQL reads as getvariable('name'). Nothing but
    the tables can be read. A check whose columns hold no value in the dataset's own table is skipped, and says so.
    """
    import duckdb

    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute("SET enable_external_access = false")
        for name, table in tables.items():
            connection.register(f"given_{name}", table)
            connection.execute(f"CREATE TABLE {name} AS FROM given_{name}")
        for name, sql in _views(dataset):
            connection.execute(f"CREATE VIEW {name} AS {sql}")
        main = tables[dataset]
        there = {name for name in main.column_names if main.column(name).null_count < main.num_rows}
        wanted = [query for query in queries(dataset) if only in (None, query.check.name)]
        counted = progress.counted(wanted, len(wanted), f"checks of {dataset}")
        return [_asked(connection, query, dataset, there, variables) for query in counted]


def _asked(
    connection: DuckDBPyConnection, query: Query, dataset: str, there: set[str], variables: Mapping[str, int | str]
) -> Finding:
    for name, value in {**variables, **query.numbers}.items():
        connection.execute(f"SET VARIABLE {name} = {value!r}")
    why = query.lacks(there)
    if not why and query.when and not _value(connection, f"SELECT coalesce({query.when}, false) FROM {dataset}"):
        why = f"not applicable: {query.otherwise}"
    if why:
        return query.check.found(None, why)
    rows = connection.sql(query.sql.strip().rstrip(";")).to_arrow_table()
    first = [_plain(row) for row in rows.slice(0, SHOWN).to_pylist()]
    found = query.check.found(_measured(connection, query, rows), _note(query, rows.num_rows, first), first)
    return found if found.verdict != "ok" else replace(found, note="", offenders=())


def _measured(connection: DuckDBPyConnection, query: Query, offenders: pa.Table) -> float:
    if query.share:
        return offenders.num_rows / max(_value(connection, f"SELECT count(*) FROM {query.share}"), 1)
    if query.worst:
        return max(offenders.column(query.worst).to_pylist(), default=0)
    return offenders.num_rows


def _value(connection: DuckDBPyConnection, sql: str) -> Any:
    return connection.sql(sql).fetchall()[0][0]


def _note(query: Query, count: int, first: Iterable[Mapping[str, Any]]) -> str:
    for row in first:
        told = f"the first: {', '.join(f'{name} {_short(value)}' for name, value in row.items())}"
        return f"{count:,} of them; {told}" if query.share or query.worst else told
    return ""


def _short(value: Any) -> Any:
    return f"{value:.6g}" if isinstance(value, float) else value


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    def said(value: Any) -> Any:
        if hasattr(value, "isoformat"):
            return value.isoformat().replace("+00:00", "Z")
        return value if not isinstance(value, float) or math.isfinite(value) else str(value)

    return {name: said(value) for name, value in row.items()}
