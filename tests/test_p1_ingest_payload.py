"""JSON without its loopholes, and numbers that are numbers."""

from __future__ import annotations

import json
import math
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meta.errors import BadPayload
from p1_ingest.payload import DEPTH, numbers, parse, said

LOOSE = {
    "NaN": b'{"a":NaN}',
    "Infinity": b'{"a":-Infinity}',
    "overflow": b'{"a":1e999}',
    "a key twice": b'{"code":"0","code":"1"}',
    "a key twice, deep": b'{"data":[{"time":1,"open":2},{"time":1,"time":2}]}',
    "a key twice, escaped": b'{"time":1,"\\u0074ime":2}',
    "a key twice, among colons": b'{"msg":"a:b","msg":"c"}',
    "bad UTF-8": b'{"a":"\xff"}',
    "UTF-16": '{"a":1}'.encode("utf-16"),
    "a mark before": b'\xef\xbb\xbf{"a":1}',
    "half a surrogate": b'{"a":"\\ud800"}',
    "cut short": b'{"a":[1,2',
    "two documents": b'{"a":1}{"a":1}',
    "a comment": b'{"a":1}//',
    "a last comma": b"[1,]",
    "single quotes": b"{'a':1}",
    "01": b'{"a":01}',
    "1_000": b'{"a":1_000}',
    "a control character": b'{"a":"\x01"}',
    "too deep": b"[" * (DEPTH + 1) + b"]" * (DEPTH + 1),
    "far too deep": b"[" * 100_000 + b"]" * 100_000,
    "nothing": b"",
    "a page": b"<html>",
}


@pytest.mark.parametrize("kind", LOOSE)
def test_loose_json_is_refused_in_one_line(kind: str) -> None:
    with pytest.raises(BadPayload, match=r"^venue oi: the body is not strict JSON") as caught:
        parse(LOOSE[kind], "venue oi")
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 200


TREES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**15), 10**15)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=15,
)


def test_depth_is_counted_in_levels() -> None:
    assert parse(b"[" * DEPTH + b"]" * DEPTH, "x") is not None
    assert parse(b'{"a":[{"b":1},2,{"c":{}}]}', "x", depth=4) == {"a": [{"b": 1}, 2, {"c": {}}]}


@given(TREES)
def test_strict_json_reads_as_python_reads_it(tree: object) -> None:
    assert parse(json.dumps(tree).encode(), "x", depth=99) == tree
    assert parse(json.dumps(tree, ensure_ascii=False, indent=1).encode(errors="replace"), "x", depth=99) is not Ellipsis


ODD = [
    "",
    " 1",
    "1 ",
    "1\n",
    "1_000",
    "nan",
    "inf",
    "-Infinity",
    "1e999",
    "0x1",
    "٣",
    "1,5",
    "1,000",
    "--1",
    "1e",
    ".",
    "1-2",
]
ODD_VALUES: list[object] = [*ODD, None, True, False, [], {}, 10**400, "9" * 400]


@pytest.mark.parametrize("odd", ODD_VALUES, ids=repr)
def test_what_is_no_number_is_missing_and_spoils_no_neighbour(odd: object) -> None:
    for good in ("1.5", 1.5):
        found = numbers([good, odd, good])
        assert found[0] == found[2] == 1.5 and math.isnan(found[1])


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=20))
def test_numbers_and_their_text_read_alike(values: list[float]) -> None:
    want = np.array(values, np.float64)
    assert numbers(values).tobytes() == want.tobytes()
    assert numbers([repr(value) for value in values]).tobytes() == want.tobytes()
    mixed = [repr(value) if i % 2 else value for i, value in enumerate(values)]
    assert numbers(mixed).tobytes() == want.tobytes()


@given(st.lists(st.text("0123456789.eE+-, _naif\n", max_size=6), min_size=1, max_size=4))
def test_the_fast_path_takes_nothing_the_grammar_does_not(texts: list[str]) -> None:
    grammar = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
    for text, value in zip(texts, numbers(texts), strict=True):
        assert math.isnan(value) or grammar.fullmatch(text)


def test_a_strangers_words_fit_on_one_line() -> None:
    assert said("a\r\n\tb\x1b[31m\u202e" + "c" * 999, 20) == "a b [31m " + "c" * 10 + "…"
