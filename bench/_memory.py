"""A process that keeps the memory it was given."""

from __future__ import annotations

import ctypes

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3  # malloc.h, of the GNU C library
LARGEST = 1 << 30


def kept() -> None:
    """Never give freed memory back, so that both sides of a comparison work in pages they have had before.

    A virtual machine with nothing to do takes up to 10 µs to hand out a page: for an array of 1.7 MB as long as the
    kernel that fills it. Where the C library is another, nothing changes.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(TRIM_THRESHOLD, LARGEST)
        mallopt(MMAP_THRESHOLD, LARGEST)
