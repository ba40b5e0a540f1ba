"""Which features are there? conf/features.yaml, read, checked and brought to a timeframe."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NoReturn

import msgspec

from lake.settings import Conf, conf_path, convert, read_yaml, shown
from meta.errors import Usage
from meta.timeframes import DAY, Timeframe
from p2_features.expressions import CLOCKS, COLUMNS, FUNCTIONS, Tree, carries, compiled, length, lengths, parse, reach
from p2_features.feature import Feature, Past, Sums, Then

FEATURE_NAME = re.compile(r"_?[a-z][a-z0-9_]{0,60}")
SHORT_NAME = re.compile(r"[a-z][a-z0-9_]{0,40}")
WITHOUT = "left out by --without"
TAKEN = COLUMNS | CLOCKS | FUNCTIONS | {"pi", "symbol", "ts"}
LIMITS = {
    "window_days": (1, 366), "winsor_low": (0, 0.5), "winsor_high": (0.5, 1), "quantile_least_bars": (1, 10_000),
    "quantile_least_part": (1, 10_000), "mean_least_part": (1, 10_000), "carried_most": (0, 50),
}  # fmt: skip


class Settings(Conf, frozen=True, forbid_unknown_fields=True):
    """What the statistics over the past are taken with; all that reaches values is in the features' digests.

    Quantiles need max(quantile_least_bars, W / quantile_least_part) known past values, means W / mean_least_part.
    """

    window_days: int = 30
    winsor_low: float = 0.01
    winsor_high: float = 0.99
    quantile_least_bars: int = 20
    quantile_least_part: int = 30
    mean_least_part: int = 2
    carried_most: int = 3

    def __post_init__(self) -> None:
        for name, (low, high) in LIMITS.items():
            if not low <= getattr(self, name) <= high:
                raise ValueError(f"{name} {getattr(self, name)} is outside {low} to {high}; give one within")

    def window(self, tf: Timeframe) -> int:
        """How many bars, W, does the past window hold?"""
        return tf.bars(self.window_days * DAY)

    def past(self, then: Then, tf: Timeframe) -> Past:
        """What does this transform ask of the past at this timeframe?"""
        window = self.window(tf)
        least_quantile = max(self.quantile_least_bars, -(-window // self.quantile_least_part))
        least = -(-window // self.mean_least_part)
        return Past(then, window, self.winsor_low, self.winsor_high, least_quantile, least)


class Entry(Conf, frozen=True, forbid_unknown_fields=True):
    """One feature as conf/features.yaml writes it."""

    of: str
    unit: str
    meaning: str
    source: str
    then: Then | None = None
    sums: dict[str, str] = {}
    over: str | None = None


class FeaturesConf(Conf, frozen=True, forbid_unknown_fields=True):
    """conf/features.yaml."""

    sets: dict[str, dict[str, Entry]]
    settings: Settings = Settings()
    imputed: list[str] = []
    names: dict[str, str] = {}


@dataclass(frozen=True)
class Recipe:
    """One feature before it meets a timeframe."""

    name: str  # may hold {tf}
    where: str
    entry: Entry
    formula: str
    of: Tree
    sums: Mapping[str, Tree]
    over: int  # ms; 0 without sums

    def at(self, tf: Timeframe, settings: Settings) -> Feature | None:
        """Which feature is it at this timeframe? None where one of its lengths is not a whole number of bars."""
        every = [self.of, *self.sums.values()]
        if any(ms % tf.ms for ms in set().union(*map(lengths, every), {self.over})):
            return None
        program = compiled(self.of, tf, settings.carried_most, self.where)
        sums = self._sums(tf, settings)
        inner = sums.programs.values() if sums else ()
        required = program.required - set(self.sums)
        if program.required & set(self.sums):  # a bar counts only where every sum has its value
            required = required.union(*(each.required for each in inner))
        inputs = dict.fromkeys(name for each in (*inner, program) for name in each.columns if name not in self.sums)
        return Feature(
            name=self.name.replace("{tf}", tf.name),
            tf=tf,
            type="bool" if self.of[0] == "imputed" else "double",
            unit=self.entry.unit,
            meaning=self.entry.meaning,
            formula=self.formula,
            source=self.entry.source,
            inputs=tuple(inputs),
            required=tuple(name for name in inputs if name in required),
            imputed=tuple(name for name in inputs if any(name in carries(tree) for tree in every)),
            program=program,
            sums=sums,
            past=settings.past(self.entry.then, tf) if self.entry.then else None,
            value_reach=self._reach(tf, settings, True),
            unnormalised_reach=self._reach(tf, settings, False),
        )

    def _reach(self, tf: Timeframe, settings: Settings, weeks: bool) -> int:
        most = settings.carried_most
        inner = max((reach(tree, tf, most, {}, weeks) for tree in self.sums.values()), default=0)
        return reach(self.of, tf, most, dict.fromkeys(self.sums, inner + tf.bars(self.over) - 1), weeks)

    def _sums(self, tf: Timeframe, settings: Settings) -> Sums | None:
        if not self.sums:
            return None
        bars = tf.bars(self.over)
        programs = {name: compiled(tree, tf, settings.carried_most, self.where) for name, tree in self.sums.items()}
        return Sums(programs, bars, -(-10 * bars // 12))


@dataclass(frozen=True)
class Catalogue:
    """Every feature set, in the order of the file, and the settings of all."""

    where: str
    settings: Settings
    sets: Mapping[str, tuple[Recipe, ...]]

    def features(self, tf: Timeframe, set_name: str = "core", include: Sequence[str] = ()) -> tuple[Feature, ...]:
        """Which features does this set hold at this timeframe, in column order, flags last?

        A set holds those above it. `include` names further features, of any set. Raises Usage for an unknown set or
        name, naming the nearest, and where two different features would share a name.
        """
        if set_name not in self.sets:
            _unknown("feature set", set_name, self.sets, self.where)
        names = list(self.sets)
        chosen = self._at(tf, names[: names.index(set_name) + 1])
        if include:
            every = self._at(tf, names)
            for name in include:
                chosen[name] = every[name] if name in every else _unknown(f"{tf} feature", name, every, self.where)
        return tuple(sorted(chosen.values(), key=lambda feature: feature.type == "bool"))

    def changed(self, **settings: float | None) -> Catalogue:
        """The same features taken with other settings; None leaves one as it is. Raises Usage for impossible ones."""
        given = {name: value for name, value in settings.items() if value is not None}
        said = convert({**msgspec.structs.asdict(self.settings), **given}, Settings, "the feature settings")
        return replace(self, settings=said)

    def _at(self, tf: Timeframe, sets: Iterable[str]) -> dict[str, Feature]:
        found: dict[str, Feature] = {}
        for recipe in (recipe for name in sets for recipe in self.sets[name]):
            feature = recipe.at(tf, self.settings)
            if feature and found.setdefault(feature.name, feature).computation() != feature.computation():
                raise Usage(f"{recipe.where}: {feature.name} at {tf} is already another feature; rename one of them")
        return found


def load(path: Path | None = None) -> Catalogue:
    """Which features does this file (default conf/features.yaml) hold?

    Raises Usage, naming the feature, where it says anything that cannot be meant.
    """
    where = shown(path or conf_path("features.yaml"))
    said = convert(read_yaml(path or conf_path("features.yaml")), FeaturesConf, where)
    for name in set(said.imputed) - COLUMNS:
        _unknown("imputed column", name, COLUMNS, where)
    names: dict[str, Tree] = {}
    for name, text in said.names.items():
        _check_short(name, where)
        names[name] = parse(text, f"{where}: {name}", names)
    sets = {
        set_name: tuple(_recipe(name, entry, said, names, where) for name, entry in entries.items())
        for set_name, entries in said.sets.items()
    }
    return Catalogue(where, said.settings, sets)


def _recipe(name: str, entry: Entry, said: FeaturesConf, names: Mapping[str, Tree], file: str) -> Recipe:
    where = f"{file}: {name}"
    if not FEATURE_NAME.fullmatch(name.replace("{tf}", "5m")) or name in TAKEN:
        raise Usage(f"{where}: is no name for a feature: lower-case letters, digits and _, and no bar column's name")
    if bool(entry.sums) != bool(entry.over):
        raise Usage(f"{where}: sums and over belong together; give both or neither")
    if not entry.meaning.strip() or not entry.source.strip():
        raise Usage(f"{where}: say what it means and where it comes from (meaning, source)")
    for sum_name in entry.sums:
        _check_short(sum_name, where, names)
    sums = {key: parse(text, f"{where}: {key}", names) for key, text in entry.sums.items()}
    of = parse(entry.of, where, {**names, **{key: ("column", key) for key in sums}})
    wild = {column for tree in (of, *sums.values()) for column in carries(tree)} - set(said.imputed)
    if wild:
        raise Usage(f"{where}: carries {' '.join(sorted(wild))}; only {' '.join(said.imputed)} may be (imputed)")
    over = length(entry.over, where) if entry.over else 0
    return Recipe(name, where, entry, _formula(entry, said.names), of, sums, over)


def _formula(entry: Entry, names: Mapping[str, str]) -> str:
    of = " ".join(entry.of.split())
    parts = [f"{entry.then}({of})" if entry.then else of]
    parts += [f"{name} = sum over {entry.over} of {text}" for name, text in entry.sums.items()]
    for name in reversed(list(names)):
        if any(re.search(rf"\b{name}\b", part) for part in parts):
            parts.append(f"{name} = {names[name]}")
    return "; ".join(parts)


def _check_short(name: str, where: str, others: Iterable[str] = ()) -> None:
    if not SHORT_NAME.fullmatch(name) or name in TAKEN or name in others:
        raise Usage(f"{where}: {name!r} cannot be a name: lower-case letters, digits and _, and not used already")


def select(
    features: Sequence[Feature],
    offered: Mapping[str, bool | str],
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
) -> tuple[tuple[Feature, ...], dict[str, str]]:
    """Which of these features can a source feed, and why are the others left out?

    offered: bar column -> True, or False or a reason; a column not named is not offered. include: features that must
    not be left out; exclude: features to leave out. Returns (kept, {name: reason}). Raises Usage for an unknown name,
    naming the nearest, and for an included feature whose input is not offered.
    """
    names = [feature.name for feature in features]
    for name in (*include, *exclude):
        if name not in names:
            _unknown("feature", name, names, "--with" if name in include else "--without")
    for name in set(include) & set(exclude):
        raise Usage(f"{name} stands in both --with and --without; give it in one")
    left_out = {}
    for feature in features:
        lacking = [column for column in feature.required if offered.get(column, False) is not True]
        if feature.name in exclude:
            left_out[feature.name] = WITHOUT
        elif lacking:
            reason = offered.get(lacking[0]) or "the source does not offer it"
            left_out[feature.name] = f"needs {lacking[0]}: {reason}"
            if feature.name in include:
                raise Usage(f"--with {feature.name}: {left_out[feature.name]}; leave the feature out")
    return tuple(feature for feature in features if feature.name not in left_out), left_out


def _unknown(kind: str, name: str, known: Iterable[str], where: str) -> NoReturn:
    near = difflib.get_close_matches(name, list(known), 1)
    hint = f"did you mean {near[0]}?" if near else f"known are {' '.join(sorted(known))}"
    raise Usage(f"{where}: {kind} {name!r} does not exist; {hint}")
