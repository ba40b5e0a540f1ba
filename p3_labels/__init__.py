"""What happened next? Labels of bars, each resolved by the tape that followed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lake import compiled

if TYPE_CHECKING:
    from p3_labels.tables import load

__all__ = ["load"]

compiled.prepare()


def __getattr__(name: str) -> Any:
    """`p3_labels.load`, looked up when it is asked for: a command line starts without Arrow."""
    if name not in __all__:
        raise AttributeError(f"module 'p3_labels' has no attribute {name!r}")
    from p3_labels import tables

    return getattr(tables, name)
