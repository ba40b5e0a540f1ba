"""One benchmark that fails takes no other with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.__main__ import main


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return tmp_path


def module(here: Path, name: str, fails: str = "") -> str:
    (here / f"{name}.py").write_text(f"import os\nprint('{name} measured 7 ns in', os.getpid())\n{fails}\n")
    return name


@pytest.mark.parametrize(
    ("fault", "said"),
    [("raise ValueError('no peer at all')", "ValueError: no peer at all"),
     ("raise SystemExit('python -m x ended with 1')", "python -m x ended with 1"),
     ("raise SystemExit(3)", "exit code 3")],
)  # fmt: skip
def test_a_module_that_fails_is_one_line_and_the_others_run(
    here: Path, capsys: pytest.CaptureFixture, fault: str, said: str
) -> None:
    names = [module(here, "made_a", fault), module(here, "made_b")]
    assert main(names, here / "bench.md") == 1
    page = (here / "bench.md").read_text(encoding="utf-8")
    assert page.count("measured 7 ns") == 2
    assert f"**Ended early** with {said}\n" in page
    out, err = capsys.readouterr()
    assert out.endswith("1 failed\n")
    assert f"\nmade_a failed ({said}); run `python -m made_a` alone to see where\nmade_b …\n" in err


def test_modules_that_all_run_end_well_each_in_a_process_of_its_own(here: Path) -> None:
    assert main([module(here, "made_a"), module(here, "made_b")], here / "bench.md") == 0
    page = (here / "bench.md").read_text(encoding="utf-8")
    assert "Ended early" not in page
    assert len({line.split()[-1] for line in page.splitlines() if "measured" in line}) == 2
