"""Whoever computes, and however many, the lake holds the same bytes; and only the parent writes."""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from lake import compiled, locks, run, stretches
from lake.layout import Shelf
from meta.errors import NotReady, PerplakeError, Usage
from p2_features import build as p2
from p2_features.choice import Asked
from p3_labels import build as p3
from p3_labels.rules import rules
from tests import lakes, market
from tests.p3_lake import ALL, EVERY, LENGTH, SYMBOLS, TF, shelf


def square(x: int) -> int:
    return x * x


def process_of(_: int) -> int:
    return os.getpid()


def locks_held(_: int) -> list[str]:
    """Which files of locks does this process have open?"""
    names = [f"/proc/self/fd/{name}" for name in os.listdir("/proc/self/fd")]
    return [where for name in names if os.path.exists(name) and "locks" in (where := os.readlink(name))]


def die(_: int = 0) -> int:
    os._exit(1)


def cache_of(_: int) -> str:
    return str(compiled.place()[0])


@pytest.fixture(scope="module")
def processes() -> Iterator[run.Engine]:
    with run.engine("processes", 2) as engine:
        yield engine


@pytest.fixture(scope="module")
def with_bars(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Bars of two symbols, nothing else."""
    root = tmp_path_factory.mktemp("bars")
    for seed, name in enumerate(SYMBOLS):
        market.commit_bars(shelf(root, "bars", name), market.columns(LENGTH, TF, seed), EVERY)
    return root


def built(bars: Path, root: Path, engine: run.Engine) -> dict[str, bytes]:
    """Features and labels of every symbol by this engine, in chunks of a few days: all bytes of their days."""
    shutil.copytree(bars, root)
    works = [(name, p2.building(shelf(root, "features", name), shelf(root, "bars", name), ALL, Asked(), engine))
             for name in SYMBOLS]  # fmt: skip
    for _, begun in run.in_turn(works):
        begun.result()
    for name in SYMBOLS:
        work = p3.Work(*(shelf(root, kind, name) for kind in ("labels", "features", "bars")), rules())  # type: ignore[arg-type]
        run.finished(p3.building(work, ALL, engine))
    parts = [path for kind in ("features", "labels") for path in sorted((root / kind).rglob("*")) if path.is_file()]
    return {str(path.relative_to(root)): path.read_bytes() for path in parts}


@pytest.fixture(scope="module")
def alone(with_bars: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return built(with_bars, tmp_path_factory.mktemp("alone") / "lake", run.Engine())


@pytest.fixture
def short_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stretches, "MOST", 4)


@pytest.mark.parametrize("workers", [1, 3])
def test_threads_give_the_same_bytes(
    with_bars: Path, alone: dict, tmp_path: Path, workers: int, short_chunks: None
) -> None:
    assert len(alone) > 40
    with run.engine("threads", workers) as engine:
        assert built(with_bars, tmp_path / "lake", engine) == alone


def test_processes_give_the_same_bytes(
    with_bars: Path, alone: dict, tmp_path: Path, processes: run.Engine, short_chunks: None
) -> None:
    assert built(with_bars, tmp_path / "lake", processes) == alone


@pytest.mark.skipif(not importlib.util.find_spec("distributed"), reason="needs the extra `dask`")
@pytest.mark.filterwarnings("ignore")
def test_dask_gives_the_same_bytes(with_bars: Path, alone: dict, tmp_path: Path, short_chunks: None) -> None:
    from distributed import LocalCluster

    # Workers that are threads: what a process of its own would cost is importing everything once more.
    where = {"host": "127.0.0.1", "protocol": "tcp", "dashboard_address": None}
    with (
        LocalCluster(n_workers=1, threads_per_worker=2, processes=False, **where) as cluster,
        run.engine(cluster.scheduler_address.replace("tcp://", "dask://"), 2) as engine,
    ):
        assert built(with_bars, tmp_path / "lake", engine) == alone


def test_results_come_in_the_order_of_their_tasks(processes: run.Engine) -> None:
    with run.engine("threads", 3) as threads:
        for engine in (run.Engine(), threads, processes):
            assert list(run.spread(engine, square, range(20))) == [x * x for x in range(20)]


def test_no_more_is_computed_ahead_than_one_task_beyond_the_workers() -> None:
    asked: list[int] = []
    with run.engine("threads", 2) as engine:
        results = run.spread(engine, square, (asked.append(i) or i for i in range(50)))
        assert len(asked) == 3
        assert next(results) == 0
        assert len(asked) == 4


def test_a_worker_inherits_no_lock(tmp_path: Path) -> None:
    here: Shelf = lakes.a_shelf(tmp_path)
    with locks.job(here, 0.0):
        assert locks_held(0)
        with run.engine("processes", 1) as engine:
            assert list(run.spread(engine, locks_held, [0])) == [[]]


def test_a_worker_that_dies_is_one_line() -> None:
    with run.engine("processes", 1) as engine, pytest.raises(PerplakeError, match=r"ended before .* fewer --workers"):
        list(run.spread(engine, die, [0]))


def test_a_worker_that_dies_at_its_start_is_waited_for_by_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "_end_with_parent", die)
    with run.engine("processes", 2) as engine:
        for _ in range(2):  # as its tasks are handed over or taken back; then in a pool that is known to be broken
            with pytest.raises(PerplakeError, match="ended before"):
                list(run.spread(engine, square, range(20)))


def test_a_worker_finds_the_kernels_its_parent_compiled(processes: run.Engine) -> None:
    assert os.environ[compiled.VARIABLE] == str(compiled.place()[0])
    assert list(run.spread(processes, cache_of, [0])) == [str(compiled.place()[0])]


def test_an_unknown_engine_is_told_what_there_is() -> None:
    with pytest.raises(Usage, match="threads, processes, dask://"), run.engine("ray"):
        pass


def test_work_that_cannot_begin_is_told_in_its_turn_and_the_rest_is_done() -> None:
    told: list[str] = []

    def work(name: str) -> Generator[None, None, str]:
        told.append(f"begin {name}")
        if name == "b":
            raise NotReady("b is not there")
        yield
        told.append(f"end {name}")
        return name

    found = []
    for name, begun in run.in_turn((name, work(name)) for name in "abc"):
        try:
            found.append(begun.result())
        except NotReady:
            found.append(f"no {name}")
    assert found == ["a", "no b", "c"]
    assert told == ["begin a", "begin b", "end a", "begin c", "end c"]


def test_work_that_nobody_finishes_lets_go_of_what_it_holds() -> None:
    let_go: list[str] = []

    def work(name: str) -> Generator[None, None, None]:
        try:
            yield
        finally:
            let_go.append(name)

    with pytest.raises(KeyError):
        for _ in run.in_turn((name, work(name)) for name in "ab"):
            raise KeyError
    assert let_go == ["a", "b"]
