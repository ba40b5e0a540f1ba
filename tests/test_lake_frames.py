"""Days on the grid: what was asked for, where it belongs, and nothing read beside it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from lake import frames, parts
from meta.columns import BARS
from tests import lakes

SOME = lakes.the_days(10)


def test_a_grid_decodes_the_columns_it_is_asked_for_and_no_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf = lakes.committed(lakes.a_shelf(tmp_path), SOME, columns=BARS)
    whole = frames.grid(shelf, SOME[0], SOME[-1], [column.name for column in BARS if column.type == "double"])
    decoded: list[list[str]] = []
    real = parts.decoded

    def noted(data: bytes, *args: object) -> pa.Table:
        decoded.append((found := real(data, *args)).column_names)  # type: ignore[arg-type]
        return found

    monkeypatch.setattr(parts, "decoded", noted)
    grid = frames.grid(shelf, SOME[0], SOME[-1], ("close", "none_such"))
    assert decoded == [["symbol", "ts", "close"]] * len(SOME)
    assert np.array_equal(grid.columns["close"], whole.columns["close"]) and not np.isnan(grid.columns["close"]).any()
    assert np.isnan(grid.columns["none_such"]).all() and grid.entries == whole.entries


def test_the_stamps_of_some_positions_are_those_of_all(tmp_path: Path) -> None:
    shelf = lakes.committed(lakes.a_shelf(tmp_path), SOME[:3])
    grid = frames.grid(shelf, SOME[0], SOME[2], ("close",))
    for at in (grid.day(SOME[1]), slice(None), slice(70, 500), slice(5, 5)):
        assert np.array_equal(grid.ts(at), grid.ts()[at])
    whole = pa.concat_tables([lakes.a_day(day) for day in SOME[:3]])
    assert np.array_equal(grid.ts()[grid.present], parts.stamps(whole).to_numpy())
