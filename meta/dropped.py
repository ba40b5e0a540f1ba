"""Rows a venue sent that no bar took: the words for each kind."""

from __future__ import annotations

LEFT_OUT = {
    "duplicate": "a row came again for the same time, and the last one was kept",
    "restated": "a row came again with other values, and the last one was kept",
    "misaligned": "a row off the timeframe's grid was left out",
    "off_grid": "a row off the timeframe's grid was left out",
    "malformed": "a row that makes no sense was left out",
    "missing": "a row that says null was left out",
    "outside": "a row of another time than was asked for was left out",
    "not_a_number": "a row without the numbers it must have was left out",
    "no_stamp": "a row without a stamp was left out",
}


def told(what: str) -> str:
    """How is `series: kind`, as sources count it, said to people? Other words stay as they are."""
    series, _, kind = what.rpartition(": ")
    return f"{series}: {LEFT_OUT[kind]}" if series and kind in LEFT_OUT else what
