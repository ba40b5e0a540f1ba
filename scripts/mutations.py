"""One small fault at a time in a module's source, as somebody might have made it."""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator
from dataclasses import dataclass

COMPARED = {
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
COMPUTED = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.FloorDiv, ast.FloorDiv: ast.Mult, ast.BitOr: ast.BitAnd}
WORDS = (ast.JoinedStr, ast.arguments)  # texts for people, and annotations and defaults, are no behaviour


@dataclass(frozen=True)
class Mutant:
    """A module with one fault in it: in which function and line, what stood there, and what stands there now."""

    module: str
    function: str
    line: int
    before: str
    after: str
    tree: ast.Module

    @property
    def name(self) -> str:
        """The fault's name, which does not change with the lines above it."""
        return f"{self.module} {self.function}: {self.before} → {self.after}"


def mutants(module: str, source: str) -> list[Mutant]:
    """Every fault that is made in this module, in its order."""
    tree = ast.parse(source)
    found = []
    for number, (function, node) in enumerate(_nodes(tree)):
        for turn, (before, after) in enumerate(_faults(node)):
            twin = copy.deepcopy(tree)
            _, here = list(_nodes(twin))[number]
            _, made = list(_faults(here))[turn]
            _put(twin, here, made)
            told = _text(before), _text(after)
            found.append(Mutant(module, function, getattr(node, "lineno", 0), *told, ast.fix_missing_locations(twin)))
    return found


def _nodes(tree: ast.AST, function: str = "") -> Iterator[tuple[str, ast.AST]]:
    """Each node that decides or does something, and the function it is in."""
    for child in ast.iter_child_nodes(tree):
        named = isinstance(child, ast.FunctionDef | ast.ClassDef)
        inside = f"{function}.{child.name}".lstrip(".") if named else function
        if isinstance(child, WORDS) or _is_annotation(tree, child) or _is_word(tree, child):
            continue
        yield inside, child
        yield from _nodes(child, inside)


def _is_annotation(parent: ast.AST, child: ast.AST) -> bool:
    return child in (getattr(parent, "annotation", None), getattr(parent, "returns", None)) or (
        isinstance(parent, ast.FunctionDef | ast.ClassDef) and child in parent.decorator_list
    )


def _is_word(parent: ast.AST, child: ast.AST) -> bool:
    """A docstring, or what stands under `if TYPE_CHECKING`."""
    text = isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant)
    return text or (isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING")


def _faults(node: ast.AST) -> Iterator[tuple[ast.AST, ast.AST]]:
    """What may stand in this node's place."""
    for made in _made(node):
        yield node, ast.copy_location(made, node)


def _made(node: ast.AST) -> Iterator[ast.AST]:
    match node:
        case ast.Compare(ops=[op, *rest]) if type(op) in COMPARED:
            yield ast.Compare(node.left, [COMPARED[type(op)](), *rest], node.comparators)
        case ast.BoolOp(op=op):
            yield ast.BoolOp(ast.And() if isinstance(op, ast.Or) else ast.Or(), node.values)
        case ast.UnaryOp(op=ast.Not()):
            yield node.operand
        case ast.BinOp(op=op) if type(op) in COMPUTED and not _is_text(node):
            yield ast.BinOp(node.left, COMPUTED[type(op)](), node.right)
        case ast.Constant(value=bool(value)):
            yield ast.Constant(not value)
        case ast.Constant(value=int(value) | float(value)):
            yield ast.Constant(value + 1)
        case ast.Constant(value=str(value)) if value and " " not in value:
            yield ast.Constant(f"x{value}")
        case ast.If() | ast.While():
            yield type(node)(ast.UnaryOp(ast.Not(), node.test), node.body, node.orelse)
        case ast.IfExp():
            yield ast.IfExp(ast.UnaryOp(ast.Not(), node.test), node.body, node.orelse)
        case ast.Return(value=ast.expr() as value) if not (isinstance(value, ast.Constant) and value.value is None):
            yield ast.Return(ast.Constant(None))
        case ast.Expr(value=ast.Call()) | ast.Raise() | ast.Return(value=None) | ast.AugAssign():
            yield ast.Pass()
        case ast.Continue():
            yield ast.Break()


def _is_text(node: ast.BinOp) -> bool:
    return any(isinstance(side, ast.JoinedStr) for side in (node.left, node.right))


def _put(tree: ast.AST, old: ast.AST, new: ast.AST) -> None:
    for parent in ast.walk(tree):
        for name, value in ast.iter_fields(parent):
            if value is old:
                setattr(parent, name, new)
            elif isinstance(value, list) and old in value:
                value[value.index(old)] = new


def _text(node: ast.AST) -> str:
    """A node in one line, a block by its head."""
    return ast.unparse(node).split("\n")[0].removesuffix(":")
