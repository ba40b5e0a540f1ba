"""What a shelf says of itself beside its days: small JSON files, whole or absent, the same bytes each time."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from lake import disk, regular
from lake.layout import Shelf
from meta.errors import Tampered

OFFERED = "OFFERED.json"  # beside P1's days: which columns the source declares for this symbol
FEATURES = "FEATURES.json"  # beside P2's days: which features this symbol has, and why the others are left out
RULES = "RULES.json"  # beside any days: by which rules the last run made or asked for them


def path(shelf: Shelf, name: str) -> Path:
    """Where is this note?"""
    return shelf.folder / name


def read(shelf: Shelf, name: str) -> dict[str, Any] | None:
    """What does it say? None where there is none. Raises Tampered where it is not a JSON object."""
    try:
        found = json.loads(regular.read(path(shelf, name)))
    except FileNotFoundError:
        return None
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise Tampered(f"{shelf}: {name} is not JSON; remove it, and the next run decides anew")
    return found


def encoded(note: dict[str, Any]) -> bytes:
    """How is a note written?"""
    return (json.dumps(note, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()


def write(shelf: Shelf, name: str, note: dict[str, Any]) -> bool:
    """Say this, unless it is said already; returns whether the file changed. The caller holds the job lock."""
    target, data = path(shelf, name), encoded(note)
    try:
        if regular.read(target) == data:
            return False
    except FileNotFoundError:
        pass
    disk.make_folders(target.parent)
    disk.write_over(target, data)
    return True


def rules(shelf: Shelf, codes: Iterable[str]) -> dict[str, Any]:
    """What is said of rules: the dataset's version and columns, and the digests (manifests: code) that are right."""
    columns = [f"{column.name} {column.type}" for column in shelf.dataset.columns or ()]
    return {"version": shelf.dataset.version, "columns": columns, "codes": sorted(set(codes))}


def write_rules(shelf: Shelf, *codes: str) -> bool:
    """Say that days of these digests are of today's rules. The caller holds the job lock."""
    return write(shelf, RULES, rules(shelf, codes))
