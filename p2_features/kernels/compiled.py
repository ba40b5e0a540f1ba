"""How every kernel is compiled: cached on disk, without the interpreter lock, in IEEE arithmetic as written."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numba import njit
from numba.extending import register_jitable

# Names of the kernels that found no writable place for their compiled form and will compile in every process.
uncached: list[str] = []
# No fastmath: sums keep their written order and products are never fused into them, so that batch, live and JIT-off
# runs give the same bits. Division by zero follows IEEE instead of raising. Nothing asks for a kernel's address.
_OPTIONS: dict[str, Any] = {"nogil": True, "error_model": "numpy", "no_cfunc_wrapper": True}


def kernel(function: Callable[..., Any]) -> Any:
    """Which compiled function does the work of this plain one?"""
    return _compiled(function)


def lean(function: Callable[..., Any]) -> Any:
    """The same for one that makes no array: nobody counts its references to the arrays it is given."""
    return _compiled(function, _nrt=False)


def inner(function: Callable[..., Any]) -> Any:
    """The same for a part of kernels: compiled into them where they call it, and plain where Python does.

    It makes no array and hands none on but to its like, so that nobody counts its references either: an atomic count
    for every array at every call costs more than most of these functions do. A form of its own that Python could call,
    on disk, would be a third of the time that the kernels take to compile.
    """
    return _part(function, _nrt=False)


def woven(function: Callable[..., Any]) -> Any:
    """The same for a few lines of an inner loop, which a call would cost more than they do."""
    return _part(function, _nrt=False, inline="always")


def _part(function: Callable[..., Any], **options: Any) -> Any:
    return register_jitable(no_cpython_wrapper=True, **_OPTIONS, **options)(function)


def _compiled(function: Callable[..., Any], **options: Any) -> Any:
    try:
        return njit(cache=True, **_OPTIONS, **options)(function)
    except RuntimeError:  # numba found nowhere to write a cache
        uncached.append(function.__name__)
        return njit(**_OPTIONS, **options)(function)
