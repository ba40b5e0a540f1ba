"""How large is a page of a year of 5m bars, and how soon is it there? `python -m bench.pages`

The year is the stand-in venue's, every column said; PERPLAKE_LAKE names another lake. Building runs in a process of its
own: CPU seconds and highest memory are that process's. Usable means loaded, the price drawn, and a key answered with
the price it stands on; by the browser's clock, from the start of the navigation, with a fresh profile. Plotly, where
it is installed, gets the same price, turnover, open interest, funding and liquidations, hourly, as one offline file.
Both are opened in turn (A B A B …) in one browser; medians.
"""

from __future__ import annotations

import importlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from lake import settings
from tests.browser import CHROMIUM, DRIVER, Browser, browser

ROUNDS, DAYS = 7, 365
NAME = "BTCUSDT"
BARS, FEATURES = "p1_ingest ingest --source sim", "p2_features build"
PHASES = (BARS, FEATURES, "p3_labels triple-barrier", "p3_labels weights", "p3_labels folds")


def a_year(place: Path) -> Path:
    """A lake of a year, from bars to folds."""
    for phase in PHASES:
        span = ["--days", str(DAYS)] if phase == BARS else []
        words = [sys.executable, "-m", *phase.split(), "--symbol", NAME, "--tf", "5m", "--lake", str(place), *span]
        subprocess.run(words, cwd=settings.PROJECT, check=True, capture_output=True)
    return place


def built(lake: Path, out: Path) -> tuple[float, float, float]:
    """Make the page; wall seconds, CPU seconds, highest memory in MB."""
    words = [sys.executable, "-m", "reports", "html", "--symbol", NAME, "--tf", "5m", "--lake", str(lake)]
    began = time.perf_counter()
    child = subprocess.Popen([*words, "--output", str(out)], cwd=settings.PROJECT, stdout=subprocess.DEVNULL,
                             stderr=subprocess.DEVNULL)  # fmt: skip
    _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise SystemExit("the page could not be made; run `python -m reports html` and see")
    return time.perf_counter() - began, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def usable(window: Browser, page: Path) -> float:
    """Milliseconds until the price is drawn and a key was answered."""
    window.open(page)
    window.look_until("focus", "price", None)
    window.press("end")
    assert "C " in window.look("texts", "#price .readout")[0]
    return float(window.run("return performance.now()"))


def plotly_page(page: Path, to: Path) -> Path | None:
    """The same series as plotly draws them; None where it is not installed."""
    try:
        plotly = importlib.import_module("plotly.subplots")
    except ImportError:
        return None
    said = json.loads(page.with_suffix(".json").read_text())["sections"]["market"]["parts"]["price"]["chart"]
    x = [said["x"]["start"] + i * said["x"]["step"] for i in range(said["x"]["n"])]
    figure = plotly.make_subplots(rows=len(said["panels"]), cols=1, shared_xaxes=True)
    for row, panel in enumerate(said["panels"], 1):
        for series in panel["series"]:
            figure.add_trace(_trace(series, x), row=row, col=1)
    figure.write_html(to, include_plotlyjs=True)
    return to


def _trace(series: dict[str, Any], x: list[int]) -> dict[str, Any]:
    if series["mark"] == "candles":
        return {"type": "candlestick", "x": x, **{name: series[name] for name in ("open", "high", "low", "close")}}
    return {"type": "bar" if series["mark"] == "bars" else "scatter", "x": x, "y": series["values"]}


def plotly_drawn(window: Browser, page: Path) -> float:
    """Milliseconds until plotly has drawn its first candles."""
    window.open(page)
    window.wait("const done = arguments[0], look = () => document.querySelector('.boxlayer path, .candlesticks path, "
                ".trace path') ? done() : requestAnimationFrame(look); look();")  # fmt: skip
    return float(window.run("return performance.now()"))


def told(name: str, value: float, unit: str, more: str) -> None:
    """One line of what was measured."""
    print(f"{name:14} {value:8,.2f} {unit:3} {more}")


def main() -> None:
    """Make a year's page, open it, and print what it took."""
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        named = os.environ.get("PERPLAKE_LAKE")
        wall, cpu, memory = built(Path(named) if named else a_year(scratch / "lake"), scratch / "out")
        page = scratch / "out" / f"{NAME}_5m.html"
        size, numbers = (page.with_suffix(kind).stat().st_size / 1e6 for kind in (".html", ".json"))
        told("page", size, "MB", f"and {numbers:.2f} MB of JSON")
        told("built in", wall, "s", f"{cpu:.2f} s of CPU, at most {memory:,.0f} MB")
        if CHROMIUM and DRIVER:
            opened(page, plotly_page(page, scratch / "plotly.html"))
        else:
            print("chromium and chromedriver are not installed; nothing was opened")


def opened(page: Path, other: Path | None) -> None:
    """Open the page, and plotly's where there is one, in turn; print how long each took."""
    ours, theirs = list[float](), list[float]()
    with browser() as window:
        window.sized(1280)
        for _ in range(ROUNDS):
            ours.append(usable(window, page) / 1e3)
            if other:
                theirs.append(plotly_drawn(window, other) / 1e3)
    told("usable in", statistics.median(ours), "s", f"slowest {max(ours):.2f} s, of {ROUNDS}")
    if other:
        ratio = statistics.median(theirs) / statistics.median(ours)
        size = f"{other.stat().st_size / 1e6:.2f} MB for the price figure alone"
        told("plotly", statistics.median(theirs), "s", f"{ratio:.1f} times as long; {size}")


if __name__ == "__main__":
    main()
