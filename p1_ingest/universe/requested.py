"""Which symbols is a universe asked for: named inline, in files, by conf, or all the archive ever had?"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from lake.settings import shown
from meta.errors import BadPayload, NotReady, Usage
from meta.symbols import SYMBOL
from meta.symbols import symbol as checked_symbol
from p1_ingest.sources import binance_contracts as contracts
from p1_ingest.universe.evidence import Venue

LARGEST = 1 << 20  # bytes of a file of symbols


def named(inline: Iterable[str], file: Path | None = None) -> list[str]:
    """Which symbols do these words mean: `A,B`, `@file`, mixed, and a file? Upper-cased, each once, in their order.

    Raises Usage.
    """
    words = [word for text in inline for word in text.split(",") if word.strip()]
    found = [name for word in words for name in _meant(word.strip())]
    found += _of_file(file) if file else []
    return list(dict.fromkeys(checked_symbol(name) for name in found))


def _meant(word: str) -> list[str]:
    return _of_file(Path(word[1:])) if word.startswith("@") else [word]


def _of_file(path: Path) -> list[str]:
    """One symbol or several a line, by commas or blanks; what follows # is for people."""
    try:
        if path.stat().st_size > LARGEST:
            raise Usage(f"{shown(path)} is larger than {LARGEST:,} bytes; give a text file of symbols")
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise Usage(f"{shown(path)}, a file of symbols, cannot be read: {_why(error)}") from None
    found = [word for line in text.splitlines() for word in line.split("#")[0].replace(",", " ").split()]
    if not found:
        raise Usage(f"{shown(path)} names no symbol; write one a line")
    return found


def _why(error: OSError | UnicodeDecodeError) -> str:
    return error.strerror or "error" if isinstance(error, OSError) else "it is not UTF-8 text"


def of_archive(venue: Venue, quotes: Sequence[str], tell: Callable[[str], None]) -> list[str]:
    """Which perpetuals of these quotes has the archive a folder of, the delisted ones too? And those that the venue's
    own list of today names beside, which may be too young to have one.

    Raises NotReady where the archive keeps no listing.
    """
    try:
        found = contracts.folders(venue.fetch)
    except (NotReady, BadPayload) as error:
        raise NotReady(f"--all needs the archive's listing, and it does not answer ({error}); name --symbols") from None
    wanted = [name for name in found if name.endswith(tuple(quotes)) and "_" not in name]
    kept = {name for name in wanted if SYMBOL.fullmatch(name)}
    if odd := len(wanted) - len(kept):
        tell(f"{odd} symbols of other scripts are left out: no folder of a lake has such a name")
    kept |= {one.symbol for one in _today(venue, tell) if one.quote in quotes and SYMBOL.fullmatch(one.symbol)}
    if not kept:
        raise NotReady(f"the archive lists no perpetual in {', '.join(quotes)}; name --symbols")
    return sorted(kept)


def _today(venue: Venue, tell: Callable[[str], None]) -> list[contracts.Contract]:
    from meta.errors import PerplakeError

    try:
        return list(contracts.contracts(venue.fetch(contracts.info_request())).values())
    except PerplakeError as error:
        tell(f"the venue's list of today's contracts is not used ({error}); the archive's folders are")
        return []
