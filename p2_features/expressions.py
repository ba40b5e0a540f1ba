"""A small language over bar columns: arithmetic, logs and the past, and nothing that could look ahead."""

from __future__ import annotations

import ast
import difflib
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from meta.columns import BARS
from meta.errors import Usage
from meta.timeframes import DAY, HOUR, MINUTE, Timeframe

COLUMNS = frozenset(column.name for column in BARS if column.type in ("double", "int64"))
CLOCKS = frozenset({"hour_of_week", "minute"})
ONE = frozenset({"ln", "sqrt", "abs", "sin", "cos", "square", "carried", "imputed", "usual"})
FUNCTIONS = ONE | {"either", "past"}
OPERATORS: dict[type[ast.operator], str] = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.Mod: "%"}
LENGTH = re.compile(r"(?<![\w.\"'])(\d{1,6})([mhd])\b")
UNITS = {"m": MINUTE, "h": HOUR, "d": DAY}
MOST_TEXT, MOST_DEEP, MOST_NODES, MOST_INSTRUCTIONS = 500, 60, 500, 1000
WEEKS = 4  # of usual(x); they fit into the window of 30 days
MOST_PAST = 100_000  # bars; a year of 5m bars, and far from the overflow of anything

# ("number", 8.0), ("column", "close"), ("clock", "minute"), ("past", x, bars, ms), or (operator or function, x, …)
Tree = tuple[Any, ...]


@dataclass(frozen=True)
class Program:
    """An expression at one timeframe: instructions for the stack machine, and what they touch.

    `instructions`: ("load", column, lag), ("number", value), (clock, lag) or (operator,). `depth`: the stack they need.
    `reach`: the oldest bar they look at, in bars before t. `columns` in order of first use; `required`: those whose
    absence makes every value missing (either(a, b) requires what both sides do).
    """

    instructions: tuple[tuple[Any, ...], ...]
    depth: int
    reach: int
    columns: tuple[str, ...]
    required: frozenset[str]


def length(text: str, where: str) -> int:
    """How many milliseconds is this wall-clock length, such as 60m, 4h or 1d? Raises Usage."""
    found = re.fullmatch(r"(\d{1,6})([mhd])", text)
    if not found or int(found[1]) < 1:
        raise Usage(f"{where}: {text!r} is not a length such as 60m, 4h or 1d")
    return int(found[1]) * UNITS[found[2]]


def parse(text: str, where: str, names: Mapping[str, Tree] | None = None) -> Tree:
    """What does this expression say?

    `names` are further names it may use, each standing for its tree; `where` opens every complaint. Raises Usage for
    whatever is not of the language: attributes, calls of anything else, comparisons, powers, unknown names (naming
    the nearest), a look into the future, or a text of unreasonable size.
    """
    reader = _Reader(" ".join(text.split()), where, names or {})
    tree = reader.read()
    if sum(1 for _ in walk(tree)) > MOST_NODES or _depth(tree) > MOST_DEEP:
        raise reader.refusal(f"is larger than {MOST_NODES} terms or deeper than {MOST_DEEP}; split the feature")
    return tree


@dataclass(frozen=True)
class _Reader:
    text: str
    where: str
    names: Mapping[str, Tree]

    def refusal(self, fact: str) -> Usage:
        shown = self.text if len(self.text) <= 60 else self.text[:57] + "..."
        return Usage(f"{self.where}: {shown!r} {fact}")

    def read(self) -> Tree:
        if len(self.text) > MOST_TEXT:
            raise self.refusal(f"is longer than {MOST_TEXT} characters; give its parts names of their own")
        try:
            node = ast.parse(LENGTH.sub(r'"\1\2"', self.text), mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            raise self.refusal("is not an expression; write for instance ln(close / past(close, 1h))") from None
        return self.tree(node, 0)

    def tree(self, node: ast.expr, depth: int) -> Tree:
        if depth > MOST_DEEP:
            raise self.refusal(f"is nested deeper than {MOST_DEEP}; give its parts names of their own")
        match node:
            case ast.Constant(value=value):
                return self.number(value)
            case ast.Name(id=name):
                return self.name(name)
            case ast.UnaryOp(op=ast.USub(), operand=x):
                return ("negative", self.tree(x, depth + 1))
            case ast.BinOp(left=a, op=op, right=b) if type(op) in OPERATORS:
                return (OPERATORS[type(op)], self.tree(a, depth + 1), self.tree(b, depth + 1))
            case ast.Call(func=ast.Name(id=name), args=args, keywords=[]):
                return self.call(name, args, depth + 1)
        raise self.refusal(f"uses {_spoken(node)}; the language is + - * / % ( ) and {' '.join(sorted(FUNCTIONS))}")

    def number(self, value: object) -> Tree:
        if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e300:
            raise self.refusal(f"holds {str(value)[:20]!r}, which is no plain number; a length belongs in past(x, 1h)")
        return ("number", float(value))

    def name(self, name: str) -> Tree:
        if name in self.names:
            return self.names[name]
        if name in COLUMNS:
            return ("column", name)
        if name in CLOCKS:
            return ("clock", name)
        if name == "pi":
            return ("number", math.pi)
        raise self.refusal(
            self.unknown(f"{name!r} is not a bar column or a name", name, [*COLUMNS, *CLOCKS, *self.names])
        )

    def call(self, name: str, args: list[ast.expr], depth: int) -> Tree:
        if name not in FUNCTIONS:
            raise self.refusal(self.unknown(f"{name!r} is not a function here", name, FUNCTIONS))
        if len(args) != (1 if name in ONE else 2):
            raise self.refusal(f"gives {name} {len(args)} arguments; it takes {1 if name in ONE else 2}")
        if name == "past":
            return ("past", self.tree(args[0], depth), *self.ago(args[1]))
        return (name, *(self.tree(arg, depth) for arg in args))

    def ago(self, node: ast.expr) -> tuple[int, int]:
        value = node.value if isinstance(node, ast.Constant) else None
        if isinstance(value, str) and re.fullmatch(r"\d{1,6}[mhd]", value) and int(value[:-1]):
            return 0, length(value, self.where)
        if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MOST_PAST:
            return value, 0
        raise self.refusal(
            f"asks for another past than 1 … {MOST_PAST} bars or a length such as 1h; the future is closed"
        )

    def unknown(self, fact: str, name: str, known: Any) -> str:
        near = difflib.get_close_matches(name, known, 1, 0.5)
        return f"says {fact}" + (f"; did you mean {near[0]}?" if near else f"; known are {' '.join(sorted(known))}")


def _spoken(node: ast.expr) -> str:
    if isinstance(node, ast.BinOp):
        return f"the operator {type(node.op).__name__}"
    name = type(node).__name__.lower()
    return f"{'an' if name[0] in 'aeiou' else 'a'} {name}"


def walk(tree: Tree) -> Iterator[Tree]:
    """Which nodes does this tree hold, itself included?"""
    yield tree
    for part in tree[1:]:
        if isinstance(part, tuple):
            yield from walk(part)


def _depth(tree: Tree) -> int:
    return 1 + max((_depth(part) for part in tree[1:] if isinstance(part, tuple)), default=0)


def lengths(tree: Tree) -> set[int]:
    """Which wall-clock lengths (ms) does this expression look back by?"""
    return {node[3] for node in walk(tree) if node[0] == "past" and node[3]}


def carries(tree: Tree) -> set[str]:
    """Which columns does this expression carry over short gaps?"""
    return {name for node in walk(tree) if node[0] in ("carried", "imputed") for name in required(node)}


def required(tree: Tree) -> frozenset[str]:
    """Without which columns is this expression missing everywhere?"""
    if tree[0] == "column":
        return frozenset({tree[1]})
    parts = [required(part) for part in tree[1:] if isinstance(part, tuple)]
    if tree[0] == "either":
        return parts[0] & parts[1]
    return frozenset().union(*parts)


def reach(tree: Tree, tf: Timeframe, carried_most: int, within: Mapping[str, int], weeks: bool) -> int:
    """How many bars before t does this expression look at, where column c itself looks within[c] bars back?

    Without `weeks` the four weeks of usual(x) do not count: they are a statistic, as a z-score's past is.
    """
    if tree[0] == "column":
        return within.get(tree[1], 0)
    parts = (part for part in tree[1:] if isinstance(part, tuple))
    inner = max((reach(part, tf, carried_most, within, weeks) for part in parts), default=0)
    own = {"carried": carried_most, "imputed": carried_most, "usual": tf.bars(WEEKS * 7 * DAY) if weeks else 0}
    return inner + (tree[2] + tf.bars(tree[3]) if tree[0] == "past" else own.get(tree[0], 0))


def compiled(tree: Tree, tf: Timeframe, carried_most: int, where: str) -> Program:
    """Which program computes this expression at this timeframe?

    Wall-clock lengths have to be whole bars (see `lengths`). past(x, k) vanishes: every load within it goes k bars
    further back; carried(x) is the first present of x, past(x, 1) … past(x, carried_most); usual(x) the mean of x at
    the same time of the last four weeks. Raises Usage where the program or its reach would be unreasonably long.
    """
    out = list(_instructions(tree, 0, tf, carried_most, where))
    lags = [step[-1] for step in out if step[0] == "load" or step[0] in CLOCKS]
    columns = tuple(dict.fromkeys(step[1] for step in out if step[0] == "load"))
    loads = [step[2] for step in out if step[0] == "load"]
    if max(lags, default=0) > MOST_PAST:
        raise Usage(f"{where}: looks {max(lags)} bars back; the most is {MOST_PAST}")
    return Program(tuple(out), _height(out), max(loads, default=0), columns, required(tree))


def _instructions(tree: Tree, lag: int, tf: Timeframe, most: int, where: str) -> Iterator[tuple[Any, ...]]:
    for count, step in enumerate(_steps(tree, lag, tf, most)):
        if count >= MOST_INSTRUCTIONS:
            raise Usage(f"{where}: needs more than {MOST_INSTRUCTIONS} instructions; split the feature")
        yield step


def _steps(tree: Tree, lag: int, tf: Timeframe, most: int) -> Iterator[tuple[Any, ...]]:
    match tree:
        case ("number", value):
            yield ("number", value)
        case ("column", name):
            yield ("load", name, lag)
        case ("clock", name):
            yield (name, lag)
        case ("past", x, bars, ms):
            yield from _steps(x, lag + bars + tf.bars(ms), tf, most)
        case ("carried", x):
            yield from _carried(x, lag, tf, most)
        case ("usual", x):
            yield from _usual(x, lag, tf, most)
        case ("imputed", x):
            yield from _steps(x, lag, tf, most)
            yield from _carried(x, lag, tf, most)
            yield ("imputed",)
        case (name, *parts):
            for part in parts:
                yield from _steps(part, lag, tf, most)
            yield (name,)


def _carried(x: Tree, lag: int, tf: Timeframe, most: int) -> Iterator[tuple[Any, ...]]:
    yield from _steps(x, lag, tf, most)
    for older in range(1, most + 1):
        yield from _steps(x, lag + older, tf, most)
        yield ("either",)


def _usual(x: Tree, lag: int, tf: Timeframe, most: int) -> Iterator[tuple[Any, ...]]:
    for week in range(1, WEEKS + 1):
        yield from _steps(x, lag + tf.bars(week * 7 * DAY), tf, most)
        if week > 1:
            yield ("+",)
    yield ("number", float(WEEKS))
    yield ("/",)


def _height(steps: list[tuple[Any, ...]]) -> int:
    height = most = 0
    for step in steps:
        if step[0] in ("load", "number") or step[0] in CLOCKS:
            height += 1
        elif step[0] in ("+", "-", "*", "/", "%", "either", "imputed"):
            height -= 1
        most = max(most, height)
    return most
