"""Which lake is meant? One rule for every command."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from lake import settings
from lake.layout import Shelf, checked_or_none, shelf, unpatterned
from meta.datasets import DATASETS, FOLDERS, Dataset
from meta.errors import PerplakeError, Refused, Usage
from meta.timeframes import TIMEFRAMES

SIM = "sim"


def source_in_use(flag: str | None = None) -> str:
    """Which source is meant? The flag, else SOURCE, else conf; `auto` is coinglass where a key is set, else sim."""
    named = flag or settings.variable("SOURCE") or settings.lake_conf().source
    if named != "auto":
        return named
    return "coinglass" if settings.key("COINGLASS_API_KEY") else SIM


def root(flag: str | Path | None = None, source: str | None = None) -> Path:
    """Where is the lake? --lake, else PERPLAKE_LAKE, else conf, else `data` or, for synthetic data, `data-sim`.

    `data` where the source in use is not sim, or where it holds committed days already.
    """
    named = flag or settings.variable("PERPLAKE_LAKE")
    if named:
        return _plain(Path(named).absolute())
    chosen = settings.lake_conf().root
    if chosen:
        return _plain(settings.PROJECT / chosen)
    real = _plain(settings.PROJECT / "data")
    if source_in_use(source) != SIM or any(first_days(real)):
        return real
    return settings.PROJECT / "data-sim"


def _plain(where: Path) -> Path:
    """The lake's root, absolute. Raises Usage where it is no text, or SQL could not name it."""
    return utf8(unpatterned(where))


def utf8(path: Path) -> Path:
    """The path itself. Raises Usage where its bytes are no text: reports and SQL have to name it."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        raise Usage(f"{str(path)!a} is no UTF-8; give a plainer path, or set LC_ALL=C.UTF-8") from None
    return path


def shelves(where: Path, only: Dataset | None = None) -> list[Shelf]:
    """Which shelves does this lake hold? In the order of folder, timeframe and symbol."""
    found = []
    for kind in [only] if only else DATASETS.values():
        for tf in TIMEFRAMES.values():
            base = where / kind.folder / tf.name
            names = sorted(path.name for path in base.iterdir() if path.is_dir()) if base.is_dir() else []
            found += [shelf(where, kind, tf, name) for name in names if checked_or_none(name) == name]
    return found


def first_days(where: Path) -> Iterator[str]:
    """What does the source cell of the first committed P1 day of each shelf say?"""
    for place in shelves(where, FOLDERS["parquet"]):
        yield from _first_day(place)


def _first_day(place: Shelf) -> Iterator[str]:
    from lake import days  # a shell that completes a line only asks for names of folders

    for day in place.days_on_disk():
        try:
            known = days.entry(place, day)
        except PerplakeError:
            continue
        if known is not None:
            yield known.source
            return


def source_name(cell: str) -> str:
    """Which source does a manifest's source cell name?"""
    return cell.split(":", 1)[0].split(" ", 1)[0]


def not_over_real_data(where: Path, source: str) -> None:
    """Raises Refused where synthetic data would go into a lake of a real source."""
    if source != SIM:
        return
    others = {source_name(cell) for cell in first_days(where)} - {SIM}
    if others:
        raise Refused(
            f"lake {settings.shown(where)} holds days of {', '.join(sorted(others))}, and no key is set: "
            "synthetic days are not mixed in; set COINGLASS_API_KEY, or give --source binance or another --lake"
        )


def is_synthetic(where: Path) -> bool:
    """Does this lake hold synthetic data?"""
    return any(source_name(cell) == SIM for cell in first_days(where))


def banner(where: Path, source: str | None = None, free: Shelf | None = None) -> str:
    """What does every command say first: which lake it works on, and SYNTHETIC where it is.

    free : the shelf, where the lake is a folder of one symbol and tells nothing of itself.
    """
    cells = list(first_days(where)) or ([] if free is None else list(_first_day(free)))
    synthetic = any(source_name(cell) == SIM for cell in cells) if cells else source == SIM
    mark = "  SYNTHETIC data: made up, good for trying things out only" if synthetic else ""
    return f"lake {settings.shown(where)}{mark}"


def outside(folder: Path, where: Path) -> Path:
    """The same folder, if it lies outside the lake's days: nothing people take away stands there. Raises Refused."""
    if any(folder.is_relative_to(where / kind.folder) for kind in DATASETS.values()):
        raise Refused(f"--output {settings.shown(folder)} lies among the lake's days; name a folder outside of it")
    return folder
