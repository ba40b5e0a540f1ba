"""Lakes of then are few: the longest unused makes room for another, and none goes while it is in use."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from lake import asof, disk, doctor, locks, settings
from lake.frozen import FIRST, frozen, known
from meta.errors import NotReady, Usage
from tests import lakes


@pytest.fixture
def root() -> Iterator[Path]:
    with lakes.scratch() as folder:
        yield lakes.committed(lakes.a_shelf(folder / "lake")).root


def instant() -> str:
    return datetime.now(UTC).isoformat()


def names(root: Path) -> list[str]:
    return sorted(path.name for path in asof.folder(root).iterdir())


def test_of_many_lakes_of_then_the_longest_unused_makes_room(root: Path) -> None:
    first, second, third, fourth = (instant() for _ in range(4))
    places = [frozen(root, when, most=3).root for when in (first, second, third)]
    frozen(root, first, most=3)
    made = frozen(root, fourth, most=3)
    assert names(root) == sorted(path.name for path in (places[0], places[2], made.root))
    assert made.removed == [places[1].name]
    assert f"{places[1].name}, longest unused" in list(made.lines())[-1]
    assert frozen(root, second, most=3).linked == 1, "what was removed is made again"


def test_none_goes_while_it_is_in_use(root: Path) -> None:
    with known(root, instant()) as one, known(root, instant()) as other:
        made = frozen(root, instant(), most=1)
        assert made.removed == [] and one.root.is_dir() and other.root.is_dir()
    assert len(frozen(root, instant(), most=1).removed) == 3
    assert len(names(root)) == 1


def test_the_one_of_first_seen_stays(root: Path) -> None:
    frozen(root, FIRST)
    for _ in range(3):
        frozen(root, instant(), most=1)
    assert len(names(root)) == 2 and FIRST in names(root)


def test_what_holds_no_bars_goes_before_any_other(root: Path) -> None:
    kept = frozen(root, instant(), most=2).root
    with pytest.raises(NotReady):
        frozen(root, "2020-01-01", most=2)
    frozen(root, instant(), most=2)
    assert kept.name in names(root) and len(names(root)) == 2


def test_what_a_killed_process_was_removing_goes_with_the_next(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(path: Path) -> None:
        raise KeyboardInterrupt

    frozen(root, instant(), most=1)
    monkeypatch.setattr(disk, "remove_tree", killed)
    with pytest.raises(KeyboardInterrupt):
        asof.prune(root, 0)
    assert names(root)[0].startswith(".")
    monkeypatch.undo()
    assert asof.prune(root, 0) == [] and names(root) == []


def test_a_lake_of_then_that_was_removed_while_it_was_waited_for_is_made_anew(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, real, turns = asof.place_of(root, FIRST), locks._locked, iter([True])
    disk.make_folders(place)

    def locked(fd: int, how: int) -> bool:
        if next(turns, False):
            place.rename(place.with_name(".gone"))
        return real(fd, how)

    monkeypatch.setattr(locks, "_locked", locked)
    with asof.used(place):
        assert names(root) == [".gone", FIRST]


def test_the_doctor_tells_how_many_there_are_and_what_they_take(root: Path) -> None:
    def told() -> list[str]:
        return [one.fact for one in doctor.look(root) if one.what == "as-of"]

    assert told() == []
    frozen(root, before := instant())
    lakes.committed(lakes.a_shelf(root), seed=1)
    frozen(root, before)
    (line,) = told()
    assert line.startswith("lakes of then: 1, of which 16 are kept; ") and "0.0 MB" in line


def test_a_number_below_one_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(Usage, match=r"as_of"):
        settings.convert({"as_of": 0}, settings.LakeConf, "conf/lake.yaml")
