"""Markdown, as far as the generated pages need it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table. Line breaks and bars within cells are made harmless."""
    lines = [head, ["---"] * len(head), *([cell(text) for text in row] for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def cell(text: str) -> str:
    """A text that fits into a cell."""
    return " ".join(text.split()).replace("|", "\\|")


def code(text: str) -> str:
    """Words of the program; nothing where there are none."""
    return f"`{text}`" if text else ""


def codes(names: Iterable[str]) -> str:
    """Several names, each as code."""
    return ", ".join(code(name) for name in names)


def joined(*blocks: str) -> str:
    """A page of blocks, one empty line between them."""
    return "\n\n".join(block.strip("\n") for block in blocks if block) + "\n"
