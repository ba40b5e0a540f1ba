"""SQL sees the lake through its views: in a file for other tools, and held still for one question."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from lake import advice, disk, locks, regular, sandbox, views
from lake.layout import Shelf
from lake.sandbox import one_line, quoted
from lake.settings import PROJECT, shown
from meta.errors import NotReady, Refused, Tampered

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

OFFLINE = {"autoinstall_known_extensions": "false"}


def path_for(root: Path) -> Path:
    """Where is the catalog of this lake?"""
    named = {PROJECT / "data": "p1.duckdb", PROJECT / "data-sim": "sim.duckdb"}.get(root)
    return PROJECT / "meta" / "duckdb" / named if named else root / ".lake" / "p1.duckdb"


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
    text = views.of(root, custom, relative=True)
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
        found = views.of(root, added, only=only)
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
