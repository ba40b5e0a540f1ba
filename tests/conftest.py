"""What has to be known before any test module is imported."""

from __future__ import annotations

import signal

import pytest
from hypothesis import settings

settings.register_profile("same", derandomize=True)  # a suite that passed passes again; `make explore` tries others
settings.load_profile("same")
pytest.register_assert_rewrite("tests.conformance")  # a suite of claims that several modules import
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as in the background of a script; children would inherit it
    signal.signal(signal.SIGINT, signal.default_int_handler)
