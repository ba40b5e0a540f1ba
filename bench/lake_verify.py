"""How fast is a lake verified, beside hashlib alone over the same files? `python -m bench.lake_verify`

Parts of 5m and of 1m, whose sizes it tells; processor time of one thread, both sides in turn, the least of so many
rounds. hashlib's side opens, reads and hashes every file, and compares nothing.
"""

from __future__ import annotations

import hashlib
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from lake import verify
from meta.columns import BARS
from tests import lakes

LAKES, ROUNDS, BAR = {"5m": 365, "1m": 120}, 15, 0.6


def hashed(paths: list[Path]) -> None:
    """Read and hash these files, one after the other."""
    for path in paths:
        hashlib.sha256(path.read_bytes()).digest()


def took(work: Callable[[], object]) -> float:
    """Seconds of the processor."""
    began = time.process_time()
    work()
    return time.process_time() - began


def main(rounds: int = ROUNDS) -> None:
    """Measure, and print."""
    for tf, count in LAKES.items():
        with tempfile.TemporaryDirectory() as name:
            root = Path(name) / "lake"
            lakes.planted(lakes.a_shelf(root, tf), lakes.the_days(count), columns=BARS)
            paths = [path for path in sorted((root / "parquet").rglob("*")) if path.is_file()]
            assert verify.verify(root) == []
            pairs = [(took(lambda: hashed(paths)), took(lambda: verify.verify(root))) for _ in range(rounds)]  # noqa: B023
            alone, whole = (min(times) for times in zip(*pairs, strict=True))
            size = sum(path.stat().st_size for path in paths)
            each = f"{alone / count * 1e6:4.0f} us a day by hashlib, {whole / count * 1e6:4.0f} verified"
            speed = f"{alone / whole:.0%} of its speed (bar {BAR:.0%}), {size / whole / 1e6:.0f} MB/s"
            print(f"{tf}, parts of {size / count / 1e3:3.0f} kB: {each}, {speed}")


if __name__ == "__main__":
    main()
