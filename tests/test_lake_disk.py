"""Every change to the disk is one of disk's few calls, and each does what it says whatever the kernel does."""

from __future__ import annotations

import ast
import errno
import os
from pathlib import Path

import pytest

from lake import disk, locks
from tests import lakes
from tests.tap import EXCHANGE, Killed, Point, Tap, tapped

PROJECT = Path(__file__).resolve().parent.parent
PACKAGES = ("meta", "lake", "p1_ingest", "p2_features", "p3_labels", "reports")

# Only lake/disk.py changes files. locks.py signs lock files itself: a lock is no data, and its failures are borne.
# compiled.py clears numba's cache, which is in no lake.
MAY = {
    "lake/disk.py": None,
    "lake/locks.py": {"os.open", "os.ftruncate", "os.pwrite"},
    "lake/compiled.py": {"shutil.rmtree"},
}
CHANGES_OS = {
    "rename", "renames", "replace", "unlink", "remove", "removedirs", "rmdir", "mkdir", "makedirs", "write", "pwrite",
    "writev", "truncate", "ftruncate", "link", "symlink", "chmod", "chown", "utime", "mkfifo", "mknod", "sendfile",
}  # fmt: skip
CHANGES_PATH = {
    "write_text", "write_bytes", "unlink", "mkdir", "rmdir", "touch", "symlink_to", "hardlink_to", "chmod", "rename",
}  # fmt: skip
WRITERS = {
    "write_table",
    "write_parquet",
    "write_csv",
    "sink_parquet",
    "sink_csv",
    "write_dataset",
    "tofile",
    "savetxt",
}
WRITE_FLAGS = {"O_WRONLY", "O_RDWR", "O_CREAT", "O_TRUNC", "O_APPEND"}


def _changes(tree: ast.AST) -> list[tuple[int, str]]:
    """Which calls in this source change files: (line, what)?"""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module in ("shutil", "os", "tempfile"):
            names = {alias.name for alias in node.names}
            if node.module != "os" or names & (CHANGES_OS | {"open"}):
                found.append((node.lineno, f"from {node.module} import …"))
        if not isinstance(node, ast.Call):
            continue
        if isinstance(node.func, ast.Name) and node.func.id == "open" and _writes(node, 1):
            found.append((node.lineno, "open"))
        if not isinstance(node.func, ast.Attribute):
            continue
        name, of = node.func.attr, node.func.value
        module = of.id if isinstance(of, ast.Name) else None
        if module == "os" and name in CHANGES_OS:
            found.append((node.lineno, f"os.{name}"))
        elif module == "os" and name == "open":
            if any(isinstance(part, ast.Attribute) and part.attr in WRITE_FLAGS for part in ast.walk(node)):
                found.append((node.lineno, "os.open"))
        elif module in ("shutil", "tempfile"):
            found.append((node.lineno, f"{module}.{name}"))
        elif module not in ("disk", "os") and name in CHANGES_PATH:
            found.append((node.lineno, f".{name}"))
        elif module is None and name == "replace" and len(node.args) == 1 and not node.keywords:
            found.append((node.lineno, ".replace"))  # Path.replace(target); str.replace takes two
        elif name == "open" and _writes(node, 0):
            found.append((node.lineno, ".open"))
        elif name in WRITERS and node.args and not _in_memory(node):
            found.append((node.lineno, f".{name}"))
    return found


def _writes(call: ast.Call, position: int) -> bool:
    modes = [*call.args[position : position + 1], *(word.value for word in call.keywords if word.arg == "mode")]
    return any(isinstance(mode, ast.Constant) and set(str(mode.value)) & set("wax+") for mode in modes)


def _in_memory(call: ast.Call) -> bool:
    """Does a writer of tables write to a buffer: an argument called sink or buffer?"""
    names = {arg.id for arg in call.args if isinstance(arg, ast.Name)}
    return bool(names & {"sink", "buffer", "out"})


def test_no_other_module_changes_the_disk() -> None:
    wrong = []
    for package in PACKAGES:
        for path in sorted((PROJECT / package).rglob("*.py")):
            name = path.relative_to(PROJECT).as_posix()
            may = MAY.get(name, set())
            for line, what in _changes(ast.parse(path.read_text(encoding="utf-8"))):
                if may is not None and what not in may:
                    wrong.append(f"{name}:{line} {what}")
    assert not wrong, "go through lake/disk.py, so that each change can be made to fail: " + ", ".join(wrong)


@pytest.mark.parametrize(
    "source",
    [
        "import os\nos.rename(a, b)",
        "import os\nos.open(p, os.O_WRONLY | os.O_CREAT)",
        "open(p, 'w')",
        "open(p, mode='ab')",
        "p.open('r+')",
        "p.write_text('x')",
        "Path(a).replace(b)",
        "p.mkdir(parents=True)",
        "import shutil\nshutil.rmtree(p)",
        "from shutil import rmtree",
        "from os import unlink",
        "pq.write_table(t, path)",
        "import tempfile\ntempfile.mkdtemp()",
    ],
)
def test_the_scan_sees_a_change(source: str) -> None:
    assert _changes(ast.parse(source))


@pytest.mark.parametrize("source", ["open(p)", "open(p, 'rb')", "a.replace('x', 'y')", "os.open(p, os.O_RDONLY)"])
def test_the_scan_passes_over_reading(source: str) -> None:
    assert not _changes(ast.parse(source))


def test_a_new_file_is_never_written_over(tmp_path: Path) -> None:
    (tmp_path / "there").write_bytes(b"kept")
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    for name in ("there", "link"):
        with pytest.raises(FileExistsError):
            disk.write_new(tmp_path / name, b"lost")
    assert (tmp_path / "there").read_bytes() == b"kept" and not (tmp_path / "elsewhere").exists()


def test_short_writes_are_finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: real(fd, bytes(data)[:3]))
    disk.write_new(tmp_path / "file", b"0123456789")
    assert (tmp_path / "file").read_bytes() == b"0123456789"


def test_a_torn_last_line_is_closed_before_the_next(tmp_path: Path) -> None:
    for before, after in ((b"", b"b\n"), (b"a\n", b"a\nb\n"), (b"tor", b"tor\nb\n")):
        (tmp_path / "log").write_bytes(before)
        disk.append(tmp_path / "log", b"b\n")
        assert (tmp_path / "log").read_bytes() == after


def test_exchange_swaps_two_folders(tmp_path: Path) -> None:
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / name).touch()
    disk.exchange(tmp_path / "one", tmp_path / "other")
    assert (tmp_path / "one" / "other").exists() and (tmp_path / "other" / "one").exists()


def test_exchange_says_why_it_cannot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "one").mkdir()
    with pytest.raises(FileNotFoundError):
        disk.exchange(tmp_path / "one", tmp_path / "absent")
    monkeypatch.setattr(disk, "_RENAME", None)
    with pytest.raises(OSError) as error:
        disk.exchange(tmp_path / "one", tmp_path / "one")
    assert error.value.errno in disk.REFUSALS


def test_place_takes_a_free_or_empty_name_only(tmp_path: Path) -> None:
    for name in ("one", "two", "empty", "full"):
        (tmp_path / name).mkdir()
    (tmp_path / "full" / "file").touch()
    disk.place(tmp_path / "one", tmp_path / "free")
    disk.place(tmp_path / "two", tmp_path / "empty")
    with pytest.raises(OSError) as error:
        disk.place(tmp_path / "empty", tmp_path / "full")
    assert error.value.errno in (errno.ENOTEMPTY, errno.EEXIST)


def test_remove_tree_does_not_follow_links(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    (tmp_path / "gone" / "deep").mkdir(parents=True)
    kept.mkdir()
    (kept / "file").touch()
    (tmp_path / "gone" / "deep" / "link").symlink_to(kept)
    (tmp_path / "gone" / "file").touch()
    disk.remove_tree(tmp_path / "gone")
    disk.remove_tree(tmp_path / "gone")
    assert (kept / "file").exists() and not (tmp_path / "gone").exists()


def test_make_folders_does_not_take_a_file_for_a_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    for name in ("file", "dangling"):
        with pytest.raises(OSError):
            disk.make_folders(tmp_path / name / "below")
    disk.make_folders(tmp_path / "a" / "b")
    disk.make_folders(tmp_path / "a" / "b")


def test_an_export_is_whole_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "out" / "bars.csv"
    target.parent.mkdir()
    disk.write_over(target, b"old")
    with tapped(Tap(tmp_path), EXCHANGE) as tap:
        disk.write_over(target, b"new")
    for number, call in enumerate(tap.calls):
        for kind in ("before", "EIO", "ENOSPC"):
            target.write_bytes(b"old")
            with tapped(Tap(tmp_path, Point(number, kind, call)), EXCHANGE), pytest.raises((Killed, OSError)):
                disk.write_over(target, b"new")
            assert target.read_bytes() in (b"old", b"new")
            assert kind == "before" or len(list(target.parent.iterdir())) == 1, "an error leaves no litter"
            for litter in target.parent.glob(".*.tmp"):
                litter.unlink()


def test_an_export_does_not_follow_a_link(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_bytes(b"kept")
    (tmp_path / "out").symlink_to(tmp_path / "elsewhere")
    disk.write_over(tmp_path / "out", b"new")
    assert (tmp_path / "elsewhere").read_bytes() == b"kept" and (tmp_path / "out").read_bytes() == b"new"


def test_locks_change_nothing_but_lock_files(tmp_path: Path) -> None:
    """What locks.py does to the disk by itself happens in .lake/locks."""
    with (
        tapped(Tap(tmp_path), EXCHANGE) as tap,
        locks.job(lakes.a_shelf(tmp_path)),
        locks.publishing(tmp_path),
        locks.telling(tmp_path),
    ):
        pass
    assert {call.role for call in tap.calls if call.function not in ("mkdir", "fsync")} == {
        ".lake/locks/log", ".lake/locks/publish", ".lake/locks/turnstile", ".lake/locks/parquet~#h~BTCUSDT",
    }  # fmt: skip
