"""What does a body say, taken strictly? JSON without its loopholes, and numbers that are numbers."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from itertools import chain
from typing import Any

import msgspec
import numpy as np

from meta.errors import BadPayload

DEPTH = 16
NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?")
_PLAIN = b"0123456789.eE+-,"
_NESTED = (dict, list)


def parse(body: bytes, what: str, *, depth: int = DEPTH) -> Any:
    """What does this JSON body say?

    Raises BadPayload, named `what`, for anything but strict UTF-8 JSON: NaN, Infinity, numbers too large for a float,
    a key twice in one object, nesting deeper than `depth`.
    """
    try:
        found = msgspec.json.decode(body)
        # msgspec keeps the last of two equal keys in silence. Each pair has one colon outside of strings, so as many
        # colons as pairs proves there was none; where strings hold colons the slower standard parser looks.
        if body.count(b":") != _pairs(found, depth):
            json.loads(body, object_pairs_hook=_unique)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise BadPayload(
            f"{what}: the body is not strict JSON ({said(str(error), 80)}); nothing of it is used"
        ) from None
    return found


def _pairs(found: object, depth: int) -> int:
    """How many key-value pairs are in here, level by level? Raises ValueError past `depth` levels."""
    pairs, level = 0, [found]
    for _ in range(depth):
        dicts = [one for one in level if type(one) is dict]
        lists = [one for one in level if type(one) is list]
        pairs += sum(map(len, dicts))
        inside = chain(chain.from_iterable(map(dict.values, dicts)), chain.from_iterable(lists))
        level = [one for one in inside if type(one) in _NESTED]
        if not level:
            return pairs
    raise ValueError("nested too deeply")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return found


def numbers(values: Sequence[object]) -> np.ndarray:
    """Which numbers are these JSON values (numbers, or strings of plain ASCII digits)?

    (n,) float64; NaN where a value is anything else: null, true, "", "1_000", " 1", "nan", "1e999".
    """
    kinds = set(map(type, values))
    try:
        if kinds == {str}:
            text = ",".join(values)  # type: ignore[arg-type]
            # float() alone also takes blanks, underscores, other scripts' digits, inf and nan.
            if text.isascii() and not text.encode().translate(None, _PLAIN):
                return _finite(np.array(list(map(float, values))))  # type: ignore[arg-type]
        elif kinds <= {int, float}:
            return _finite(np.array(values, np.float64))
    except (ValueError, OverflowError):
        pass  # one of them is odd: look at each
    return np.array([_number(value) for value in values], np.float64)


def _finite(found: np.ndarray) -> np.ndarray:
    found[~np.isfinite(found)] = np.nan
    return found


def _number(value: object) -> float:
    if isinstance(value, str) and not NUMBER.fullmatch(value):
        return math.nan
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return math.nan
    try:
        found = float(value)
    except OverflowError:
        return math.nan
    return found if math.isfinite(found) else math.nan


def said(text: str, most: int = 160) -> str:
    """How are a stranger's words quoted? On one line, printable, and not too many of them."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text[: most * 4]).split())
    return line if len(line) <= most else line[: most - 1] + "…"
