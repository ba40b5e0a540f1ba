"""Which names a symbol may have, and which folder it lives in."""

from __future__ import annotations

import re

from meta.errors import Usage

# Archive names may be non-ASCII (a Chinese meme coin); folders stay ASCII, so those are refused by name.
SYMBOL = re.compile(r"[A-Z0-9]{1,40}(?:[_-][A-Z0-9]{1,20}){0,3}")


def symbol(name: str) -> str:
    """Is this a symbol we may keep a folder for? Returns it upper-cased.

    Raises Usage where it is not (path separators, dots, blanks, non-ASCII).
    """
    folded = name.upper()
    if not name.isascii() or not SYMBOL.fullmatch(folded):
        raise Usage(f"symbol {name!r} is not a venue symbol such as BTCUSDT: letters, digits, single - or _")
    return folded
