"""A lake as the version before this one wrote it: bars of one column less, by rules of their own digest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date

from lake import commit, days, fresh, parts
from lake.layout import Shelf
from lake.manifest import Provenance
from meta.columns import BARS
from meta.datasets import DATASETS

NEW = "liq_short"  # the column that version did not have
COLUMNS = tuple(column for column in BARS if column.name != NEW)
VERSION = replace(DATASETS["bars"], version=DATASETS["bars"].version - 1, columns=COLUMNS)


def written(place: Shelf, some: Sequence[date], today: Shelf) -> None:
    """Commit these days as that version would have, of the values that `today` holds."""
    schema = parts.schema_of(COLUMNS)
    code = fresh.code_digest(VERSION, parts.schema_digest(schema), {})
    with commit.writing(place) as writer:
        for day in some:
            found = days.need(today, day)
            made_of = Provenance(found.entry.source, found.entry.inputs, code)
            writer.stage(day, found.table(list(schema.names)), made_of)
        writer.publish()
