"""A universe's days as arrays and tables, with a report that accounts for every symbol-day."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reports.universe.export import export_universe_data

__all__ = ["export_universe_data"]


def __getattr__(name: str) -> Any:
    """The function, looked up when it is asked for: a command line starts without Arrow."""
    if name not in __all__:
        raise AttributeError(f"module 'reports.universe' has no attribute {name!r}")
    from reports.universe.export import export_universe_data

    return export_universe_data
