"""Every change to the disk is one of disk's few calls, and each does what it says whatever the kernel does."""

from __future__ import annotations

import ast
import ctypes
import errno
import os
import sys
import threading
import types
from collections.abc import Callable
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
LOOKS = {"disk_usage", "get_terminal_size", "which"}  # of shutil: they change nothing
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
        elif module in ("shutil", "tempfile") and name not in LOOKS:
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
    """Does a writer of tables write to a buffer: an argument called sink or buffer, or a writer opened over one?"""
    names = {arg.id for arg in call.args if isinstance(arg, ast.Name)}
    opened = isinstance(call.func, ast.Attribute) and ast.unparse(call.func.value) == "writer"
    return opened or bool(names & {"sink", "buffer", "out"})


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


@pytest.mark.parametrize(
    "source",
    ["open(p)", "open(p, 'rb')", "a.replace('x', 'y')", "os.open(p, os.O_RDONLY)", "shutil.disk_usage(p)"],
)
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
    for before, after in ((b"", b"b\n"), (b"a\n", b"a\nb\n"), (b"tor", b"tor\nb\n"), (b"t", b"t\nb\n")):
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


def test_what_a_dead_process_of_this_very_number_left_is_in_nobodys_way(tmp_path: Path) -> None:
    (tmp_path / f".out.{os.getpid()}.tmp").write_bytes(b"half of what it wrote")
    disk.write_over(tmp_path / "out", b"new")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("out", b"new")]


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


def test_folders_that_another_process_makes_meanwhile_are_as_good(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = os.mkdir
    monkeypatch.setattr(os, "mkdir", lambda path: (made(path), made(path)))
    disk.make_folders(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").is_dir()


def test_a_file_that_takes_a_folders_name_meanwhile_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = os.mkdir

    def mkdir(path: Path) -> None:
        path.touch()
        made(path)

    monkeypatch.setattr(os, "mkdir", mkdir)
    with pytest.raises(FileExistsError):
        disk.make_folders(tmp_path / "a")


@pytest.mark.parametrize("left", ["nothing", "a folder", "a file of this very name"])
def test_a_loose_file_is_whole_whatever_is_there_before(tmp_path: Path, left: str) -> None:
    path = tmp_path / "ab" / "body"
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}.tmp")
    if left != "nothing":
        path.parent.mkdir()
    if left == "a file of this very name":
        temporary.write_bytes(b"half")
    disk.write_loose(path, b"whole")
    assert [(each.name, each.read_bytes()) for each in path.parent.iterdir()] == [("body", b"whole")]


def test_a_loose_file_that_cannot_be_written_leaves_the_old_one_and_no_litter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "body"
    disk.write_loose(path, b"old")

    def full(fd: int, data: bytes) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(disk, "write_all", full)
    with pytest.raises(OSError, match="No space"):
        disk.write_loose(path, b"new")
    assert [(each.name, each.read_bytes()) for each in tmp_path.iterdir()] == [("body", b"old")]
    monkeypatch.undo()
    held = len(os.listdir("/dev/fd"))
    disk.write_loose(path, b"new")
    assert path.read_bytes() == b"new" and len(os.listdir("/dev/fd")) == held


def synced(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is made durable from now on: file system by file system, file by file, folder by folder."""
    told: list[str] = []

    def syncfs(fd: int) -> int:
        told.append(f"fs {os.readlink(f'/proc/self/fd/{fd}')}")
        return 0

    monkeypatch.setattr(disk, "_SYNCFS", syncfs)
    monkeypatch.setattr(os, "fsync", lambda fd: told.append(os.readlink(f"/proc/self/fd/{fd}")))
    return told


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc, which names what is open")
def test_what_is_to_be_durable_at_once_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def writes_over() -> None:
        disk.write_over(tmp_path / "it", b"x")

    told = synced(monkeypatch)
    asked: list[tuple[Callable[[], None], list[str]]] = [
        (lambda: disk.write_new(tmp_path / "new", b"x"), ["new"]),
        (lambda: disk.create(tmp_path / "created", b"x"), []),
        (lambda: disk.append(tmp_path / "log", b"x\n"), ["log"]),
        (lambda: disk.make_folders(tmp_path / "a" / "b"), [".", "a"]),
        (lambda: disk.make_folder(tmp_path / "c"), []),
        (writes_over, [f".it.{os.getpid()}.tmp", "."]),
        (lambda: disk.sync_folder(tmp_path / "a"), ["a"]),
        (lambda: disk.sync_all([tmp_path / "new", tmp_path / "log"]), ["new", "log"]),
    ]
    for do, durable in asked:
        told.clear()
        held = len(os.listdir("/dev/fd"))
        do()
        assert [os.path.relpath(path, tmp_path) for path in told] == durable
        assert len(os.listdir("/dev/fd")) == held


def test_what_is_written_is_read_by_all_and_is_no_program(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        disk.create(tmp_path / "created", b"x")
        disk.append(tmp_path / "log", b"x")
        disk.write_over(tmp_path / "over", b"x")
        disk.write_loose(tmp_path / "loose", b"x")
        disk.write_loose(tmp_path / "new" / "loose", b"x")
    finally:
        os.umask(before)
    assert {path.stat().st_mode & 0o777 for path in tmp_path.rglob("*") if path.is_file()} == {0o644}


def test_nothing_is_added_to_what_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "log")
    with pytest.raises(OSError, match="is no regular file") as told:
        disk.append(tmp_path / "log", b"x")
    assert told.value.errno == errno.EINVAL and told.value.filename == str(tmp_path / "log")


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc, which names what is open")
def test_many_loose_files_wait_for_the_disk_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = [tmp_path / "raw" / name / "body" for name in ("ab", "cd")]
    for path in paths:
        disk.write_loose(path, b"body")
    told, held = synced(monkeypatch), len(os.listdir("/dev/fd"))
    disk.sync_loose([], tmp_path / "raw")
    assert told == []
    disk.sync_loose(paths, tmp_path / "raw")
    assert told == [f"fs {tmp_path}/raw"] and len(os.listdir("/dev/fd")) == held


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc, which names what is open")
def test_where_a_file_system_is_not_synced_whole_each_file_and_name_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = [tmp_path / "raw" / name / "body" for name in ("ab", "cd")]
    for path in paths:
        disk.write_loose(path, b"body")
    told, held = synced(monkeypatch), len(os.listdir("/dev/fd"))
    monkeypatch.setattr(disk, "_SYNCFS", None)
    disk.sync_loose(paths, tmp_path / "raw")
    above = [tmp_path / "raw", tmp_path / "raw" / "ab", tmp_path / "raw" / "cd", tmp_path]
    assert told == [str(path) for path in (*paths, *above)] and len(os.listdir("/dev/fd")) == held


def test_a_file_system_that_does_not_confirm_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(fd: int) -> int:
        ctypes.set_errno(errno.EIO)
        return -1

    disk.write_loose(tmp_path / "body", b"body")
    monkeypatch.setattr(disk, "_SYNCFS", fails)
    with pytest.raises(OSError, match="Input/output") as told:
        disk.sync_loose([tmp_path / "body"], tmp_path)
    assert told.value.filename == str(tmp_path)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no syncfs")
def test_why_a_file_system_does_not_confirm_is_known() -> None:
    ctypes.set_errno(0)
    assert disk._SYNCFS is not None and disk._SYNCFS(-1) == -1 and ctypes.get_errno() == errno.EBADF


@pytest.mark.parametrize(
    ("platform", "name", "asked"),
    [("darwin", "renamex_np", (b"a", b"b", 2)), ("linux", "renameat2", (-100, b"a", -100, b"b", 2))],
)
def test_each_platform_exchanges_by_its_own_call(
    platform: str, name: str, asked: tuple[object, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[object] = []

    def call(*args: object) -> int:
        heard.extend(getattr(arg, "value", arg) for arg in args)
        return 0

    libc = types.SimpleNamespace(**{name: call})
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(ctypes, "CDLL", lambda name, use_errno: libc)
    rename = disk._native_rename()
    assert rename and rename(b"a", b"b", disk.RENAME_EXCHANGE) == 0 and tuple(heard) == asked
    delattr(libc, name)
    assert disk._native_rename() is None, "an older system: the other way of publishing"


@pytest.mark.parametrize("count", [1, disk.MANY - 1, disk.MANY, 3 * disk.MANY])
def test_all_that_is_to_be_durable_is_synced(tmp_path: Path, count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    told = []
    monkeypatch.setattr(disk, "sync", told.append)
    disk.sync_all([tmp_path / str(i) for i in range(count)])
    assert sorted(told) == sorted(tmp_path / str(i) for i in range(count))


def test_one_file_that_is_not_durable_is_told_among_many(tmp_path: Path) -> None:
    for count in (2, disk.MANY):
        with pytest.raises(FileNotFoundError):
            disk.sync_all([tmp_path] * (count - 1) + [tmp_path / "none"])


def test_a_scratch_folder_is_gone_with_all_it_holds() -> None:
    with disk.scratch() as folder:
        (folder / "spilled").write_bytes(b"x")
        assert folder.name.startswith("perplake-")
    assert not folder.exists()


@pytest.mark.parametrize("code", [None, errno.EPERM, errno.EXDEV, errno.EMLINK, errno.EOPNOTSUPP])
def test_a_second_name_is_a_copy_where_the_file_system_has_none(
    tmp_path: Path, code: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "one").write_bytes(b"part")

    def refuses(*_: object, **__: object) -> None:
        raise OSError(code, os.strerror(code or 0))

    if code:
        monkeypatch.setattr(os, "link", refuses)
    disk.link(tmp_path / "one", tmp_path / "other")
    assert (tmp_path / "other").read_bytes() == b"part"
    assert (tmp_path / "other").samefile(tmp_path / "one") == (code is None)


def test_a_disk_that_fails_to_link_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(FileNotFoundError):
        disk.link(tmp_path / "none", tmp_path / "other")

    def fails(*_: object, **__: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    (tmp_path / "one").write_bytes(b"part")
    monkeypatch.setattr(os, "link", fails)
    with pytest.raises(OSError, match="Input/output"):
        disk.link(tmp_path / "one", tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_a_second_name_of_a_link_is_the_links(tmp_path: Path) -> None:
    (tmp_path / "one").write_bytes(b"part")
    (tmp_path / "way").symlink_to(tmp_path / "one")
    disk.link(tmp_path / "way", tmp_path / "other")
    assert (tmp_path / "other").is_symlink(), "nothing outside of the lake gets a name in it"
