"""A first run says what it waits for, and only the phase whose kernels were never compiled here."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lake import cli, compiled
from p3_labels.kernels.first_touch import COMPILED, first_touch


def test_each_phase_announces_its_own_compilation_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(compiled, "_folder", tmp_path / "state")
    kept = tmp_path / "state" / "kernels_1"
    kept.mkdir(parents=True)
    (kept / "past_quantiles.bound_bars-113.py311.nbi").touch()
    for kernel, is_said in (("past_quantiles", False), ("first_touch", True)):
        cli.compiling(kernel)
        assert capsys.readouterr().err.startswith("compiling the kernels") == is_said
    (kept / "first_touch._touches-123.py311.nbi").touch()
    cli.compiling("first_touch")
    assert capsys.readouterr().err == ""


@pytest.mark.skipif(not COMPILED, reason="numba is told to leave Python as it is")
def test_what_numba_keeps_is_called_so() -> None:
    if not compiled.place()[1]:
        pytest.skip("no folder for compiled kernels can be written here")
    one = np.ones(3)
    first_touch(one, one, one, one, one == 1, np.array([0]), one[:1] + 1, one[:1] - 1, 1, 0)
    assert not compiled.is_cold("first_touch")
