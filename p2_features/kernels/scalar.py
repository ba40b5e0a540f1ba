"""The compiled scalar functions through which all transcendental arithmetic goes, batch and live.

numpy's vector log differs from the C library's in the last bit, and differently on every machine, so arrays are
looped over with the same scalar functions that serve a single live bar. A missing value (NaN), an infinity, or an
argument outside the domain gives NaN.
"""

from __future__ import annotations

import math

import numpy as np

from p2_features.kernels.compiled import inner, kernel


@inner
def ln(x: float) -> float:
    """What is the natural log of x? NaN unless x is finite and > 0."""
    return math.log(x) if 0.0 < x < math.inf else math.nan


@inner
def sqrt(x: float) -> float:
    """What is the square root of x? NaN unless x is finite and >= 0."""
    return math.sqrt(x) if 0.0 <= x < math.inf else math.nan


@inner
def sin(x: float) -> float:
    """What is the sine of x radians? NaN unless x is finite."""
    return math.sin(x) if abs(x) < math.inf else math.nan


@inner
def cos(x: float) -> float:
    """What is the cosine of x radians? NaN unless x is finite."""
    return math.cos(x) if abs(x) < math.inf else math.nan


@inner
def ln_ratio(a: float, b: float) -> float:
    """What is ln(a / b)? NaN unless both are finite and > 0."""
    return ln(a / b) if 0.0 < a < math.inf and 0.0 < b < math.inf else math.nan


@kernel
def log_of(x: np.ndarray) -> np.ndarray:
    """What is ln of every x (n,) float64? NaN where x is missing or not > 0."""
    out = np.empty(x.size)
    for t in range(x.size):
        out[t] = ln(x[t])
    return out


@kernel
def log_ratio_of(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """What is ln(a / b) at every bar, both (n,) float64? NaN where either is missing or not > 0."""
    out = np.empty(a.size)
    for t in range(a.size):
        out[t] = ln_ratio(a[t], b[t])
    return out


@kernel
def sqrt_of(x: np.ndarray) -> np.ndarray:
    """What is the square root of every x (n,) float64? NaN where x is missing or negative."""
    out = np.empty(x.size)
    for t in range(x.size):
        out[t] = sqrt(x[t])
    return out


@kernel
def sin_of(x: np.ndarray) -> np.ndarray:
    """What is the sine of every x (n,) float64, radians? NaN where x is missing."""
    out = np.empty(x.size)
    for t in range(x.size):
        out[t] = sin(x[t])
    return out


@kernel
def cos_of(x: np.ndarray) -> np.ndarray:
    """What is the cosine of every x (n,) float64, radians? NaN where x is missing."""
    out = np.empty(x.size)
    for t in range(x.size):
        out[t] = cos(x[t])
    return out
