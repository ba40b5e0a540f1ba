"""Which views does a lake have? SQL over every shelf, in the words of meta/views."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from string import Template

from lake import log, revisions, roots, snapshots
from lake.layout import Shelf
from lake.sandbox import quoted
from lake.settings import PROJECT
from meta.columns import BARS, FOLD_INPUTS, FOLD_ROLES, FOLD_ROWS, REVISIONS, TS, WEIGHTS, Column
from meta.datasets import DATASETS
from meta.errors import Usage
from meta.timeframes import TIMEFRAMES

SQL = PROJECT / "meta" / "views"
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")


def of(
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


def _filled(name: str, **values: object) -> str:
    return Template((SQL / f"{name}.sql").read_text(encoding="utf-8")).substitute(values)


def _revisions(root: Path, relative: bool) -> str:
    """What bars said before; the log tells when it was replaced."""
    globs = ", ".join(quoted(f"{_shown(place, relative)}/*.parquet") for place in revisions.folders(root))
    kept = f"(FROM read_parquet([{globs}], hive_partitioning = false))" if globs else _nothing(REVISIONS)
    names = "{" + ", ".join(f"'{name}': 'VARCHAR'" for name in log.Line._fields) + "}"
    told = (
        f"read_csv({quoted(_shown(log.path(root), relative))}, delim = '\t', header = false, quote = '', "
        f"columns = {names}, ignore_errors = true)"
    )
    return _filled("revisions", files=kept, log=told if log.path(root).is_file() else _nothing_told())


def _nothing_told() -> str:
    return f"(SELECT {', '.join(f'NULL::VARCHAR AS {name}' for name in log.Line._fields)} WHERE false)"


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
