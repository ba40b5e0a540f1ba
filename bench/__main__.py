"""Every benchmark in turn, into reports/bench.md: `python -m bench`."""

from __future__ import annotations

import pkgutil
import platform
import subprocess
import sys
from pathlib import Path

import bench

REPORT = Path(__file__).resolve().parent.parent / "reports" / "bench.md"


def told(name: str) -> tuple[str, str | None]:
    """What does this module print, and in one line why did it end early? None where it ran to its end.

    In a process of its own: after two gigabytes of another's arrays, kernels took twice their time.
    """
    done = subprocess.run([sys.executable, "-m", name], capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return done.stdout, None
    return done.stdout, (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]


def main(names: list[str], report: Path = REPORT) -> int:
    """Run these modules, or every one of this folder that has a `main`; keep what they print. How many failed?"""
    pages = [
        f"# Benchmarks\n\n{platform.machine()}, Python {platform.python_version()}; both sides in one run, medians.\n"
    ]
    failed = 0
    found = sorted(module.name for module in pkgutil.iter_modules(bench.__path__) if not module.name.startswith("_"))
    for name in names or [f"bench.{module}" for module in found]:
        sys.stderr.write(f"{name} …\n")
        said, fault = told(name)
        pages.append(f"## python -m {name}\n\n```\n{said.strip()}\n```\n")
        if fault:
            failed += 1
            pages.append(f"**Ended early** with {fault}\n")
            sys.stderr.write(f"{name} failed ({fault}); run `python -m {name}` alone to see where\n")
        report.write_text("\n".join(pages), encoding="utf-8")
    sys.stdout.write(f"wrote {report.name} in {report.parent.name}/" + (f", {failed} failed\n" if failed else "\n"))
    return failed


if __name__ == "__main__":
    sys.exit(min(main(sys.argv[1:]), 1))
