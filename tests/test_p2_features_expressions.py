"""The language says what it seems to say, and cannot say anything else."""

from __future__ import annotations

import math
import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meta.errors import Usage
from meta.timeframes import TIMEFRAMES
from p2_features import compute, expressions
from p2_features.expressions import carries, compiled, lengths, parse
from tests.p2_bars import bars

COMPILED = os.environ.get("NUMBA_DISABLE_JIT", "0") == "0"
TF = TIMEFRAMES["15m"]
N = 600 if COMPILED else 60
NAN = math.nan


def value(text: str, columns: dict, first: int = 0, tf=TF, most: int = 3) -> np.ndarray:
    size = len(next(iter(columns.values())))
    with np.errstate(all="ignore"):  # numpy's scalars warn of an overflow where the JIT is off
        return compute.evaluated(compiled(parse(text, "here"), tf, most, "here"), columns, first, tf.ms, size)


def finite(function, *args: float) -> float:
    """A plain operation by the rule of the language: what has no finite result is missing."""
    try:
        result = function(*args)
    except (ZeroDivisionError, ValueError, OverflowError):
        return NAN
    return result if math.isfinite(result) else NAN


PLAIN = {
    "close": lambda b, t: b("close", t),
    "-close": lambda b, t: -b("close", t),
    "close + open * 2": lambda b, t: b("close", t) + b("open", t) * 2,
    "(close + open) * 2": lambda b, t: (b("close", t) + b("open", t)) * 2,
    "close - open - 1.5": lambda b, t: b("close", t) - b("open", t) - 1.5,
    "close / (open - open)": lambda b, t: NAN,
    "oi_now % 7": lambda b, t: finite(math.fmod, b("oi_now", t), 7),
    "ln(close / past(close, 1))": lambda b, t: finite(math.log, b("close", t) / b("close", t - 1)),
    "ln(premium)": lambda b, t: finite(math.log, b("premium", t)),
    "sqrt(premium)": lambda b, t: finite(math.sqrt, b("premium", t)),
    "abs(premium)": lambda b, t: abs(b("premium", t)),
    "square(premium)": lambda b, t: b("premium", t) * b("premium", t),
    "sin(premium) + cos(pi)": lambda b, t: finite(math.sin, b("premium", t)) - 1.0,
    "past(close, 1h)": lambda b, t: b("close", t - 4),
    "past(past(close, 1h) - open, 2)": lambda b, t: b("close", t - 6) - b("open", t - 2),
    "either(oi_now, liq_long)": lambda b, t: b("liq_long", t) if math.isnan(b("oi_now", t)) else b("oi_now", t),
    "carried(oi_now)": lambda b, t: next(
        (b("oi_now", t - k) for k in range(4) if not math.isnan(b("oi_now", t - k))), NAN
    ),
    "imputed(oi_now)": lambda b, t: float(
        math.isnan(b("oi_now", t)) and any(not math.isnan(b("oi_now", t - k)) for k in (1, 2, 3))
    ),
    "1e200 * 1e200": lambda b, t: NAN,
    "hour_of_week": lambda b, t: (((1_000 + t - 1) // 4) + 72) % 168,
    "minute": lambda b, t: (1_000 + t) * 15,
    "past(minute, 1h)": lambda b, t: (1_000 + t - 4) * 15,
}


@pytest.mark.parametrize("text", PLAIN)
def test_an_expression_is_what_a_plain_loop_computes(text: str) -> None:
    columns = bars(N)
    want = [PLAIN[text](lambda name, t: float(columns[name][t]) if t >= 0 else NAN, t) for t in range(N)]
    np.testing.assert_allclose(value(text, columns, first=1_000), want, rtol=1e-13, atol=0)


def test_the_hour_of_week_starts_on_monday_at_midnight_with_the_bar_that_opens_then() -> None:
    monday = 1_736_121_600_000  # 2025-01-06T00:00Z
    for tf in TIMEFRAMES.values():
        close = np.ones(2)
        hours = value("hour_of_week", {"close": close}, first=monday // tf.ms, tf=tf)
        assert hours[1] == 0.0
        assert hours[0] == (168 * 60 * 60_000 - tf.ms) // 3_600_000


REFUSED = {
    "close.real": "attribute",
    "close.__class__": "attribute",
    "().__class__": "attribute",
    "__import__('os')": "not a function",
    "eval('1')": "not a function",
    "ln.x(close)": "call",
    "(lambda: 1)()": "call",
    "close ** 9999999": "operator Pow",
    "9 ** 9 ** 9 ** 9": "operator Pow",
    "close // 2": "operator FloorDiv",
    "close @ open": "operator MatMult",
    "close << 9999": "operator LShift",
    "close > open": "compare",
    "close if open else high": "ifexp",
    "close and open": "boolop",
    "not close": "unaryop",
    "+close": "unaryop",
    "~close": "unaryop",
    "[close]": "list",
    "[x for x in close]": "listcomp",
    "close[0]": "subscript",
    "f'{close}'": "joinedstr",
    "(x := close)": "namedexpr",
    "clsoe": "did you mean close",
    "oi_ts": "not a bar column",
    "symbol": "not a bar column",
    "True": "no plain number",
    "None": "no plain number",
    "'close'": "no plain number",
    "1j": "no plain number",
    "1e999": "no plain number",
    "1h": "no plain number",
    "9" * 400: "no plain number",
    "lm(close)": "did you mean ln",
    "ln(close, 2)": "takes 1",
    "ln()": "takes 1",
    "ln(*close)": "starred",
    "ln(x=close)": "call",
    "past(close)": "takes 2",
    "past(close, -1)": "the future is closed",
    "past(close, 0)": "the future is closed",
    "past(close, -1h)": "the future is closed",
    "past(close, 0h)": "the future is closed",
    "past(close, 1.5)": "the future is closed",
    "past(close, open)": "the future is closed",
    "past(close, True)": "the future is closed",
    "past(close, 99999999)": "the future is closed",
    "past(close, 1w)": "not an expression",
    "": "not an expression",
    "close +": "not an expression",
    "import os": "not an expression",
    "close; open": "not an expression",
    "x = 1": "not an expression",
    "close\0": "not an expression",
    "(" * 300 + "close" + ")" * 100: "not an expression",
    "-" * 450 + "close": "nested deeper",
    "close + " * 100 + "close": "longer than",
    "+".join(["open"] * 99): "nested deeper",
}


@pytest.mark.parametrize("text", REFUSED)
def test_what_is_not_of_the_language_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(Usage) as refused:
        parse(text, "conf/features.yaml: my_feature")
    message = str(refused.value)
    assert REFUSED[text] in message
    assert message.startswith("conf/features.yaml: my_feature: ")
    assert "\n" not in message
    assert len(message) < 700


def test_names_that_double_cannot_make_an_expression_explode() -> None:
    names = {"a0": parse("close + open", "here")}
    with pytest.raises(Usage, match="larger than"):
        for i in range(60):
            names[f"a{i + 1}"] = parse(f"a{i} + a{i}", "here", names)
    with pytest.raises(Usage, match="instructions"):
        compiled(parse("carried(" * 8 + "close" + ")" * 8, "here"), TF, 3, "here")
    with pytest.raises(Usage, match="bars back"):
        compiled(parse("past(past(close, 90000), 90000)", "here"), TF, 3, "here")


def test_an_expression_knows_what_it_reads_how_far_back_and_what_it_needs() -> None:
    tree = parse("carried(either(funding_now / funding_interval_hours, funding_now)) - past(open, 1h)", "here")
    program = compiled(tree, TF, 3, "here")
    assert program.columns == ("funding_now", "funding_interval_hours", "open")
    assert program.required == {"funding_now", "open"}
    assert program.reach == 4
    assert lengths(tree) == {3_600_000}
    assert carries(tree) == {"funding_now"}
    assert compiled(parse("past(carried(close), 2)", "here"), TF, 3, "here").reach == 5


def test_a_missing_column_is_missing_everywhere_and_infinity_is_missing() -> None:
    assert np.isnan(value("close + oi_now", {"close": np.ones(5)})).all()
    got = value("either(close, 7)", {"close": np.array([1.0, math.inf, -math.inf, NAN])})
    np.testing.assert_array_equal(got, [1.0, 7.0, 7.0, 7.0])


numbers = st.floats(-10, 10).map(lambda x: f"{abs(x):.3f}")
leaves = st.one_of(numbers, st.sampled_from(["close", "open", "oi_now", "premium", "hour_of_week", "minute", "pi"]))
trees = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from("+-*/%"), inner).map(lambda x: f"({x[0]} {x[1]} {x[2]})"),
        st.tuples(st.sampled_from(sorted(expressions.ONE)), inner).map(lambda x: f"{x[0]}({x[1]})"),
        st.tuples(inner, st.integers(1, 40)).map(lambda x: f"past({x[0]}, {x[1]})"),
        st.tuples(inner, inner).map(lambda x: f"either({x[0]}, {x[1]})"),
    ),
    max_leaves=8,
)


@settings(max_examples=150 if COMPILED else 10, deadline=None)
@given(text=trees)
def test_one_bar_alone_has_the_bits_it_has_among_a_year(text: str) -> None:
    try:
        program = compiled(parse(text, "here"), TF, 3, "here")
    except Usage:
        return
    columns = bars(N)
    with np.errstate(all="ignore"):
        whole = compute.evaluated(program, columns, 1_000, TF.ms, N)
        for t in (0, 1, N // 3, N - 1):
            start = max(t - program.reach, 0)
            part = {name: x[start : t + 1] for name, x in columns.items()}
            alone = compute.evaluated(program, part, 1_000 + start, TF.ms, t + 1 - start)
            assert alone[-1:].tobytes() == whole[t : t + 1].tobytes()


@pytest.mark.parametrize("text", ["sin(close)", "cos(close)"])
def test_an_angle_that_stands_still_or_is_one_of_two_zeros_has_the_bits_it_has_alone(text: str) -> None:
    program = compiled(parse(text, "here"), TF, 3, "here")
    x = np.array([2.0, 2.0, np.nan, 2.0, -2.0, 0.0, -0.0, -0.0, 0.0, 1e300, 1e300])
    whole = compute.evaluated(program, {"close": x}, 1_000, TF.ms, x.size)
    alone = [compute.evaluated(program, {"close": x[t : t + 1]}, 1_000 + t, TF.ms, 1) for t in range(x.size)]
    assert whole.tobytes() == np.concatenate(alone).tobytes()


@pytest.mark.skipif(not COMPILED, reason="this is the run without the JIT")
def test_the_machine_says_the_same_without_its_compiler() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", __file__],
        env={**os.environ, "NUMBA_DISABLE_JIT": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-2000:]
