"""Which datasets the lake holds: folder, version, reach, and the columns each one promises."""

from __future__ import annotations

import difflib
from dataclasses import dataclass

from meta.columns import BARS, LABELS, WEIGHTS, Column
from meta.errors import Usage

WINDOW_DAYS = 30  # the statistics' window, wall-clock


@dataclass(frozen=True)
class Dataset:
    """One kind of day.

    `folder` is its first folder under the root, `view` the stem of its SQL view, `version` goes up whenever its bytes
    change for the same input. `columns` is None where a file beside the days (FEATURES.json) says which.
    """

    name: str
    phase: str
    folder: str
    view: str
    version: int
    columns: tuple[Column, ...] | None


DATASETS = {
    dataset.name: dataset
    for dataset in (
        Dataset("bars", "P1", "parquet", "bars", 1, BARS),
        Dataset("features", "P2", "features", "feat", 1, None),
        Dataset("labels", "P3", "labels", "labels", 1, LABELS),
        Dataset("weights", "P3 weights", "weights", "weights", 1, WEIGHTS),
    )
}
FOLDS = Dataset("folds", "P3 folds", "folds", "folds", 1, None)  # no days: named snapshots, each replaced whole
FOLDERS = {dataset.folder: dataset for dataset in DATASETS.values()}


def dataset(name: str) -> Dataset:
    """Which dataset does this name or folder mean? Raises Usage, naming the nearest."""
    found = DATASETS.get(name) or FOLDERS.get(name)
    if found:
        return found
    near = difflib.get_close_matches(name, [*DATASETS, *FOLDERS], 1)
    raise Usage(f"dataset {name!r} is not one of {' '.join(DATASETS)}" + (f"; did you mean {near[0]}?" if near else ""))
