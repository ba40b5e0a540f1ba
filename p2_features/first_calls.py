"""A first call of each batch kernel, which compiles it; longest first."""

from __future__ import annotations

import numpy as np

from p2_features.kernels.past_expression import BLOCK, OPCODES, past_expression
from p2_features.kernels.past_percentile import past_percentile
from p2_features.kernels.past_quantiles import past_winsorized
from p2_features.kernels.past_sum import past_sum
from p2_features.kernels.past_zscore import past_zscore

X = np.arange(8.0)


def winsorized() -> None:
    """Clip by quantiles."""
    past_winsorized(X, 4, 0.1, 0.9, 1)


def ranked() -> None:
    """Take the percentile."""
    past_percentile(X, 4, 1)


def scored() -> None:
    """Take the z-score."""
    past_zscore(X, 0, 4, 1)


def evaluated() -> None:
    """Evaluate an expression, and sum."""
    load, columns = np.array([[OPCODES["load"], 0, 0]]), np.stack([X])
    past_expression(load, np.zeros(1), columns, 0, 300_000, 0, X.size, np.empty((1, BLOCK)), np.empty(X.size))
    past_sum(columns, 0, 4, 1)
