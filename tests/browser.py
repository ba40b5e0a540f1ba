"""A real Chromium, driven by its chromedriver over plain HTTP; tests that need it skip where there is none."""

from __future__ import annotations

import base64
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests

CHROMIUM, DRIVER = shutil.which("chromium") or shutil.which("google-chrome"), shutil.which("chromedriver")
needs_chromium = pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="chromium and chromedriver are not installed")
FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars",
)  # fmt: skip
LOOK = Path(__file__).with_name("look.js").read_text(encoding="utf-8")
KEYS = {"right": "\ue014", "left": "\ue012", "up": "\ue013", "down": "\ue015", "tab": "\ue004", "enter": "\ue007"}
KEYS |= {"home": "\ue011", "end": "\ue010", "escape": "\ue00c"}


class Browser:
    """One window of a headless Chromium."""

    def __init__(self, session: str) -> None:
        self.session = session

    def _post(self, what: str, **said: Any) -> Any:
        answer = requests.post(f"{self.session}/{what}", json=said, timeout=60).json()["value"]
        assert not (isinstance(answer, dict) and "error" in answer), answer
        return answer

    def devtools(self, what: str, **said: Any) -> Any:
        """One command of the DevTools protocol."""
        return self._post("goog/cdp/execute", cmd=what, params=said)

    def sized(self, width: int, height: int = 900, dark: bool = False) -> None:
        """As on a screen of this many CSS pixels, whose owner prefers light or dark."""
        self.devtools(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 700
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.devtools("Emulation.setEmulatedMedia", features=[scheme])

    def open(self, page: Path) -> None:
        """Load a file, and wait until it has loaded."""
        self._post("url", url=page.as_uri())

    def run(self, script: str, *arguments: Any) -> Any:
        """What does this script return?"""
        return self._post("execute/sync", script=script, args=list(arguments))

    def wait(self, script: str, *arguments: Any) -> Any:
        """What does this script hand to its last argument, once it does?"""
        return self._post("execute/async", script=script, args=list(arguments))

    def press(self, *names: str) -> None:
        """Press keys, one after the other, on whatever has the focus."""
        strokes = [{"type": kind, "value": KEYS.get(name, name)} for name in names for kind in ("keyDown", "keyUp")]
        self._post("actions", actions=[{"type": "key", "id": "keyboard", "actions": strokes}])

    def log(self) -> list[str]:
        """What did the console say since the last look?"""
        return [line["message"] for line in self._post("se/log", type="browser")]

    def look(self, name: str, *arguments: Any) -> Any:
        """What does this function of look.js return?"""
        return self.run(f"{LOOK}\nreturn {name}(...arguments)", *arguments)

    def look_until(self, name: str, *arguments: Any) -> Any:
        """What does this function of look.js hand to its last argument, once it does?"""
        return self.wait(f"{LOOK}\n{name}(...arguments)", *arguments)

    def drawn(self) -> None:
        """Have every chart drawn, as if a reader had scrolled by."""
        self.look_until("walk")

    def screenshot(self, to: Path, whole: bool = True) -> None:
        """The page as a PNG, down to its end or as the screen shows it."""
        shot = self.devtools("Page.captureScreenshot", captureBeyondViewport=whole, **self._clip(whole))
        to.write_bytes(base64.b64decode(shot["data"]))

    def _clip(self, whole: bool) -> dict[str, Any]:
        width, height = self.run("return [innerWidth, document.documentElement.scrollHeight]")
        return {"clip": {"x": 0, "y": 0, "width": width, "height": height, "scale": 1}} if whole else {}


@contextmanager
def browser() -> Iterator[Browser]:
    """A browser of its own, with a fresh profile; gone afterwards."""
    assert DRIVER
    words = [DRIVER, "--port=0"]
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile,
        subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as driver,
    ):
        assert driver.stdout
        try:
            port = next(line.rsplit(" ", 1)[1].strip(".\n") for line in driver.stdout if "successfully on port" in line)
            options = {"binary": CHROMIUM, "args": [*FLAGS, f"--user-data-dir={profile}"]}
            wanted = {"goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}
            base = f"http://127.0.0.1:{port}/session"
            made = requests.post(base, json={"capabilities": {"alwaysMatch": wanted}}, timeout=60).json()["value"]
            session = f"{base}/{made['sessionId']}"
            try:
                yield Browser(session)
            finally:
                requests.delete(session, timeout=60)
        finally:
            driver.terminate()
