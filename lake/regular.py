"""Only regular files are read: a pipe or a device in a file's place is named, and never waited for."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import BinaryIO

from meta.errors import Tampered


def opened(path: Path) -> BinaryIO:
    """This file, to be read from its start. Raises FileNotFoundError, Tampered where it is no regular file."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # a pipe without a writer opens at once
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise Tampered(f"{path} is no regular file; move it away, and run the same command again")
        return os.fdopen(fd, "rb")
    except BaseException:
        os.close(fd)
        raise


def read(path: Path) -> bytes:
    """What does this file hold? Raises FileNotFoundError, Tampered where it is no regular file."""
    with opened(path) as file:
        return file.read()
