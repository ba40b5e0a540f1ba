"""Is a day still what its inputs make it? Told by content, never by clock."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import date

from lake.log import ABSENT
from lake.manifest import Entry, digest
from meta.datasets import Dataset

NO_INPUTS = digest(b"")


def inputs_digest(read: Iterable[tuple[str, date, str | None]], also: str = "") -> str:
    """Which digest stands for everything read: (dataset, day, sha256 or None where absent), and a choice beside it?"""
    lines = [f"{name}\t{day}\t{sha or ABSENT}\n" for name, day, sha in read]
    return digest(("".join(lines) + also).encode())


def code_digest(dataset: Dataset, schema: str, settings: Mapping[str, object]) -> str:
    """Which digest stands for the rules: the dataset's VERSION, its schema, and the settings that reach values?"""
    rules = {"dataset": dataset.name, "version": dataset.version, "schema": schema, "settings": settings}
    return digest(json.dumps(rules, sort_keys=True, default=str).encode())


def is_fresh(known: Entry | None, inputs: str, code: str) -> bool:
    """Was this day made from these inputs by these rules?"""
    return known is not None and known.inputs == inputs and known.code == code
