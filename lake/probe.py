"""What can this file system do? Found out once, by trying."""

from __future__ import annotations

import os
from pathlib import Path

from lake import disk

EXCHANGE = "exchange of folders (one atomic rename)"
SWAP = "make-before-break (this file system cannot exchange folders)"


def publish_mode(root: Path) -> str:
    """How are days published in this lake? Tried in .lake/staging; a lake that cannot be written says so."""
    staging = root / ".lake" / "staging"
    if not staging.is_dir():
        return "nothing yet"
    one, other = (staging / f".probe-{os.getpid()}-{i}" for i in (1, 2))
    try:
        for folder in (one, other):
            disk.make_folders(folder)
        disk.exchange(one, other)
    except OSError as error:
        return SWAP if error.errno in disk.REFUSALS else f"nobody: {error.strerror}"
    finally:
        for folder in (one, other):
            if folder.is_dir():
                disk.remove_tree(folder)
    return EXCHANGE
