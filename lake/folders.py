"""A folder people take away is filled beside its place, and is whole under its name or not there."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lake import disk, locks
from lake.settings import shown
from meta.errors import Refused


@contextmanager
def whole(path: Path, mark: str) -> Iterator[Path]:
    """A folder to fill. Once the block ends well it stands at `path`, in one step, in the place of an earlier one.

    mark : a file that each such folder holds; one without it is somebody else's and is left alone.
    Raises Refused for such a one, Busy where another process fills this folder.
    """
    path = path.absolute()
    if path.is_symlink() or (path.exists() and not (path / mark).is_file() and not _is_empty(path)):
        raise Refused(
            f"{shown(path)} is there, and no {mark} in it says it is an export; move it away, or go elsewhere"
        )
    staged = path.with_name(f".{path.name}.part")
    disk.make_folders(path.parent)
    with locks.filling(staged):
        _emptied(staged)
        try:
            yield staged
            disk.sync_loose([each for each in staged.rglob("*") if each.is_file()], staged)
            _put(staged, path)
        finally:
            with contextlib.suppress(FileNotFoundError):  # it has its name, and nothing was there before
                disk.remove_tree(staged)


def _is_empty(path: Path) -> bool:
    return path.is_dir() and not any(path.iterdir())


def _emptied(folder: Path) -> None:
    """Remove what a writer that was struck left here."""
    for left in folder.iterdir():
        disk.remove_tree(left)


def _put(staged: Path, path: Path) -> None:
    if not path.exists() or _is_empty(path):
        disk.place(staged, path)
    else:
        try:
            disk.exchange(staged, path)
        except OSError as error:
            if error.errno not in disk.REFUSALS:
                raise
            # Struck between these two, the folder is absent, and the next run makes it anew.
            old = path.with_name(f".{path.name}.old")
            disk.remove_tree(old)
            disk.place(path, old)
            disk.place(staged, path)
            disk.remove_tree(old)
    disk.sync_folder(path.parent)
