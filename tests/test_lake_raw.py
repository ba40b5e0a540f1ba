"""What venues said is kept once, under its own digest, and no line of the index points to nothing."""

from __future__ import annotations

import errno
import fcntl
import os
import threading
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pyarrow as pa
import pytest

from lake import disk, raw
from lake.manifest import digest
from meta.errors import Tampered
from tests import lakes

BODY = b'{"code":"0","data":[' + b"1," * 400 + b"1]}"


@pytest.fixture
def root() -> Iterator[Path]:
    with lakes.scratch() as where:
        yield where


def answer(sha: str = "", **said: object) -> raw.Answer:
    given = {"symbol": "BTCUSDT", "tf": "5m", "status": 200, "time": "2025-05-01T00:00:00.000Z", **said}
    return raw.Answer(run="r", source="sim", series="price", host="sim", path="/p", sha256=sha, **given)  # type: ignore[arg-type]


def test_a_body_lies_under_its_own_digest_and_comes_back(root: Path) -> None:
    sha = raw.keep(root, BODY)
    assert sha == digest(BODY)
    file = root / "raw" / sha[:2] / f"{sha}.zst"
    assert pa.input_stream(str(file), compression="zstd").read() == BODY
    assert raw.body(root, sha) == BODY and file.stat().st_size < len(BODY)


def test_an_empty_body_is_a_body(root: Path) -> None:
    assert raw.body(root, raw.keep(root, b"")) == b""


def test_a_body_is_written_once(root: Path) -> None:
    sha = raw.keep(root, BODY)
    before = raw.path(root, sha).stat()
    raw.keep(root, BODY)
    after = raw.path(root, sha).stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)
    assert [path.name for path in (root / "raw").rglob("*") if path.is_file()] == [f"{sha}.zst"]


@pytest.mark.parametrize("harm", ["gone", "cut", "other", "more", "empty", "flipped"])
def test_a_damaged_body_is_named_and_healed_by_hearing_it_again(root: Path, harm: str) -> None:
    sha = raw.keep(root, BODY)
    file = raw.path(root, sha)
    data = file.read_bytes()
    other = pa.Codec("zstd").compress(b"another body", asbytes=True)
    flipped = bytes([data[0] ^ 1]) + data[1:]
    harmed = {"cut": data[:-3], "other": other, "more": data + b"x", "empty": b"", "flipped": flipped}
    if harm == "gone":
        file.unlink()
    else:
        file.write_bytes(harmed[harm])
    with pytest.raises(Tampered, match=sha) as told:
        raw.body(root, sha)
    assert "\n" not in str(told.value)
    assert raw.fault(root, sha)
    raw.keep(root, BODY)
    assert raw.fault(root, sha) == ""


def test_a_name_that_is_no_digest_is_no_path(root: Path) -> None:
    assert raw.fault(root, "../../etc/passwd")


def test_lines_come_back_as_they_were_told(root: Path) -> None:
    shas, span = (raw.keep(root, BODY),), ("2025-05-01", "2025-05-02")
    told = [
        raw.Run("r", "t", "5m", "BTCUSDT", "sim", *span, (span,), 0, ("price",), {"force": False}),
        answer(shas[0], params=(("limit", "5"),), start=1, end=2, days=(("2025-05-01", "2025-05-01"),)),
        raw.Day("r", "t", "5m", "BTCUSDT", span[0], "ab" * 32, {"price": shas}, quarantined={"x": "high below low"}),
        raw.End("r", "t", "5m", "BTCUSDT", failed=(("2025-05-02", "2025-05-02", "refused"),)),
    ]
    raw.tell(root, told[:2])
    raw.tell(root, told[2:])
    assert list(raw.lines(root)) == told


def test_a_line_torn_by_a_crash_is_passed_over_and_spoils_no_other(root: Path) -> None:
    raw.tell(root, [answer()])
    whole = raw.index(root).read_bytes()
    raw.index(root).write_bytes(whole + whole[: len(whole) // 2])
    raw.tell(root, [answer(status=404)])
    assert [line.status for line in raw.lines(root) if isinstance(line, raw.Answer)] == [200, 404]


def test_lines_are_chosen_by_whole_values(root: Path) -> None:
    raw.tell(root, [answer(), answer(symbol="BTCUSDTX"), answer(symbol="ETHUSDT")])
    assert [line.symbol for line in raw.lines(root, "BTCUSDT")] == ["BTCUSDT"]
    assert [line.symbol for line in raw.about(lakes.a_shelf(root, "5m", "ETHUSDT"))] == ["ETHUSDT"]
    assert list(raw.about(lakes.a_shelf(root, "1h", "ETHUSDT"))) == []


def test_bodies_are_durable_before_the_lines_that_name_them(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[str] = []
    sync, append = disk.sync_loose, disk.append
    monkeypatch.setattr(disk, "sync_loose", lambda paths, at: (steps.extend(p.name for p in paths), sync(paths, at)))
    monkeypatch.setattr(disk, "append", lambda path, data: (steps.append(path.name), append(path, data)))
    sha = raw.keep(root, BODY)
    raw.tell(root, [answer(sha), answer(status=404)])
    assert steps == [f"{sha}.zst", "index"]


def test_where_bodies_cannot_be_made_durable_nothing_is_told(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sha = raw.keep(root, BODY)
    monkeypatch.setattr(disk, "_SYNCFS", lambda fd: -1)
    with pytest.raises(OSError):
        raw.tell(root, [answer(sha)])
    assert not raw.index(root).exists()


def test_without_syncfs_every_file_and_folder_is_synced(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sha, synced = raw.keep(root, BODY), []
    fsync = os.fsync
    monkeypatch.setattr(os, "fsync", lambda fd: (synced.append(os.readlink(f"/proc/self/fd/{fd}")), fsync(fd)))
    monkeypatch.setattr(disk, "_SYNCFS", None)
    disk.sync_loose([raw.path(root, sha)], root / "raw")
    file = raw.path(root, sha)
    assert set(synced) == {str(file), *(str(p) for p in (file.parent, root / "raw", root))}
    disk.sync_loose([], root / "raw")
    assert len(synced) == 4


def test_a_body_that_cannot_be_written_leaves_no_name_behind(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(fd: int, data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", full)
        with pytest.raises(OSError):
            raw.keep(root, BODY)
    assert [path for path in (root / "raw").rglob("*") if path.is_file()] == []
    assert raw.body(root, raw.keep(root, BODY)) == BODY


def test_what_a_dead_process_of_this_number_left_is_written_over(root: Path) -> None:
    file = raw.path(root, digest(BODY))
    file.parent.mkdir(parents=True)
    left = file.with_name(f".{file.name}.{os.getpid()}.{threading.get_ident()}.tmp")
    left.write_bytes(b"half of")
    assert raw.body(root, raw.keep(root, BODY)) == BODY and not left.exists()


def test_many_tell_at_once_and_no_line_is_lost(root: Path) -> None:
    def tell(name: str) -> None:
        for _ in range(20):
            raw.tell(root, [answer(raw.keep(root, name.encode()), symbol=name)])

    threads = [threading.Thread(target=tell, args=(f"S{i}",)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    told = [line.symbol for line in raw.lines(root)]
    assert sorted(told) == sorted(f"S{i}" for i in range(4) for _ in range(20))


def test_lines_are_added_by_one_at_a_time(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A torn line is closed by looking at the last byte: another's half-written line must not be taken for one."""
    append = disk.append

    def alone(path: Path, data: bytes) -> None:
        with open(root / ".lake" / "locks" / "log") as lock, pytest.raises(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        append(path, data)

    monkeypatch.setattr(disk, "append", alone)
    raw.tell(root, [answer()])


def test_days_are_told_as_stretches() -> None:
    days = [date(2025, 5, 1), date(2025, 5, 2), date(2025, 5, 4)]
    assert raw.spans(days) == (("2025-05-01", "2025-05-02"), ("2025-05-04", "2025-05-04"))
    assert [raw.within(date(2025, 5, d), raw.spans(days)) for d in range(1, 6)] == [True, True, False, True, False]
    assert raw.spans([]) == ()
