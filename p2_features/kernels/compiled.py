"""How every kernel is compiled: cached on disk, without the interpreter lock, in IEEE arithmetic as written."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from numba import njit

# Names of the kernels that found no writable place for their compiled form and will compile in every process.
uncached: list[str] = []


def source_digest() -> str:
    """Which digest changes whenever any kernel here does?"""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


_DIGEST = source_digest()


def kernel(function: Callable[..., Any]) -> Any:
    """Which compiled function does the work of this plain one?

    No fastmath: sums keep their written order and products are never fused into them, so that batch, live and
    JIT-off runs give the same bits. Division by zero follows IEEE instead of raising.
    """
    try:
        compiled = njit(cache=True, nogil=True, error_model="numpy")(function)
    except RuntimeError:  # numba found nowhere to write a cache
        uncached.append(function.__name__)
        return njit(nogil=True, error_model="numpy")(function)
    if hasattr(compiled, "_cache"):  # absent where NUMBA_DISABLE_JIT is set
        # numba would trust a cache by the age of the function's own file, and serve what it inlined from another one
        # long after that has changed.
        compiled._cache._cache_file._source_stamp = _DIGEST
    return compiled
