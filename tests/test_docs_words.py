"""The pages beside the README say what the program says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parent.parent
SPOKEN = [path for name in ("meta", "lake", "p1_ingest", "p2_features", "p3_labels", "reports")
          for path in (PROJECT / name).rglob("*.py")]  # fmt: skip
PAGE = (PROJECT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
QUOTED = re.findall(r"^\| `([^`]+)` \|", PAGE.split("## What no message tells")[0], re.M)


@pytest.fixture(scope="module")
def spoken() -> str:
    """All the program's text, with strings that are continued on the next line as one."""
    text = "\n".join(path.read_text(encoding="utf-8") for path in [*SPOKEN, PROJECT / "Makefile"])
    return re.sub(r'"\s+f?"', "", text)


@pytest.mark.parametrize("words", QUOTED)
def test_every_message_that_is_explained_is_one_of_the_program(words: str, spoken: str) -> None:
    assert words in spoken


def test_the_glossary_is_in_order_and_names_nothing_twice() -> None:
    text = (PROJECT / "docs" / "glossary.md").read_text(encoding="utf-8")
    words = [word.split(",")[0].casefold() for word in re.findall(r"^\| ([^|]+?) \|", text, re.M)][1:]
    assert len(words) > 40
    assert len(set(words)) == len(words)
