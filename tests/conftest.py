"""What has to be known before any test module is imported."""

from __future__ import annotations

import pytest
from hypothesis import settings

settings.register_profile("same", derandomize=True)  # a suite that passed passes again; `make explore` tries others
settings.load_profile("same")
pytest.register_assert_rewrite("tests.conformance")  # a suite of claims that several modules import
