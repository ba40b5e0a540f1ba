"""A first run says what it waits for, and only the phase whose kernels were never compiled here."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from lake import cli, compiled
from p3_labels.kernels.first_touch import COMPILED, first_touch

TRIFLES = """
from numba import njit
@njit(cache=True)
def one(x): return x
@njit(cache=True)
def two(x): return x + 1
@njit(cache=True)
def three(x): return x + 2
def call_one(): one(1)
def call_two(): two(1)
def call_three(): three(1)
"""
ALL_CALLED = """
import sys
from importlib import import_module
from numba.core.dispatcher import Dispatcher
from bench.p2_live import market
from meta.timeframes import TIMEFRAMES
from p2_features import catalogue
from p2_features.cli import FIRST_CALLS
from p2_features.compute import compute
def known():
    modules = [m for name, m in sys.modules.items() if name.startswith("p2_features.kernels.")]
    kernels = {x for m in modules for x in vars(m).values() if isinstance(x, Dispatcher)}
    return {k.__name__: k.signatures for k in kernels if k.signatures}
for call in FIRST_CALLS:
    module, function = call.split(":")
    getattr(import_module(module), function)()
before = known()
for name in ("core", "extended"):
    compute(catalogue.load().changed(window_days=1).features(TIMEFRAMES["5m"], name), market(700, 1), 0)
print(len(before), "kernels, the same after" if known() == before else f"kernels, then {known()}")
"""


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


@pytest.mark.skipif(not COMPILED, reason="numba is told to leave Python as it is")
def test_what_was_compiled_beforehand_is_only_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By kernels of its own: the real ones take seconds each."""
    (tmp_path / "trifles.py").write_text(TRIFLES)
    monkeypatch.setattr(compiled, "_folder", tmp_path / "state")
    monkeypatch.setenv(compiled.VARIABLE, str(tmp_path / "state"))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    compiled.beforehand([f"trifles:call_{name}" for name in ("one", "nowhere", "three", "two")])
    for name, is_compiled in (("one", True), ("three", True), ("two", False)):
        assert any(tmp_path.glob(f"state/*/trifles.{name}-*.nbi")) == is_compiled
        told = _python(f"import trifles; trifles.call_{name}(); print(sum(trifles.{name}.stats.cache_hits.values()))")
        assert told == f"{int(is_compiled)}\n"


@pytest.mark.skipif(not COMPILED, reason="numba is told to leave Python as it is")
def test_a_build_needs_no_kernel_that_its_first_calls_have_not_compiled() -> None:
    assert _python(ALL_CALLED) == "5 kernels, the same after\n"


def _python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=240)
    return done.stdout
