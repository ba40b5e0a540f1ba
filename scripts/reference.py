"""Pages that are written from the code, so that they cannot say anything else: `make docs` writes them anew."""

from __future__ import annotations

import sys
from pathlib import Path

from scripts import checks_page, command_pages, dictionary

PROJECT = Path(__file__).resolve().parent.parent


PAGES = {
    "meta/DICTIONARY.md": dictionary.page,
    "docs/commands.md": command_pages.page,
    "docs/checks.md": checks_page.page,
}


def main() -> None:
    """Write the pages that are not what they should be."""
    for name, page in PAGES.items():
        place, text = PROJECT / name, page()
        if not place.exists() or place.read_text(encoding="utf-8") != text:
            place.write_text(text, encoding="utf-8")
            sys.stdout.write(f"{name} written\n")


if __name__ == "__main__":
    main()
