"""One benchmark that fails takes no other with it."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import pytest

from bench.__main__ import main


def module(name: str, monkeypatch: pytest.MonkeyPatch, fails: Exception | SystemExit | None = None) -> str:
    made = ModuleType(name)

    def run() -> None:
        print(f"{name} measured 7 ns")
        if fails is not None:
            raise fails

    made.main = run  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, name, made)
    return name


@pytest.mark.parametrize("fault", [ValueError("no peer\nat all"), SystemExit("python -m x ended with 1")])
def test_a_module_that_fails_is_one_line_and_the_others_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture, fault: Exception | SystemExit
) -> None:
    names = [module("made_a", monkeypatch, fault), module("made_b", monkeypatch)]
    assert main(names, tmp_path / "bench.md") == 1
    page = (tmp_path / "bench.md").read_text(encoding="utf-8")
    assert page.count("measured 7 ns") == 2
    told = f"{type(fault).__name__}: {str(fault).splitlines()[0]}"
    assert f"**Ended early** with {told}\n" in page
    out, err = capsys.readouterr()
    assert out.endswith("1 failed\n")
    assert f"\nmade_a failed ({told}); run `python -m made_a` alone to see where\nmade_b …\n" in err


def test_modules_that_all_run_end_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert main([module("made_a", monkeypatch)], tmp_path / "bench.md") == 0
    assert "Ended early" not in (tmp_path / "bench.md").read_text(encoding="utf-8")
