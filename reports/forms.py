"""How is a value written for people?"""

from __future__ import annotations

import math
from collections.abc import Sized
from datetime import UTC, datetime
from typing import overload

NUMERIC = ("count", "ratio", "number", "price", "rate")
DIGITS = {"price": 8, "number": 4}


def written(value: object, form: str = "text") -> str:
    """How is a value of this form written? count 105,120; ratio 0.5 as 50 %; rate 0.0001 as 1 bp; time from UTC ms."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return "–"
    if form == "time" and isinstance(value, int):
        return instant(value)
    if form not in NUMERIC or not isinstance(value, int | float):
        return str(value)
    if form == "count":
        return f"{value:,.0f}"
    if form == "ratio":  # what is not all must not read as all
        digits = next(n for n in range(4, 18) if value >= 1 or _plain(100 * value, n) != "100")
        return f"{_plain(100 * value, digits)} %"
    if form == "rate":
        return f"{_plain(1e4 * value, 4)} bp"
    return _plain(value, DIGITS[form])


def _plain(value: float, digits: int) -> str:
    """So many significant digits, grouped by thousands, with an exponent only where it is very small or large."""
    if value == 0 or not 1e-4 <= abs(value) < 1e15:
        return f"{value:.3g}"
    decimals = max(digits - 1 - math.floor(math.log10(abs(value))), 0)
    text = f"{value:,.{decimals}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def instant(ms: int) -> str:
    """A UTC instant to the minute, as people write it."""
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M")


def day(ms: int) -> str:
    """The UTC date of an instant."""
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d")


@overload
def brief(value: float) -> float: ...
@overload
def brief(value: None) -> None: ...
def brief(value: float | None) -> float | None:
    """The seven digits of a number that a page keeps; None where there is none."""
    return None if value is None else float(f"{value:.7g}")


def minute(iso: str) -> str:
    """How is the time of a log line told, to the minute?"""
    return iso[:16].replace("T", " ") or "unknown"


def more(rows: Sized, shown: int) -> str:
    """What is said of rows that are not shown?"""
    return f"The first {shown} of {len(rows):,}." if len(rows) > shown else ""
