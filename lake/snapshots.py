"""A named snapshot is a few files that are true together: replaced whole, or left as they are."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from lake import advice, disk, locks, regular, settings
from lake.layout import Shelf
from lake.manifest import digest
from lake.notes import encoded
from meta.datasets import FOLDS
from meta.errors import DurabilityUnknown, NotReady, Refused, Tampered, Usage
from meta.timeframes import TIMEFRAMES, Timeframe

META = "meta.json"  # says what the others are: their sha256, under `files`
ROLES, ROWS, INPUTS = "folds.parquet", "rows.parquet", "inputs.parquet"  # of folds
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}")


def folds(root: Path, tf: Timeframe, name: str) -> Shelf:
    """Where does the lake under `root` keep the folds of this name? Raises Usage where it is no name."""
    if not NAME.fullmatch(name):
        raise Usage(f"folds: {name!r} is no name for a snapshot; use letters, digits, - and _")
    return Shelf(root, root / FOLDS.folder / tf.name / name, FOLDS, tf, name)


def joined() -> str:
    """Which folds do the training tables join? Those conf/labels.yaml names."""
    said = settings.read_yaml(settings.conf_path("labels.yaml")).get("folds")
    name = said.get("name", "main") if isinstance(said, dict) else "main"
    return str(name)


def meta(place: Shelf) -> dict[str, Any]:
    """What does the snapshot say of itself? Raises NotReady where there is none, Tampered."""
    try:
        said = json.loads(regular.read(place.folder / META))
    except (FileNotFoundError, NotADirectoryError):
        raise NotReady(f"{place} is not there; {again(place)}") from None
    except ValueError:
        said = None
    if not isinstance(said, dict) or said.pop("digest", None) != digest(encoded(said)):
        raise Tampered(f"{place}: {META} is not what was written; {again(place)}")
    return said


def read(place: Shelf, name: str, said: Mapping[str, Any]) -> bytes:
    """What does one of its files hold? Raises Tampered where it is not what `meta` says."""
    try:
        data = regular.read(place.folder / name)
    except FileNotFoundError:
        data = b""
    if digest(data) != said["files"].get(name):
        raise Tampered(f"{place}: {name} is missing or not what its {META} describes; {again(place)}")
    return data


def named(root: Path, job: str) -> Shelf | None:
    """Whose snapshot does a folder in staging of this name make? None where it is none."""
    kind, tf, name = [*job.split("~"), "", ""][:3]
    known = kind == FOLDS.folder and tf in TIMEFRAMES and NAME.fullmatch(name)
    return folds(root, TIMEFRAMES[tf], name) if known and job == f"{kind}~{tf}~{name}" else None


def faults(root: Path) -> Iterator[tuple[Path, str, str, bool]]:
    """What is not as the snapshots of this lake say? Path, fact, what heals it, and whether a table would be wrong.

    Every byte is read. The caller holds the lake still. Folds of other labels than stand there are no fault of theirs.
    """
    for folder in sorted((root / FOLDS.folder).glob("*/*")):
        place = named(root, f"{FOLDS.folder}~{folder.parent.name}~{folder.name}")
        if place is None or folder.is_symlink() or not folder.is_dir():
            yield folder, "is no snapshot of folds", "move it out of the lake", False
            continue
        try:
            said = meta(place)
        except (NotReady, Tampered) as error:
            yield folder / META, f"is missing or not what was written ({type(error).__name__})", again(place), True
            continue
        for name in said["files"]:
            try:
                read(place, name, said)
            except Tampered:
                yield folder / name, f"is missing or not what its {META} describes", again(place), True
        for path in sorted(folder.iterdir()):
            if path.name not in {META, *said["files"]}:
                yield path, "is not one of the snapshot's files", "move it out of the lake", False


def publish(place: Shelf, files: Mapping[str, bytes], said: Mapping[str, Any], wait: float = 0.0) -> None:
    """Put these files, and what is said of them, in the snapshot's place, in one step. Raises Busy, Refused."""
    told = {**said, "files": {name: digest(data) for name, data in files.items()}}
    whole = {**files, META: encoded({**told, "digest": digest(encoded(told))})}
    staging = place.root / ".lake" / "staging" / locks.job_name(place)
    with locks.job(place, wait):
        _no_stranger(place, whole)
        disk.remove_tree(staging)
        disk.make_folders(staging.parent)
        disk.make_folder(staging)
        try:
            _stage(staging / "new", whole)
            with locks.publishing(place.root):
                _exchange(place, staging)
        finally:
            disk.remove_tree(staging)


def _stage(fresh: Path, files: Mapping[str, bytes]) -> None:
    disk.make_folder(fresh)
    for name, data in files.items():
        disk.create(fresh / name, data)
    disk.sync_all([fresh / name for name in files])
    disk.sync(fresh)
    for name, data in files.items():
        if digest((fresh / name).read_bytes()) != digest(data):
            raise Refused(f"{fresh / name}: the disk gave back other bytes than were written; check the disk")


def _exchange(place: Shelf, staging: Path) -> None:
    fresh, folder = staging / "new", place.folder
    disk.make_folders(folder.parent)
    if not folder.exists():
        disk.place(fresh, folder)
    else:
        try:
            disk.exchange(fresh, folder)
        except OSError as error:
            if error.errno not in disk.REFUSALS:
                raise
            # Struck between these two, the snapshot is absent: its readers say so, and the next run makes it anew.
            disk.place(folder, staging / "old")
            disk.place(fresh, folder)
    try:
        disk.sync_folder(folder.parent)
    except OSError as error:
        fact = f"published and valid, but the disk did not confirm it ({error.strerror})"
        raise DurabilityUnknown(f"{place}: {fact}; run the same command again") from None


def _no_stranger(place: Shelf, files: Mapping[str, bytes]) -> None:
    """A folder is exchanged whole, and a stranger's file would go with it."""
    here = sorted(path.name for path in place.folder.iterdir()) if place.folder.is_dir() else []
    strangers = [name for name in here if name not in files]
    if strangers:
        raise Refused(f"{place}: {place.folder} also holds {strangers[0]!r}, which is not ours; move it away first")


def again(place: Shelf) -> str:
    """Which command makes this snapshot?"""
    return f"run `python -m p3_labels folds --name {place.symbol} --tf {place.tf}{advice.at(place.root)}`"
