"""What of CoinGlass do we ask, and under which names? The coinglass section of conf/sources.yaml."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterable
from pathlib import Path

import msgspec

from lake.settings import Conf, conf_path, convert, read_yaml, shown
from meta.columns import BAR_COLUMNS
from meta.errors import Usage
from meta.timeframes import TIMEFRAMES

PLACES = ("pair", "coin", "spot")


class Field(Conf, frozen=True, forbid_unknown_fields=True):
    """Where a column comes from: the row's `field` divided by `per`.

    `per_coin`: an amount of coins, to be told in units of the contract.
    """

    field: str
    per: float = 1.0  # divided, not multiplied by 0.01: that would be off in the last bit
    per_coin: bool = False


class Instead(Conf, frozen=True, forbid_unknown_fields=True):
    """The path that stands in for the days a series lacks."""

    path: str
    variant: str


class SeriesConf(Conf, frozen=True, forbid_unknown_fields=True):
    """One series: what to ask, and which of its fields are which columns."""

    path: str
    params: dict[str, str]
    fields: dict[str, str | Field]
    variant: str = ""
    stamp: str = ""
    required: bool = False
    spot: bool = False
    instead: Instead | None = None

    def __post_init__(self) -> None:
        """Refuse columns that bars do not have, and places nothing fills."""
        _known([*self.fields, *([self.stamp] if self.stamp else [])], BAR_COLUMNS, "column")
        _known(re.findall(r"\{(.*?)\}", "".join(self.params.values())), PLACES, "place")
        for path in [self.path, *([self.instead.path] if self.instead else [])]:
            if not re.fullmatch(r"(?:/[A-Za-z0-9_-]+)+", path):
                raise ValueError(f"path {path!r} should look like /api/futures/price/history")

    def columns(self) -> dict[str, Field]:
        """Which column comes from which field?"""
        return {name: Field(field) if isinstance(field, str) else field for name, field in self.fields.items()}


class Market(Conf, frozen=True, forbid_unknown_fields=True):
    """What the venue calls a symbol: its coin, pair and spot pair, and how many coins one contract unit holds."""

    coin: str
    pair: str = ""
    spot: str = ""
    coins: float = 1.0


class CoinGlassConf(Conf, frozen=True, forbid_unknown_fields=True):
    """The coinglass section of conf/sources.yaml, with the sim section over it for the stand-in venue."""

    url: str
    key_header: str
    key_name: str
    settle_lag_minutes: int
    page: int
    per_minute: int
    wait_seconds: float
    account: str
    quotes: list[str]
    symbols: dict[str, Market]
    series: dict[str, SeriesConf]
    absent: dict[str, str]
    plans: dict[str, dict[str, int]]

    def __post_init__(self) -> None:
        """Refuse columns and timeframes nobody knows, and pages no bar fits in."""
        _known(self.absent, BAR_COLUMNS, "column")
        _known([name for plan in self.plans.values() for name in plan], TIMEFRAMES, "timeframe")
        if any(field.per <= 0 for spec in self.series.values() for field in spec.columns().values()):
            raise ValueError("per should be above 0")
        if self.page < 2 or self.settle_lag_minutes < 0 or self.per_minute < 0 or self.wait_seconds < 0:
            raise ValueError("page should be at least 2, and times and limits not negative")

    def market(self, symbol: str) -> Market:
        """What does the venue call this symbol? Raises Usage where no coin can be told from it."""
        if symbol in self.symbols:
            named = self.symbols[symbol]
            return msgspec.structs.replace(named, pair=named.pair or symbol)
        stem = re.split("[_-]", symbol)[0]
        for quote in self.quotes:
            if stem.endswith(quote) and stem != quote:
                coin = stem.removesuffix(quote)
                return Market(coin, symbol, coin + quote)
        raise Usage(f"symbol {symbol}: its coin cannot be told; name it in conf/sources.yaml, coinglass: symbols")

    def plan_for(self, tf: str) -> str:
        """Which is the cheapest plan that serves this timeframe? Empty where none does."""
        return next((plan.title() for plan, depth in self.plans.items() if tf in depth), "")


def coinglass_conf(path: Path | None = None, *, sim: bool = False) -> CoinGlassConf:
    """What does the coinglass section say (with `sim`, the sim section over it)?

    Raises Usage where it is not there or makes no sense.
    """
    path = path or conf_path("sources.yaml")
    found, where = read_yaml(path), shown(path)
    section, over = found.get("coinglass"), found.get("sim") or {}
    if not isinstance(section, dict) or not isinstance(over, dict):
        raise Usage(f"{where}: coinglass and sim should be mappings of names to values; mend the file")
    return convert({**section, **(over if sim else {})}, CoinGlassConf, f"{where}, {'sim' if sim else 'coinglass'}")


def _known(names: Iterable[str], known: Collection[str], what: str) -> None:
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            raise ValueError(f"{what} {name!r} is unknown" + (f"; did you mean {near[0]!r}?" if near else ""))
