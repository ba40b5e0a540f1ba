"""Every block of the cookbook runs as it stands; one that needs a library which is not installed is skipped by name."""

from __future__ import annotations

import ast
import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import p3_lake
from tests.lakes import scratch

PAGE = Path(__file__).resolve().parent.parent / "docs" / "cookbook.md"
HEADED = re.compile(r"^(#+ [^\n]*)$|^```python\n(.*?)^```", re.M | re.S)
TF = p3_lake.TF


def blocks() -> Iterator[tuple[str, str]]:
    """The headings of the page, each with a block under it."""
    head = ""
    for found in HEADED.finditer(PAGE.read_text(encoding="utf-8")):
        if found[1]:
            head = found[1].strip("# ")
        else:
            yield head, found[2]


BLOCKS = list(blocks())


@pytest.fixture(scope="module")
def root() -> Iterator[Path]:
    with scratch() as place:
        yield p3_lake.whole(place)


def modules(block: str) -> list[str]:
    """What does a block import?"""
    found = [node for node in ast.walk(ast.parse(block)) if isinstance(node, ast.Import | ast.ImportFrom)]
    names = (node.module if isinstance(node, ast.ImportFrom) else node.names[0].name for node in found)
    return sorted({str(name).split(".")[0] for name in names})


@pytest.mark.filterwarnings("ignore::DeprecationWarning:keras.*")  # theirs, of numpy's newest rules
@pytest.mark.parametrize(
    "block", [block for _, block in BLOCKS], ids=[f"{i}-{head}" for i, (head, _) in enumerate(BLOCKS)]
)
def test_a_recipe_runs_as_it_stands(block: str, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in modules(block):
        if importlib.util.find_spec(name) is None:
            pytest.skip(f"{name} is not installed")
    monkeypatch.setenv("PERPLAKE_LAKE", str(root))
    shorter = block.replace('"5m"', f'"{TF}"').replace("_5m", f"_{TF}").replace("/5m/", f"/{TF}/")
    exec(compile(shorter, str(PAGE), "exec"), {})


def test_recipes_are_many_and_begin_with_what_they_need() -> None:
    assert len(BLOCKS) >= 12
    assert all("import" in block.split("\n")[0] for _, block in BLOCKS)
