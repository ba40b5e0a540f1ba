"""What did the user choose? Flag, then environment, then conf: read once, checked, frozen."""

from __future__ import annotations

import difflib
import os
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, TypeVar

import msgspec

from meta.errors import Usage

PROJECT = Path(__file__).resolve().parent.parent
T = TypeVar("T")
MOST_YAML, DEEPEST_YAML = 1_000_000, 20


class Conf(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The base of every settings class: immutable, and unknown keys are refused."""


class LakeConf(Conf, frozen=True, forbid_unknown_fields=True):
    """conf/lake.yaml: what commands assume where no flag says otherwise."""

    symbol: str = "BTCUSDT"
    tf: str = "5m"
    days: int = 80
    source: str = "auto"
    root: str | None = None
    as_of: Annotated[int, msgspec.Meta(ge=1)] = 16  # lakes of then that are kept


class UniverseConf(Conf, frozen=True, forbid_unknown_fields=True):
    """conf/universe.yaml: which symbols are kept up with, by timeframe, and which ones universes are defined of."""

    follow: dict[str, list[str]] = {}
    define: tuple[str, ...] = ()


def conf_path(name: str) -> Path:
    """Where is this configuration file?"""
    return PROJECT / "conf" / name


def read_yaml(path: Path) -> dict[str, Any]:
    """What does this YAML file say?

    Raises Usage where it is missing, is not YAML or is not a mapping.
    """
    import yaml  # a shell that completes a line mostly reads no file

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the one in C reads conf/features.yaml ten times as fast
    try:
        if not path.is_file() and path.exists():
            raise Usage(f"{shown(path)} is not a file; give one")
        text = path.read_text(encoding="utf-8")
        _plain(text, path, loader)
        found = yaml.load(text, Loader=loader)  # safe: both loaders build plain values only
    except FileNotFoundError:
        raise Usage(f"{shown(path)} does not exist; give an existing file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise Usage(f"{shown(path)} cannot be read: {error}; mend the file") from None
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise Usage(f"{shown(path)} is not YAML: {' '.join(str(error).split())}; mend the file") from None
    if not isinstance(found, dict):
        raise Usage(f"{shown(path)} should be a mapping of names to values; mend the file")
    return found


def _plain(text: str, path: Path, loader: type) -> None:
    """Is this YAML such as people write? Nesting can crash a loader, and aliases can grow without end."""
    import yaml

    depth = 0
    if len(text) > MOST_YAML:
        raise Usage(f"{shown(path)} is larger than {MOST_YAML:,} characters; no conf file is")
    for event in yaml.parse(text, Loader=loader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST_YAML or isinstance(event, yaml.AliasEvent):
            raise Usage(f"{shown(path)} nests too deep or uses aliases; write it plainly")


def convert(found: object, kind: type[T], where: str) -> T:
    """What does this mapping mean as `kind` (a Conf class)?

    Raises Usage naming the place, and for an unknown key the nearest known one.
    """
    try:
        return msgspec.convert(found, kind)
    except msgspec.ValidationError as error:
        raise Usage(f"{where}: {_explain(str(error), kind)}") from None


def _explain(message: str, kind: object) -> str:
    unknown = re.search(r"unknown field `(.+?)`", message)
    near = difflib.get_close_matches(unknown[1], _field_names(kind), 1, 0.5) if unknown else []
    return message + (f"; did you mean {near[0]!r}?" if near else "")


def _field_names(kind: object, seen: frozenset[object] = frozenset()) -> list[str]:
    """Every field name of a settings class and of the classes within it."""
    if kind in seen:
        return []
    inner = [name for part in getattr(kind, "__args__", ()) for name in _field_names(part, seen | {kind})]
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        for field in msgspec.structs.fields(kind):
            inner += [field.name, *_field_names(field.type, seen | {kind})]
    return inner


def conf(name: str, kind: type[T]) -> T:
    """What does conf/NAME say, as `kind`?"""
    return convert(read_yaml(conf_path(name)), kind, f"conf/{name}")


def lake_conf() -> LakeConf:
    """What does conf/lake.yaml say, with DAYS of the environment over it? Raises Usage."""
    said, days = conf("lake.yaml", LakeConf), variable("DAYS")
    if days is None:
        return said
    if not re.fullmatch(r"[1-9][0-9]{0,5}", days, re.ASCII):
        raise Usage(f"DAYS={days!r} in the environment is no number of days; set it to one such as 80, or unset it")
    return msgspec.structs.replace(said, days=int(days))


def universe_conf() -> UniverseConf:
    """What does conf/universe.yaml say? Nothing where there is none."""
    return conf("universe.yaml", UniverseConf) if conf_path("universe.yaml").exists() else UniverseConf()


def variable(name: str) -> str | None:
    """What does the environment, or else secrets/.env, say for this name? An empty value says nothing."""
    return os.environ.get(name) or _dotenv().get(name) or None


def made_at(now: int | None = None) -> str:
    """Which instant does a file say it was made at? SOURCE_DATE_EPOCH, for the same bytes each time, else now (UTC ms).

    Raises Usage.
    """
    epoch = variable("SOURCE_DATE_EPOCH")
    if epoch is not None and not re.fullmatch(r"[0-9]{1,11}", epoch, re.ASCII):
        raise Usage(f"SOURCE_DATE_EPOCH={epoch!r} is no number of seconds since 1970; set it to one, or unset it")
    if epoch is None and now is None:
        return datetime.now(UTC).isoformat(timespec="seconds")
    return datetime.fromtimestamp(int(epoch) if epoch else (now or 0) // 1000, UTC).isoformat()


def _dotenv() -> dict[str, str | None]:
    return dotenv(PROJECT / "secrets" / ".env")


def dotenv(path: Path) -> dict[str, str | None]:
    """What does a file of NAME=value lines say? Nothing where there is none. Raises Usage where it is no text."""
    if not path.is_file():
        return {}
    from dotenv import dotenv_values

    try:
        return dict(dotenv_values(path, interpolate=False))
    except (OSError, UnicodeDecodeError) as error:
        raise Usage(f"secrets/.env cannot be read: {type(error).__name__}; see secrets/.env.example") from None


def key(name: str) -> str | None:
    """Which API key is set under this name?

    Raises Usage where it could not be a key (blanks, control or non-ASCII characters); the value is never printed.
    """
    value = variable(name)
    if value is not None and not re.fullmatch(r"[\x21-\x7e]{1,512}", value):
        raise Usage(f"{name} holds blanks, control or non-ASCII characters, so it is no API key; set it again")
    return value


def shown(path: Path) -> str:
    """How is this path written for people? Relative to the project where it lies in it."""
    resolved = path if path.is_absolute() else Path.cwd() / path
    try:
        return str(resolved.relative_to(PROJECT))
    except ValueError:
        return str(path)
