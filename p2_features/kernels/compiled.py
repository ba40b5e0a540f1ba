"""How every kernel is compiled: cached on disk, without the interpreter lock, in IEEE arithmetic as written."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numba import njit

# Names of the kernels that found no writable place for their compiled form and will compile in every process.
uncached: list[str] = []


def kernel(function: Callable[..., Any]) -> Any:
    """Which compiled function does the work of this plain one?

    No fastmath: sums keep their written order and products are never fused into them, so that batch, live and
    JIT-off runs give the same bits. Division by zero follows IEEE instead of raising.
    """
    return _compiled(function)


def inner(function: Callable[..., Any]) -> Any:
    """The same for one that makes no array and hands none on but to its like.

    Nobody counts its references to the arrays it is given: an atomic count for every array at every call costs more
    than most of these functions do.
    """
    return _compiled(function, _nrt=False)


def _compiled(function: Callable[..., Any], **options: Any) -> Any:
    options |= {"nogil": True, "error_model": "numpy"}
    try:
        return njit(cache=True, **options)(function)
    except RuntimeError:  # numba found nowhere to write a cache
        uncached.append(function.__name__)
        return njit(**options)(function)
