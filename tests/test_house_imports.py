"""The house: imports go one way, kernels know only arrays, and each forbidden thing has one home."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parent.parent
PACKAGES = ("meta", "lake", "p1_ingest", "p2_features", "p3_labels", "reports")
MAY_IMPORT = {
    "meta": {"meta"},
    "lake": {"meta", "lake"},
    "p1_ingest": {"meta", "lake", "p1_ingest"},
    "p2_features": {"meta", "lake", "p2_features"},
    "p3_labels": {"meta", "lake", "p3_labels"},
    "reports": {"meta", "lake", "reports"},
}
NETWORK = {"requests", "urllib3", "socket", "http", "urllib", "ftplib", "ssl", "asyncio", "ccxt", "websockets"}
KERNELS_MAY = {"numpy", "numba", "math", "llvmlite", "__future__", "typing", "collections"}  # the last two for names


def imports(path: Path) -> set[str]:
    """Every module a file imports, anywhere in it, as dotted names."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            found.add(node.module)
        elif isinstance(node, ast.ImportFrom):
            found.add("relative import")
    return found


def modules(package: str) -> list[Path]:
    return sorted((PROJECT / package).rglob("*.py"))


@pytest.mark.parametrize("package", PACKAGES)
def test_imports_go_one_way(package: str) -> None:
    for path in modules(package):
        ours = {name.split(".")[0] for name in imports(path)} & {
            *PACKAGES,
            "tests",
            "bench",
            "scripts",
            "relative import",
        }
        assert ours <= MAY_IMPORT[package], f"{path.relative_to(PROJECT)} imports {ours - MAY_IMPORT[package]}"


def test_meta_does_no_input_or_output() -> None:
    for path in modules("meta"):
        banned = imports(path) & {"os", "io", "pathlib", "sys", "time", "shutil", "subprocess", "tempfile"}
        assert not banned, f"{path.relative_to(PROJECT)} imports {banned}"
        calls = {
            n.func.id
            for n in ast.walk(ast.parse(path.read_text()))
            if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)
        }
        assert "open" not in calls, f"{path.relative_to(PROJECT)} opens a file"


@pytest.mark.parametrize("package", ["p2_features", "p3_labels"])
def test_kernels_know_only_arrays(package: str) -> None:
    here = f"{package}.kernels"
    for path in modules(f"{package}/kernels"):
        other = {name for name in imports(path) if name.split(".")[0] not in KERNELS_MAY and not name.startswith(here)}
        assert not other, f"{path.relative_to(PROJECT)} imports {other}"


@pytest.mark.parametrize("package", [name for name in PACKAGES if name != "p1_ingest"])
def test_only_p1_talks_to_a_network(package: str) -> None:
    for path in modules(package):
        talks = {name.split(".")[0] for name in imports(path)} & NETWORK
        if path.name == "locks.py":
            talks -= {"socket"}  # the host's name, for people who meet a busy lock
        assert not talks, f"{path.relative_to(PROJECT)} imports {talks}"


@pytest.mark.parametrize("package", PACKAGES)
def test_the_environment_is_read_in_one_place(package: str) -> None:
    for path in modules(package):
        if path in (PROJECT / "lake" / "settings.py", PROJECT / "lake" / "compiled.py"):  # the second one sets numba's
            continue
        text = path.read_text(encoding="utf-8")
        assert "os.environ" not in text, f"{path.relative_to(PROJECT)} reads the environment"
        assert "getenv" not in text, f"{path.relative_to(PROJECT)} reads the environment"


def test_no_kernel_hides_the_direction_of_time() -> None:
    for package in ("p2_features", "p3_labels"):
        for path in modules(f"{package}/kernels"):
            names = [node.name for node in ast.parse(path.read_text()).body if isinstance(node, ast.FunctionDef)]
            blind = [name for name in names if name.startswith(("rolling", "shift", "window"))]
            assert not blind, f"{path.name}: {blind}"
