"""Links, pipes, strangers' files, full and closed disks: one line, and the lake as it was."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lake import catalog, commit, days, following, locks
from lake.layout import Shelf
from meta.errors import Refused
from tests import lakes
from tests.mains import called

MOUNTS = os.geteuid() == 0 and shutil.which("mount") is not None


@pytest.fixture
def root() -> Iterator[Path]:
    with lakes.scratch() as where:
        yield where


def write(shelf: Shelf, seed: int = 2) -> None:
    with commit.writing(shelf) as writer:
        writer.stage(lakes.DAY, lakes.a_day(lakes.DAY, shelf.tf, seed=seed), lakes.SOURCE)
        writer.publish()


@pytest.mark.parametrize("where", ["parquet", "parquet/1h", "parquet/1h/BTCUSDT", "parquet/1h/BTCUSDT/y=2025"])
def test_no_writer_follows_a_link_out_of_the_lake(root: Path, tmp_path: Path, where: str) -> None:
    shelf = lakes.committed(lakes.a_shelf(root), seed=1)
    shutil.move(root / where, tmp_path / "elsewhere")
    (root / where).symlink_to(tmp_path / "elsewhere")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(Refused, match=r"leads out of the lake by a link; put a folder in the link's place"):
        write(shelf)
    with pytest.raises(Refused, match="leads out of the lake"), commit.writing(shelf) as writer:
        writer.remove(lakes.DAY)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
    assert lakes.staged(root) == []


def test_a_lake_that_is_itself_behind_a_link_is_written(root: Path) -> None:
    (root / "disk").mkdir()
    (root / "lake").symlink_to(root / "disk")
    write(lakes.a_shelf(root / "lake"))
    assert days.need(lakes.a_shelf(root / "disk"), lakes.DAY)


def test_a_strangers_database_in_the_catalogs_place_is_replaced_and_never_opened(root: Path) -> None:
    lakes.committed(lakes.a_shelf(root))
    place = catalog.path_for(root)
    place.parent.mkdir(parents=True, exist_ok=True)
    os.mkfifo(place.with_name("other.duckdb"))  # whoever opened it would wait for ever
    place.write_bytes(b"no database at all")
    code, told = called(f"lake views --lake {root}")
    assert code == 0 and "bars_1h" in told
    assert place.read_bytes()[8:12] == b"DUCK"


def test_a_pipe_where_follow_tells_of_itself_holds_nobody_up(root: Path) -> None:
    path = following.path(lakes.a_shelf(root))
    path.parent.mkdir(parents=True)
    os.mkfifo(path)
    assert following.all_of(root) == []


@pytest.mark.parametrize(
    "odd", [b'"last_bar": 99999999999999999999', b'"started": -1e30', b'"tf": "7m"', b'"beat": "x"']
)
def test_what_follow_cannot_have_told_is_not_told(root: Path, odd: bytes) -> None:
    told = {b'"last_bar": 5', b'"started": 1', b'"tf": "5m"', b'"beat": 2', b'"symbol": "B"', b'"source": "s"',
            b'"pid": 1', b'"host": "h"', b'"state": "following"'}  # fmt: skip
    path = following.path(lakes.a_shelf(root))
    path.parent.mkdir(parents=True)
    path.write_bytes(b"{" + b", ".join(sorted(told)) + b"}")
    assert len(following.all_of(root)) == 1
    name = odd.split(b":")[0]
    path.write_bytes(b"{" + b", ".join(sorted({one for one in told if not one.startswith(name)} | {odd})) + b"}")
    assert following.all_of(root) == []


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Callable[..., Path]]:
    """Mount a small file system in memory, with these options; gone at the end."""
    if not MOUNTS:
        pytest.skip("needs root, to mount a small disk")
    place = tmp_path / "disk"
    place.mkdir()

    def mount(*options: str) -> Path:
        done = subprocess.run(["mount", "-t", "tmpfs", *options, "tmpfs", str(place)], capture_output=True, check=False)
        if done.returncode:
            pytest.skip("needs the right to mount a small disk")
        return place

    yield mount
    subprocess.run(["umount", "-l", str(place)], capture_output=True, check=False)


def test_a_full_disk_is_one_line_and_the_next_run_ends_alike(mounted: Callable[..., Path]) -> None:
    disk = mounted("-o", "size=600k")
    shelf = lakes.committed(lakes.a_shelf(disk), seed=1)
    before = lakes.day_folders(disk)
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while file.write(b"x" * 4096):
                pass
        except OSError:
            pass
    with pytest.raises(OSError, match="No space left"):
        write(shelf)
    assert lakes.day_folders(disk) == before and days.need(shelf, lakes.DAY)
    code, told = called(f"lake status --lake {disk}")
    assert code == 0 and "1h" in told, "looking goes on"
    filler.unlink()
    write(shelf)
    assert lakes.staged(disk) == [] and lakes.day_folders(disk) != before


def test_a_disk_that_may_only_be_read_is_read_and_not_written(mounted: Callable[..., Path]) -> None:
    disk = mounted()
    shelf = lakes.committed(lakes.a_shelf(disk), seed=1)
    before = lakes.day_folders(disk)
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True, capture_output=True)
    with pytest.raises(OSError, match="Read-only"):
        write(shelf)
    for line in (f"lake verify --lake {disk}", f"lake status --lake {disk}"):
        assert called(line)[0] == 0, line
    assert lakes.day_folders(disk) == before and locks.holder(shelf) is None
