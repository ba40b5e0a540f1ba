"""Compiled kernels are cached by the content of every kernel file, since numba itself looks at one file's clock alone.

A kernel may call another from the file beside it. numba would go on using a cached kernel after only that other file
changed: values of yesterday's rules under today's name. So each state of the kernels has a cache folder of its own.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from lake.settings import PROJECT

VARIABLE = "NUMBA_CACHE_DIR"
KEPT = 3  # folders of earlier states that are left where they are
_folder: Path | None = None


def prepare() -> None:
    """Point numba at the cache of the kernels as they are now. Best called before numba is imported."""
    global _folder
    if _folder is not None:
        return
    _folder, _ = place()
    os.environ[VARIABLE] = str(_folder)
    if "numba" in sys.modules:
        sys.modules["numba"].config.CACHE_DIR = str(_folder)
    if not _folder.is_dir():
        _forget_old(_folder.parent)


def place() -> tuple[Path, bool]:
    """Where are the kernels as they are now kept, and can anything be kept there?"""
    if _folder is not None:
        return _folder, _writable(_folder)
    named = os.environ.get(VARIABLE)
    if named and Path(named).name == _state():  # a parent's answer, handed to a worker or to a command it started
        return Path(named), _writable(Path(named))
    homes = [Path(named)] if named else [PROJECT / ".numba-cache", Path.home() / ".cache" / "perplake"]
    home = next((home for home in homes if _writable(home)), None)
    return (home or homes[0]) / _state(), home is not None


def is_cold(kernel: str) -> bool:
    """Was the kernel of this name, a file's, never compiled on this machine, so that its first call takes seconds?"""
    return not any(place()[0].glob(f"*/{kernel}.*.nbi"))


def beforehand(calls: Sequence[str]) -> None:
    """Compile what these calls need, where it can be kept and more than one core may do it.

    calls : "module:function", of no arguments, longest first. They are dealt out to a process a core: numba compiles
    one kernel at a time in each. Where one fails, the first real call compiles, or says what is wrong.
    """
    cores = min(os.cpu_count() or 1, len(calls))
    if cores > 1 and place()[1]:
        with ThreadPoolExecutor(cores) as pool:
            list(pool.map(_made, [calls[first::cores] for first in range(cores)]))


def _made(calls: Sequence[str]) -> None:
    lines = [f"from {module} import {function}; {function}()" for module, function in (c.split(":") for c in calls)]
    command = [sys.executable, "-c", "\n".join(lines)]
    subprocess.run(command, cwd=PROJECT, check=False, stdin=subprocess.DEVNULL, capture_output=True)


def _state() -> str:
    """Which state are the kernel files in?"""
    digest = hashlib.sha256()
    for path in sorted(PROJECT.glob("p*_*/kernels/*.py")):
        digest.update(path.relative_to(PROJECT).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def _writable(home: Path) -> bool:
    at = home
    while not at.exists() and at != at.parent:
        at = at.parent
    return at.is_dir() and os.access(at, os.W_OK)


def _forget_old(home: Path) -> None:
    try:
        ours = [path for path in home.iterdir() if re.fullmatch("[0-9a-f]{16}", path.name)]
        old = sorted(ours, key=lambda path: path.stat().st_mtime)
    except OSError:
        return
    for path in old[:-KEPT]:
        shutil.rmtree(path, ignore_errors=True)
