"""What the code says where it can only be read, not asked."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

PROJECT = Path(__file__).resolve().parent.parent


def _tree(path: str) -> ast.Module:
    return ast.parse((PROJECT / path).read_text(encoding="utf-8"))


def _strings(written: ast.Dict) -> list[str]:
    """Which strings are keys of this dictionary?"""
    return [key.value for key in written.keys if isinstance(key, ast.Constant) and isinstance(key.value, str)]


def keys(path: str, function: str) -> list[str]:
    """Which keys has the dictionary that this function returns?"""
    (found,) = (node for node in ast.walk(_tree(path)) if isinstance(node, ast.FunctionDef) and node.name == function)
    (said,) = (node.value for node in ast.walk(found) if isinstance(node, ast.Return))
    assert isinstance(said, ast.Dict), f"{path}: {function} no longer returns a dictionary as written"
    return _strings(said)


def facts(path: str) -> Iterator[str]:
    """Which facts does this judge put into its report?"""
    for node in ast.walk(_tree(path)):
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        named = any(isinstance(target, ast.Name) and target.id == "facts" for target in targets)
        added = isinstance(node, ast.BinOp) and isinstance(node.left, ast.Name) and node.left.id == "facts"
        if named or added:
            for inner in ast.walk(node):
                if isinstance(inner, ast.Dict):
                    yield from _strings(inner)


def checks(path: str) -> Iterator[tuple[str, str, str, str]]:
    """Every check this file makes, with Check(...) or with a function of its own that hands names on to it."""
    tree = _tree(path)
    module = importlib.import_module(path.removesuffix(".py").replace("/", "."))
    parameters = {"Check": ["name", "meaning", "must", "should"]}
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    parameters |= {node.name: [one.arg for one in node.args.args] for node in functions if _hands_on(node)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in parameters:
            given = dict(zip(parameters[node.func.id], node.args, strict=False))
            given |= {keyword.arg: keyword.value for keyword in node.keywords if keyword.arg}
            if not isinstance(given["name"], ast.Name):
                name, meaning, must, should = (_text(given.get(name), module) for name in parameters["Check"])
                yield name, meaning, must, should


def _hands_on(function: ast.FunctionDef) -> bool:
    """Does this function make a check whose name is its own parameter?"""
    calls = [node for node in ast.walk(function) if isinstance(node, ast.Call) and node.args]
    made = [call for call in calls if isinstance(call.func, ast.Name) and call.func.id == "Check"]
    return any(isinstance(call.args[0], ast.Name) for call in made)


def _text(node: ast.expr | None, module: ModuleType) -> str:
    """What does a string in the code say? Constants are filled in; what else it is filled with is left open."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(_text(part, module) for part in node.values)
    if isinstance(node, ast.FormattedValue):
        return _text(node.value, module)
    if isinstance(node, ast.Name) and node.id.isupper():
        return str(getattr(module, node.id))
    return "…" if node else ""
