"""Which features does a symbol have? Decided once, from what its source declares, and kept beside its days."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from lake import days, notes
from lake.fresh import code_digest
from lake.layout import Shelf
from lake.parts import schema_digest, schema_of
from meta.columns import BAR_COLUMNS, KEYS, Column
from meta.datasets import DATASETS
from meta.errors import Usage
from p2_features import catalogue, coverage
from p2_features.feature import Feature

FEATURES = DATASETS["features"]


@dataclass(frozen=True)
class Asked:
    """What the command line asks for; None leaves what was decided before, or conf, as it is."""

    set_name: str | None = None
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    reselect: bool = False
    coverage: float | None = None
    warmup: int | None = None
    winsor_low: float | None = None
    winsor_high: float | None = None

    def checked(self) -> Asked:
        """Can this be asked at all? Returns it; raises Usage before anything is looked at."""
        catalogue.load().changed(winsor_low=self.winsor_low, winsor_high=self.winsor_high)
        if self.coverage is not None and not self.reselect:
            raise Usage("--coverage decides again which features there are; give --reselect with it")
        if self.warmup is not None and self.warmup < 0:
            raise Usage(f"--warmup {self.warmup} is below 0; give a number of bars")
        return self

    def decides(self) -> bool:
        """Does it ask to decide again?"""
        return bool(self.reselect or self.set_name or self.include or self.exclude)


@dataclass(frozen=True)
class Choice:
    """The features of one symbol at one timeframe, why others are left out, and the rules they are computed by.

    warmup : bars of history a row needs (N of FORMULAS). window : W, bars. coverage : the share of bars that inputs had
    to have, over which days; empty where that was not asked.
    """

    set_name: str
    features: tuple[Feature, ...]
    left_out: Mapping[str, str]
    settings: catalogue.Settings
    warmup: int
    window: int
    coverage: Mapping[str, object] = field(default_factory=dict)

    @property
    def columns(self) -> tuple[Column, ...]:
        """Which columns do its days have?"""
        return (*KEYS, *(Column(f.name, f.type, f.unit, f.meaning) for f in self.features))

    @property
    def names(self) -> list[str]:
        """What are the features called, in column order?"""
        return [feature.name for feature in self.features]

    @property
    def inputs(self) -> tuple[str, ...]:
        """Which bar columns are read?"""
        return tuple(dict.fromkeys(["close", *(name for feature in self.features for name in feature.inputs)]))

    @property
    def reach(self) -> int:
        """How many bars before t can change the row at t?"""
        return max([2 * self.window, *(feature.reach for feature in self.features)])

    def schema_digest(self) -> str:
        """Which digest stands for the columns?"""
        return schema_digest(schema_of(self.columns))

    def code(self) -> str:
        """Which digest stands for the rules?"""
        rules = {
            "features": [feature.digest() for feature in self.features],
            "warmup": self.warmup,
            "window": self.window,
        }
        return code_digest(FEATURES, self.schema_digest(), rules)

    def note(self) -> dict[str, object]:
        """What does FEATURES.json say?"""
        return {
            "set": self.set_name,
            "settings": msgspec.structs.asdict(self.settings),
            "warmup": self.warmup,
            "window": self.window,
            "reach": self.reach,
            "unnormalised_reach": max(feature.unnormalised_reach for feature in self.features),
            "code": self.code(),
            "columns": self.names,
            "features": {
                f.name: {"digest": f.digest(), "formula": f.formula, "reach": f.reach, "unit": f.unit}
                for f in self.features
            },
            "left_out": dict(self.left_out),
            "coverage": dict(self.coverage),
        }


def chosen(shelf: Shelf, bars: Shelf, asked: Asked) -> Choice:
    """Which features has this symbol: what its FEATURES.json says, or a decision by what its source declares?

    Raises Usage for unknown names and impossible settings.
    """
    said = notes.read(shelf, notes.FEATURES)
    found = catalogue.load()
    kept_settings = said["settings"] if said and not asked.reselect else {}
    found = found.changed(**kept_settings).changed(winsor_low=asked.winsor_low, winsor_high=asked.winsor_high)
    window = found.settings.window(shelf.tf)
    warmup = asked.warmup if asked.warmup is not None else int(said["warmup"]) if kept_settings and said else window
    if not 0 <= warmup <= 2 * window:
        raise Usage(f"--warmup {warmup} is outside 0 … {2 * window}, twice the {window} bars of the past window")
    set_name = asked.set_name or (said["set"] if said and not asked.reselect else "core")
    before, without = _recorded(said, found, shelf) if said and not asked.reselect else ((), ())
    before = () if asked.set_name else tuple(name for name in before if name not in asked.exclude)
    without = tuple(name for name in without if name not in asked.include)
    features = found.features(shelf.tf, set_name, (*before, *asked.include))
    thin, judged = _thin(features, said, bars, asked)
    if said and not asked.decides():
        kept, left_out = _as_decided(features, said, bars)
    else:
        known = {feature.name for feature in features}
        again = (name for name in (*without, *thin) if name in known and name not in asked.exclude)
        kept, left_out = catalogue.select(features, offered(bars), asked.include, (*asked.exclude, *again))
        left_out |= {name: why for name, why in thin.items() if name in left_out and name not in asked.exclude}
    if not kept:
        raise Usage(f"{shelf}: no feature is left; the source offers none of their inputs, or too little of them")
    return Choice(set_name, kept, left_out, found.settings, warmup, window, judged)


def _thin(
    features: Sequence[Feature], said: Mapping | None, bars: Shelf, asked: Asked
) -> tuple[dict[str, str], Mapping[str, object]]:
    """Which features are left out for their inputs' coverage, now or as recorded, and what is recorded of it?"""
    if asked.coverage is None:
        kept = {} if said is None or asked.reselect else said
        found = {name: why for name, why in kept.get("left_out", {}).items() if why.startswith(coverage.MARK)}
        told = kept.get("coverage", {})
    else:
        found, (first, last) = coverage.thin(features, bars, asked.coverage)
        told = {"least": asked.coverage, "first": str(first), "last": str(last)}
    return {name: why for name, why in found.items() if name not in asked.include}, told


def _recorded(said: Mapping, found: catalogue.Catalogue, shelf: Shelf) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Which features of other sets were asked for earlier, and which left out by --without? Those conf still has."""
    every = {feature.name for feature in found.features(shelf.tf, list(found.sets)[-1])}
    own = {feature.name for feature in found.features(shelf.tf, said["set"])}
    more = tuple(name for name in said["columns"] if name in every - own)
    return more, tuple(name for name, why in said["left_out"].items() if why == catalogue.WITHOUT and name in every)


def _as_decided(features: Sequence[Feature], said: Mapping, bars: Shelf) -> tuple[tuple[Feature, ...], dict[str, str]]:
    """The recorded decision; features that conf has gained since then are decided now."""
    kept, left_out = catalogue.select(features, offered(bars))
    new = {feature.name for feature in features} - set(said["features"]) - set(said["left_out"])
    keep = [f for f in features if f.name in said["features"] or (f.name in new and f in kept)]
    recorded = {f.name: said["left_out"].get(f.name) or left_out[f.name] for f in features if f not in keep}
    return tuple(keep), recorded


def offered(bars: Shelf) -> dict[str, bool | str]:
    """Which bar columns does the source offer for this symbol (column -> True, or why not)?

    What P1 wrote beside the days; for bars that P1 did not write, the columns that hold any value.
    """
    said = notes.read(bars, notes.OFFERED)
    if said is not None:
        return dict(said["columns"])
    found: dict[str, bool | str] = dict.fromkeys(BAR_COLUMNS, "its column holds no value")
    for day in bars.days_on_disk():
        known = days.read(bars, day)
        if known is not None:
            table = known.table()
            found |= {name: True for name in table.column_names if table.column(name).null_count < table.num_rows}
    return found
