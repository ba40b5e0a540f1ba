"""What has to be known before any test module is imported."""

from __future__ import annotations

import pytest

pytest.register_assert_rewrite("tests.conformance")  # a suite of claims that several modules import
