"""The pictures of the documents, made anew of the stand-in venue's data in a headless Chromium: docs/pictures/.

`python -m scripts.pictures` fills a lake of its own in a temporary folder, and needs chromium and chromedriver.
"""

from __future__ import annotations

import base64
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.browser import CHROMIUM, DRIVER, Browser, browser

PROJECT = Path(__file__).resolve().parent.parent
TO = PROJECT / "docs" / "pictures"
SYMBOL, TF, START, END = "BTCUSDT", "5m", "2025-01-01", "2025-03-21"
PHASES = (
    f"p1_ingest ingest --source sim --start {START} --end {END}",
    "p2_features build",
    "p3_labels triple-barrier",
    "p3_labels weights",
    "p3_labels folds",
    f"p1_ingest qa --start {START} --end {END}",
    "p2_features validate --horizon_days 80",
    "p3_labels validate",
    "reports html",
)


@dataclass(frozen=True)
class Picture:
    """What a picture shows of the page: all that these elements cover with a rim around, or (none) its top."""

    name: str
    elements: str = ""
    most: int = 1
    width: int = 1280
    dark: bool = False


PICTURES = (
    Picture("page"),
    Picture("market", "#price"),
    Picture("labels", "figure[id^=example-]", 6, 1100, dark=True),
)
# The rim keeps clear of what is beside; the lake of a picture lies in a folder that nobody has.
RIM, TOP = 14, 1004
CLIP = """
const boxes = [...document.querySelectorAll(arguments[0])].slice(0, arguments[1]).map((e) => e.getBoundingClientRect());
const least = (side) => Math.min(...boxes.map((b) => b[side])), most = (side) => Math.max(...boxes.map((b) => b[side]));
return [least("left"), least("top") + scrollY, most("right") - least("left"), most("bottom") - least("top")];
"""
NAMED = "const e = document.querySelector('.lead'); e.textContent = e.textContent.replace(/lake .*/, 'lake data-sim');"


def main() -> None:
    """Make every picture."""
    if not (CHROMIUM and DRIVER):
        sys.exit("pictures: chromium and chromedriver are not installed; install both")
    with tempfile.TemporaryDirectory() as folder, browser() as window:
        lake = Path(folder) / "data-sim"
        for words in PHASES:
            named = ["--symbol", SYMBOL, "--tf", TF, "--lake", str(lake)]
            done = subprocess.run([sys.executable, "-m", *words.split(), *named], cwd=PROJECT, check=False, timeout=600)
            if done.returncode not in (0, 3):  # the made-up data need not please every check
                sys.exit(f"pictures: `python -m {words}` ended with {done.returncode}; see above")
        for picture in PICTURES:
            _taken(window, lake / "reports" / f"{SYMBOL}_{TF}.html", picture)


def _taken(window: Browser, page: Path, picture: Picture) -> None:
    window.sized(picture.width, TOP, picture.dark)
    window.open(page)
    window.run(NAMED)
    window.drawn()
    x, y, width, height = RIM, RIM, picture.width - 2 * RIM, TOP - 2 * RIM
    if picture.elements:
        x, y, width, height = window.run(CLIP, picture.elements, picture.most)
    clip = {"x": x - RIM, "y": y - RIM, "width": width + 2 * RIM, "height": height + 2 * RIM, "scale": 1}
    shot = window.devtools("Page.captureScreenshot", captureBeyondViewport=True, clip=clip)
    (TO / f"{picture.name}.png").write_bytes(base64.b64decode(shot["data"]))
    sys.stdout.write(f"{picture.name}.png\n")


if __name__ == "__main__":
    main()
