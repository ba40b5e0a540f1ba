"""Where does the data live, and when is a day true?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lake.given import check
    from lake.scans import scan
    from lake.tables import folds, load, train_table

__all__ = ["check", "folds", "load", "scan", "train_table"]


def __getattr__(name: str) -> Any:
    """`lake.load` and its like, looked up when they are asked for: a command line starts without Arrow."""
    if name not in __all__:
        raise AttributeError(f"module 'lake' has no attribute {name!r}")
    from lake import given, scans, tables

    return getattr({"check": given, "scan": scans}.get(name, tables), name)
