"""SQL sees the lake through views: over every shelf, always current, whatever is being written."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING

from lake import advice, disk, locks, log, regular, revisions, roots, sandbox, snapshots
from lake.layout import Shelf
from lake.sandbox import one_line, quoted
from lake.settings import PROJECT, shown
from meta.columns import BARS, FOLD_INPUTS, FOLD_ROLES, FOLD_ROWS, REVISIONS, TS, WEIGHTS, Column
from meta.datasets import DATASETS
from meta.errors import NotReady, Refused, Tampered, Usage
from meta.timeframes import TIMEFRAMES

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

SQL = PROJECT / "meta" / "views"
OFFLINE = {"autoinstall_known_extensions": "false"}
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")


def path_for(root: Path) -> Path:
    """Where is the catalog of this lake?"""
    named = {PROJECT / "data": "p1.duckdb", PROJECT / "data-sim": "sim.duckdb"}.get(root)
    return PROJECT / "meta" / "duckdb" / named if named else root / ".lake" / "p1.duckdb"


def views(
    root: Path, custom: dict[str, str] | None = None, relative: bool = False, only: Sequence[Shelf] | None = None
) -> dict[str, str]:
    """Which views does this lake have (name -> SQL)?

    One per dataset and timeframe, `bars_1w` over daily bars, `train_*` and its `folds_*`, `days`, `revisions`, and
    custom ones.

    custom : view name -> glob over part files. relative : paths as seen from the project, where the lake lies in it.
    only : the shelves that are looked into; None is all of them. Raises Usage for a name or path SQL cannot take.
    """
    shelves = [shelf for shelf in (roots.shelves(root) if only is None else only) if shelf.days_on_disk()]
    found: dict[str, str] = {}
    if shelves:
        found["days"] = _filled(
            "days",
            manifests=", ".join(quoted(f"{_shown(s.folder, relative)}/y=*/m=*/d=*/MANIFEST.tsv") for s in shelves),
        )
    if any(revisions.are_kept(shelf) for shelf in shelves):
        found["revisions"] = _revisions(root, relative)
    for dataset in DATASETS.values():
        for tf in dict.fromkeys(shelf.tf for shelf in shelves if shelf.dataset is dataset):
            here = [shelf for shelf in shelves if shelf.dataset is dataset and shelf.tf is tf]
            union = "\nUNION ALL BY NAME\n".join(_parts(shelf, relative) for shelf in here)
            found[f"{dataset.view}_{tf}"] = _filled("bars", tf_ms=tf.ms, shelves=union)
    if "bars_1d" in found:
        found["bars_1w"] = _filled("week", columns=",\n       ".join(_weekly(column) for column in BARS[2:]))
    for name in list(found):
        tf_name = name.removeprefix("labels_")
        if name.startswith("labels_") and f"feat_{tf_name}" in found:
            found |= _train(root, tf_name, f"weights_{tf_name}" in found, relative)
    for name, glob in (custom or {}).items():
        found[_identifier(name)] = (
            f"SELECT * FROM read_parquet({quoted(glob)}, hive_partitioning = false, union_by_name = true)"
        )
    return found


def refresh(root: Path, target: Path | None = None, add: dict[str, str] | None = None) -> tuple[Path, bool]:
    """Bring the catalog up to the lake; returns where it is, and whether it had to be written.

    It is made anew under a temporary name and renamed over; an existing file there is never opened.
    """
    place = target or path_for(root)
    if (
        place != path_for(root)
        and place.parent == PROJECT / "meta" / "duckdb"
        and place.name in ("p1.duckdb", "sim.duckdb")
    ):
        raise Refused(f"{shown(place)} is the catalog of another lake than {shown(root)}; leave --db out")
    known = _known(beside(place))
    custom = {**known.get("custom", {}), **(add or {})}
    text = views(root, custom, relative=True)
    if place.exists() and known.get("views") == text and not add:
        return place, False
    if not text:
        return place, False
    _write(root, place, text)
    disk.write_over(beside(place), json.dumps({"custom": custom, "views": text}, indent=1).encode())
    return place, True


def _write(root: Path, place: Path, text: dict[str, str]) -> None:
    import duckdb

    disk.make_folders(place.parent)
    temporary = place.with_name(f".{place.name}.{os.getpid()}.tmp")
    disk.unlink(temporary)
    try:
        with duckdb.connect(str(temporary)) as catalog:
            catalog.execute(f"SET file_search_path = {quoted(str(PROJECT))}")  # views are checked as they are made
            _create(catalog, text)
        disk.replace(temporary, place)
    except duckdb.Error as error:
        raise Tampered(f"catalog {place}: {one_line(error)}; {advice.verify(root)}") from None
    finally:
        disk.unlink(temporary)


def names(place: Path) -> list[str]:
    """Which views does this catalog hold, the lake's own and those people added?"""
    return list(_known(beside(place)).get("views", {}))


def beside(place: Path) -> Path:
    """Where does it say what a catalog was made of: its text, and the views people added?"""
    return place.with_name(place.name + ".json")


def _within(root: Path, custom: dict[str, str]) -> dict[str, str]:
    """The added views that read nothing outside this lake."""
    return {name: glob for name, glob in custom.items() if (PROJECT / glob).is_relative_to(root)}


def _known(beside: Path) -> dict[str, dict[str, str]]:
    try:
        found = json.loads(regular.read(beside))
    except (FileNotFoundError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


@contextmanager
def opened(
    root: Path,
    only: Sequence[Shelf] | None = None,
    limits: Mapping[str, str] | None = None,
    asked: str | None = None,
) -> Iterator[DuckDBPyConnection]:
    """A connection that sees this lake's views and nothing else, held still: no day changes until it is let go.

    only : the shelves that are looked into; None is all of them, with the views people added. limits : DuckDB's own,
    such as memory_limit. asked : the SQL to come; views it does not speak of are not made. External access is limited
    to the lake, and the configuration is locked.
    """
    import duckdb

    with locks.snapshot(root), disk.scratch() as spill:
        added = _within(root, _known(beside(path_for(root))).get("custom", {})) if only is None else {}
        found = views(root, added, only=only)
        if not found:
            raise NotReady(
                f"lake {shown(root)} has no committed day; run {advice.first(root)}, or name another with --lake"
            )
        with duckdb.connect(config={**OFFLINE, "temp_directory": str(spill), **(limits or {})}) as connection:
            connection.execute("SET TimeZone = 'UTC'")
            sandbox.shut(connection, root)
            try:
                _create(connection, found if asked is None else spoken_of(found, asked))
            except duckdb.Error as error:
                raise Tampered(f"lake {root}: {one_line(error)}; {advice.verify(root)}") from None
            sandbox.lock(connection)
            yield connection


def spoken_of(found: Mapping[str, str], sql: str) -> dict[str, str]:
    """Which of these views does SQL need: those whose names stand in it, and those they are made of?

    To make a view, DuckDB opens every file it reads. All of them where the catalog itself may be asked.
    """
    words = _words(sql)
    if words & {"show", "information_schema", "sqlite_master", "pg_catalog"} or any("duckdb_" in one for one in words):
        return dict(found)
    needed: set[str] = set()
    todo = [name for name in found if name.lower() in words]
    while todo:
        name = todo.pop()
        needed.add(name)
        todo += [other for other in found if other.lower() in _words(found[name]) - needed]
    return {name: text for name, text in found.items() if name in needed}


def _words(sql: str) -> set[str]:
    return set(re.findall(r"\w+", sql.lower()))


def _create(connection: DuckDBPyConnection, text: dict[str, str]) -> None:
    for name, sql in text.items():
        connection.execute(f'CREATE VIEW "{name}" AS {sql}')


def _filled(name: str, **values: object) -> str:
    return Template((SQL / f"{name}.sql").read_text(encoding="utf-8")).substitute(values)


def _revisions(root: Path, relative: bool) -> str:
    """What bars said before; the log tells when it was replaced."""
    globs = ", ".join(quoted(f"{_shown(place, relative)}/*.parquet") for place in revisions.folders(root))
    kept = f"(FROM read_parquet([{globs}], hive_partitioning = false))" if globs else _nothing(REVISIONS)
    names = "{" + ", ".join(f"'{field.name}': 'VARCHAR'" for field in fields(log.Line)) + "}"
    told = (
        f"read_csv({quoted(_shown(log.path(root), relative))}, delim = '\t', header = false, quote = '', "
        f"columns = {names}, ignore_errors = true)"
    )
    return _filled("revisions", files=kept, log=told if log.path(root).is_file() else _nothing_told())


def _nothing_told() -> str:
    return f"(SELECT {', '.join(f'NULL::VARCHAR AS {field.name}' for field in fields(log.Line))} WHERE false)"


def _train(root: Path, tf: str, weighed: bool, relative: bool) -> dict[str, str]:
    """The training table, and the folds it joins: those of the snapshot conf names, where there is one."""
    place = snapshots.folds(root, TIMEFRAMES[tf], snapshots.joined())
    there = (place.folder / snapshots.META).is_file()

    def read(name: str, columns: tuple[Column, ...]) -> str:
        if not there:
            return _nothing(columns)
        return f"(FROM read_parquet({quoted(_shown(place.folder / name, relative))}, hive_partitioning = false))"

    found = {"folds_" + tf: f"FROM {read(snapshots.ROLES, FOLD_ROLES)}"} if there else {}
    weights = f"weights_{tf}" if weighed else _nothing(WEIGHTS)
    rows, inputs = read(snapshots.ROWS, FOLD_ROWS), read(snapshots.INPUTS, FOLD_INPUTS)
    found["train_" + tf] = _filled("train", tf=tf, weights=weights, rows=rows, inputs=inputs, folds=place.symbol)
    return found


def _nothing(columns: tuple[Column, ...]) -> str:
    """A table of these columns without a row."""
    kinds = {"string": "VARCHAR", "int32": "INTEGER", "double": "DOUBLE", "date": "DATE", TS: "TIMESTAMPTZ"}
    named = ", ".join(f'NULL::{kinds[one.type]} AS "{one.name}"' for one in columns)
    return f"(SELECT {named} WHERE false)"


def _weekly(column: Column) -> str:
    """How do seven days of this column make a week's?"""
    name = column.name
    if column.kind == "flow":
        kind = "BIGINT" if column.type == "int64" else "DOUBLE"
        return f"CAST(CASE WHEN count({name}) = 7 THEN sum({name} ORDER BY ts) END AS {kind}) AS {name}"
    if column.kind in ("max", "min"):
        return f"{column.kind}({name}) AS {name}"
    return f"{'first' if column.kind == 'first' else 'last'}({name} ORDER BY ts) AS {name}"


def _parts(shelf: Shelf, relative: bool) -> str:
    glob = f"{_shown(shelf.folder, relative)}/y=*/m=*/d=*/part-*.parquet"
    return f"SELECT * FROM read_parquet({quoted(glob)}, hive_partitioning = false, union_by_name = true)"


def _shown(path: Path, relative: bool) -> str:
    """The path as views name it. Raises Usage where SQL would take it for a pattern."""
    text = str(path.relative_to(PROJECT)) if relative and path.is_relative_to(PROJECT) else str(path)
    if re.search(r"[*?\[]", text):
        raise Usage(f"{path} holds one of * ? [, which SQL takes for a pattern; give the lake a plainer path")
    return text


def _identifier(name: str) -> str:
    if not NAME.fullmatch(name):
        raise Usage(f"--view {name!r} is no name for a view; use letters, digits and _")
    return name
