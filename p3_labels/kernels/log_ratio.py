"""How far apart are two prices, in log return?"""

from __future__ import annotations

import math

from numba import njit

NEAR = 0.05  # of (a − b)/(a + b): a return of about 10 %; the series' next term is below 1e-18 there


@njit(cache=True, nogil=True, error_model="numpy")
def series(z: float) -> float:
    """What is 2·artanh(z), for |z| < NEAR? No branch and no call, so that a loop over it becomes vector code."""
    y = z * z
    return 2.0 * z * (1.0 + y * (1 / 3 + y * (1 / 5 + y * (1 / 7 + y * (1 / 9 + y * (1 / 11 + y * (1 / 13)))))))


@njit(cache=True, nogil=True, error_model="numpy")
def log_ratio(a: float, b: float) -> float:
    """What is ln(a / b)? Near one as 2·artanh((a−b)/(a+b)), which keeps the digits that rounding a/b would lose.

    a, b: > 0, same currency. Returns the log return from b to a.
    """
    z = (a - b) / (a + b)
    if -NEAR < z < NEAR:
        return series(z)
    return math.log(a / b)
