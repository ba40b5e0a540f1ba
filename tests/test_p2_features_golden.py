"""Bits of features and bytes of parts are what they were, or whoever changed them has said so in the digests.

After a change that is meant: `python -m tests.test_p2_features_golden` prints the tables below anew.
"""

from __future__ import annotations

import hashlib
import math
import platform
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from lake import days
from lake.span import Span
from meta.columns import BARS
from meta.datasets import DATASETS
from meta.timeframes import TIMEFRAMES
from p2_features import build as building
from p2_features import catalogue
from p2_features.choice import Asked, chosen
from p2_features.compute import compute
from p2_features.feature import Feature
from p2_features.kernels.scalar import cos_of, log_of, sin_of
from tests import market
from tests.p2_bars import INPUTS

FIRST, SIZE = 5_817_600, 8_800  # 5m bars: four weeks, and some more
AGAIN = "then run `python -m tests.test_p2_features_golden` and put what it prints into this test"

LIBRARIES = "x86_64 pyarrow 26.0.1"
SCALARS = "32387cb350797b0b"
DRAWN = [1175010553, 3892281678, 2582492139]
PARTS = ("535caafaf26b48d5", "62bd2d35b6f81833")
GOLDEN = {
    "ret_5m": ("f13845f515febfea", "bfa12a557deebb64"),
    "ret_1h": ("e291ff052dccf571", "32ce6e5c1ee97d4f"),
    "ret_4h": ("b53c17b1b4d993e3", "cd0c20343a25cff6"),
    "hl_range": ("1f0394ac9b47d8fe", "b697d6e4403b9698"),
    "co_ret": ("200f9733980855cc", "3ed72ada957c35b5"),
    "vol_z": ("def59291210587c5", "5d9e11f13b2957f2"),
    "oi_z": ("2013b3e11615f809", "86c5459cb31ee276"),
    "fund_now_z": ("427618ad0c033347", "2822631c1c5c1f5e"),
    "funding_pctile_30d": ("1bb997a4d9d2ca35", "e0ef0b59fbeb3dca"),
    "cvd_diff_z": ("709d2185975c4259", "faba36ac6cdbf3d0"),
    "perp_share_60m": ("7e90226f27b994da", "34c5dc9606af58f0"),
    "liq60_z": ("69a586a1aac01b81", "caa62bebc13071f6"),
    "rv_5m_z": ("2f14735c822d6925", "2519467aa01418af"),
    "hour_of_week_sin": ("dad943dd1257a556", "3af20be94563ac4f"),
    "hour_of_week_cos": ("4386fedd7aa610d3", "42ff14460805c6df"),
    "funding_carry": ("048aab3442320707", "812b4980cadba214"),
    "funding_change_8h": ("a2a3c33c933bdca7", "2cc6bbc37a18d433"),
    "minutes_to_funding": ("a1c039ed96cb39ba", "fe2e1e23e6a9b526"),
    "oi_change_1h": ("b966ecc22398c5ee", "b7bcda2fcd117621"),
    "oi_per_turnover": ("2bcdf7d1abf26e9f", "62b617a1685dd0ea"),
    "rv_60m_z": ("dad897a8c639ba0c", "a18a8e5e22e0d9b1"),
    "volatility_15m": ("31ceb766e2c05b2b", "43cf38faf44917e6"),
    "volatility_1h": ("75901ea6a99b7312", "66853c22c1658e03"),
    "volatility_4h": ("e7043f4d1b205b90", "a85d369de1e16bda"),
    "volatility_1d": ("1f1e58b9bb527a6b", "6b851af88bfdaf38"),
    "parkinson_1h": ("f192e6bf1b26b43f", "48b7aa8cde7265ce"),
    "garman_klass_1d": ("1d0fb47081452c9f", "f6b5b07d953c60dd"),
    "taker_imbalance": ("cc462e9d27dfe049", "2530d649854e3066"),
    "taker_imbalance_1h": ("49bb6162d7dedd5f", "4380be23b4bc19e7"),
    "taker_imbalance_4h": ("fd2a95511453957b", "07ea2e00c5100af2"),
    "taker_imbalance_1d": ("03d33dc205f9d5a6", "be6c31497e5aa5cd"),
    "liq_imbalance_4h": ("987504c68a32c65c", "362840863bf152d5"),
    "basis_z": ("de21fe7b4142ea94", "22797f7670073fe6"),
    "premium_z": ("a307dd298508b92d", "6520efc5a0af541e"),
    "ls_global_z": ("e03b4ffe883e7e8d", "d0f988abe77532eb"),
    "ls_top_account_z": ("53ce2b346633b38c", "139a84738cc45f97"),
    "ls_top_position_z": ("bc5d67f163c4cd1b", "759c5c8b1c2584b4"),
    "turnover_60m_usual": ("1699fc68635c14bd", "28a3a59f3bce3e95"),
    "_imputed_funding_now": ("ed826e5226a3bbd0", "90bedb910ad1c60c"),
    "_imputed_oi_now": ("62e333b385565175", "29c640e1ae121fda"),
}


def drawn(n: int, stream: int) -> np.ndarray:
    """n whole numbers 0 … 2^32-1, the same on every machine: splitmix64, its upper half."""
    with np.errstate(over="ignore"):
        x = (np.arange(1, n + 1, dtype=np.uint64) + np.uint64(stream << 32)) * np.uint64(0x9E3779B97F4A7C15)
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return ((x ^ (x >> np.uint64(31))) >> np.uint64(32)).astype(np.int64)


def whole_bars(n: int) -> dict[str, np.ndarray]:
    """Bars whose every value is a whole number over a power of two, with holes, ties and missing inputs."""
    steps = drawn(n, 1) % 257 - 128
    close = (30_000 * 64 + np.cumsum(steps)) / 64.0
    open_ = close + (drawn(n, 2) % 65 - 32) / 64.0
    found = {name: (drawn(n, 10 + k) % 4_000_001) / 64.0 for k, name in enumerate(INPUTS)}
    for name in ("ls_top_account", "ls_top_position", "ls_global", "ls_taker"):
        found[name] = (1 + drawn(n, 40 + len(name)) % 1024) / 256.0
    found["funding_now"] = (np.repeat(drawn(n // 8 + 1, 3) % 41, 8)[:n] - 15) / 2.0**17
    found["funding_interval_hours"] = np.where(np.arange(n) < n // 2, 8.0, 4.0)
    found["premium"] = (drawn(n, 4) % 201 - 100) / 2.0**18
    found["mark_price"], found["index_price"] = close + (drawn(n, 5) % 9 - 4) / 64.0, close
    for k, name in enumerate(("liq_long", "liq_short")):
        found[name] = np.where(drawn(n, 60 + k) % 2 == 0, 0.0, found[name])
    for k, name in enumerate(INPUTS):
        found[name][drawn(n, 80 + k) % 101 == 0] = np.nan
    found |= {"open": open_, "close": close}
    found |= {"high": np.maximum(open_, close) + 0.25, "low": np.minimum(open_, close) - 0.25}
    absent = drawn(n, 7) % 173 == 0
    for column in found.values():
        column[absent] = np.nan
    return found


def digest(x: np.ndarray) -> str:
    values = x.astype("<f8")
    values[np.isnan(values)] = np.nan
    return hashlib.sha256(values.tobytes()).hexdigest()[:16]


def features() -> tuple[Feature, ...]:
    return catalogue.load().changed(window_days=1).features(TIMEFRAMES["5m"], "extended")


def bits() -> dict[str, tuple[str, str]]:
    """name -> (digest of what it means, digest of its bits)."""
    found = compute(features(), whole_bars(SIZE), FIRST).values
    return {feature.name: (feature.digest()[:16], digest(found[feature.name])) for feature in features()}


def scalars() -> str:
    """Which digest do the C library's log, sine and cosine have here?"""
    x = (1 + drawn(4_096, 9)) / 2.0**16
    return digest(np.concatenate([log_of(x), sin_of(x), cos_of(x)]))


def part_bytes(folder: Path) -> tuple[str, str]:
    """Digests of the rules, and of the bytes of all parts of a small lake."""
    shelf = market.bars_shelf(folder)
    columns = whole_bars(66 * 24)
    market.commit_bars(shelf, columns, market.the_days(66))
    built = shelf.sibling(DATASETS["features"])
    building.build(built, shelf, Span(), Asked(set_name="core"))
    sha = hashlib.sha256()
    for day in days.committed(built):
        sha.update(days.need(built, day).data)
    return chosen(built, shelf, Asked()).code()[:16], sha.hexdigest()[:16]


def libraries() -> str:
    return f"{platform.machine()} pyarrow {pa.__version__}"


def test_bits_change_only_with_what_a_feature_means_or_with_language() -> None:
    if scalars() != SCALARS:
        pytest.skip("another C library: its logarithm has other last bits")
    now = bits()
    assert now.keys() >= GOLDEN.keys(), f"{' '.join(GOLDEN.keys() - now.keys())} were taken away; {AGAIN}"
    for name, then in GOLDEN.items():
        meaning, values = now[name]
        if values == then[1]:
            continue
        assert meaning != then[0], (
            f"{name} has other bits than before, and its digest does not say so: raise LANGUAGE in "
            f"p2_features/feature.py if that is meant, so that days built before are built anew; {AGAIN}"
        )
        pytest.fail(f"{name} means something else now and has other bits, and its digest says so; {AGAIN}")


def test_bytes_of_parts_change_only_with_the_rules_or_with_version(tmp_path: Path) -> None:
    if scalars() != SCALARS or libraries() != LIBRARIES:
        pytest.skip(f"recorded with {LIBRARIES}, this is {libraries()}, or another C library")
    code, data = part_bytes(tmp_path)
    if data == PARTS[1]:
        return
    assert code != PARTS[0], (
        "parts have other bytes than before, and their code digest does not say so: raise the VERSION of `features` in "
        f"meta/datasets.py if that is meant, so that days built before are built anew; {AGAIN}"
    )
    pytest.fail(f"parts have other bytes than before, and their code digest says so; {AGAIN}")


def test_every_golden_feature_has_values_to_be_golden_about() -> None:
    found = compute(features(), whole_bars(SIZE), FIRST).values
    for name, x in found.items():
        values = x.astype(np.float64)
        assert np.isfinite(values).sum() > 500, name
        assert len(np.unique(values[np.isfinite(values)])) >= (2 if x.dtype == bool else 3), name


def test_the_inputs_are_exact_and_those_of_bars() -> None:
    known = {column.name for column in BARS}
    for name, x in whole_bars(2_000).items():
        assert name in known
        finite = x[np.isfinite(x)]
        assert finite.size > 1_800, name
        assert (finite * 2.0**18 == np.round(finite * 2.0**18)).all(), name
    assert drawn(3, 1).tolist() == DRAWN
    assert math.isclose(float(np.nanmean(whole_bars(SIZE)["close"])), 30_000, rel_tol=0.05)


def main() -> None:
    """Print the tables as they are now."""
    print(f'LIBRARIES = "{libraries()}"\nSCALARS = "{scalars()}"\nDRAWN = {drawn(3, 1).tolist()}')
    with tempfile.TemporaryDirectory() as folder:
        print("PARTS = ({})".format(", ".join(f'"{each}"' for each in part_bytes(Path(folder)))))
    print("GOLDEN = {")
    for name, (meaning, values) in bits().items():
        print(f'    "{name}": ("{meaning}", "{values}"),')
    print("}")


if __name__ == "__main__":
    main()
