"""Which contracts could be traded on which day, and their bars brought into the lake."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from p1_ingest.universe.define import define_universe
    from p1_ingest.universe.download import RetryConfig, download_universe_data

__all__ = ["RetryConfig", "define_universe", "download_universe_data"]


def __getattr__(name: str) -> Any:
    """The functions, looked up when they are asked for: a command line starts without Arrow."""
    if name not in __all__:
        raise AttributeError(f"module 'p1_ingest.universe' has no attribute {name!r}")
    from p1_ingest.universe import define, download

    return getattr(define if name == "define_universe" else download, name)
