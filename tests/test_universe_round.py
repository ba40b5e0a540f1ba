"""Define, download and export: every symbol-day is accounted for, twice the same bytes, and no survivor's tale."""

from __future__ import annotations

import os
import subprocess
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from lake import universes
from tests import cast, lakes, universe_round


def tried(length: int, steady: int, again_from: str) -> None:
    with lakes.scratch() as root, universe_round.archive(root / "archive", length, steady) as lives:
        found = universe_round.made(root / "a", lives, length)
        counts = universe_round.accounted(found)
        days = [date.fromisoformat(day.date) for day in found.universe.daily_snapshots]
        ours, theirs = universes.active(found.universe), universe_round.by_todays_list(lives, days)
        # TORNUSDT's broken file of metrics serves two days, and nothing else is missing in the export.
        assert counts["missing_in_export"] == 2 == found.downloaded["stats"]["failed"]
        assert counts["exported"] == sum(map(len, ours.values())) - 2
        assert set(counts) == {
            "exported", "missing_in_export", "not_listed_yet", "delisted", "between_listings", "no_kline_on_date",
            "partial_day", "unverified_kline", "unknown_symbol",
        }  # fmt: skip
        dead = {life.symbol for life in lives if not life.survives(length - 1 + universe_round.AFTER)}
        assert dead == {"GONEUSDT", "DOOMEDUSDT", "BYGONEUSDT"}
        assert not any(dead & names for names in theirs.values())
        lived = sum(len(names & dead) for names in ours.values())
        assert lived == length // 2 + 1 + length - 1, "both, to the day each of them ended"
        assert universe_round.mean_coin(found, ours) < universe_round.mean_coin(found, theirs) - 0.1
        hole = next(life for life in lives if life.hole).hole
        assert hole is not None
        where = found.arrays / "timestamp" / f"{cast.on(hole[0]):%Y%m%d}.npy"
        assert (np.load(where)[0] == 0).sum() >= hole[2] - hole[1], "a hole is a hole in the arrays too"
        lake = lakes.copied(root / "a" / "lake", root / "b" / "lake") if again_from == "the same lake" else None
        again = universe_round.made(root / "b", lives, length, lake)
        assert universe_round.everything(again.root) == universe_round.everything(found.root)


def test_a_round_accounts_for_every_symbol_day_and_gives_the_same_bytes_again() -> None:
    tried(length=10, steady=1, again_from="the same lake")


@pytest.mark.parametrize("verb", ["define", "download", "export"])
def test_a_shell_script_passes_every_option_through(verb: str) -> None:
    script = Path(__file__).parent.parent / "scripts" / f"universe_{verb}.sh"
    given = ["--symbols", "A,@b c.txt", "--output", "./x y.json", "--force"]
    ran = subprocess.run(
        ["sh", str(script), *given], env={**os.environ, "PYTHON": "echo"}, capture_output=True, text=True
    )
    assert ran.stdout == " ".join(["-m p1_ingest universe", verb, *given]) + "\n" and not ran.returncode


@pytest.mark.long
def test_a_round_over_24_symbols_and_60_days() -> None:
    tried(length=60, steady=14, again_from="the archive")
