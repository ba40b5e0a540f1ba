"""A plugin of pytest: the tests that fail soonest go first, by how long each took and how often it failed before.

python -m pytest -p scripts.soonest --soonest=known.json
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

NEVER_RUN = 1.0  # seconds a test is taken to last that was not run yet


class Soonest:
    """What is known of each test: the seconds it took, and how often it failed."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.known: dict[str, list[float]] = json.loads(file.read_text()) if file.exists() else {}

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Put the tests in their order."""
        items.sort(key=lambda item: self._seconds_a_failure(item.nodeid))

    def _seconds_a_failure(self, test: str) -> float:
        took, failed = self.known.get(test, (NEVER_RUN, 0))
        return took / (1 + failed)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Learn from a test that has run."""
        took, failed = self.known.get(report.nodeid, (0.0, 0))
        if report.failed:
            self.known[report.nodeid] = [took, failed + 1]
        elif report.when == "call":
            self.known[report.nodeid] = [report.duration, failed]

    def pytest_sessionfinish(self) -> None:
        """Keep it for the next run."""
        self.file.write_text(json.dumps(self.known))


def pytest_addoption(parser: pytest.Parser) -> None:
    """The file in which it is kept."""
    parser.addoption("--soonest", type=Path, required=True, help="where it is kept how long tests took")


def pytest_configure(config: pytest.Config) -> None:
    """Take part."""
    config.pluginmanager.register(Soonest(config.getoption("soonest")))
