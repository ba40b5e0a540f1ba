"""Every benchmark in turn, into reports/bench.md: `python -m bench`."""

from __future__ import annotations

import contextlib
import importlib
import io
import pkgutil
import platform
import sys
from pathlib import Path

import bench

REPORT = Path(__file__).resolve().parent.parent / "reports" / "bench.md"


def main() -> None:
    """Run every module of this folder that has a `main`, and keep what it prints."""
    pages = [
        f"# Benchmarks\n\n{platform.machine()}, Python {platform.python_version()}; both sides in one run, medians.\n"
    ]
    for found in sorted(module.name for module in pkgutil.iter_modules(bench.__path__)):
        if found.startswith("_"):
            continue
        module = importlib.import_module(f"bench.{found}")
        sys.stderr.write(f"bench.{found} …\n")
        with contextlib.redirect_stdout(io.StringIO()) as said:
            module.main()
        pages.append(f"## python -m bench.{found}\n\n```\n{said.getvalue().strip()}\n```\n")
        REPORT.write_text("\n".join(pages), encoding="utf-8")
    sys.stdout.write(f"wrote {REPORT.name} in reports/\n")


if __name__ == "__main__":
    main()
