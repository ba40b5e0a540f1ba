"""What an export has: its features by the names other tools know them by, and where the lake keeps each."""

from __future__ import annotations

from dataclasses import dataclass

from meta.errors import Usage
from meta.timeframes import DAY, HOUR, Timeframe

# feature -> bar column; tsvol, the coins of sellers, is what is left of the volume.
KLINES = {
    "opn": "open", "hgh": "high", "low": "low", "cls": "close", "vol": "volume", "amt": "quote_volume",
    "tnum": "trades", "tbvol": "perp_taker_buy_base", "tbamt": "perp_taker_buy",
    "tsvol": "", "tsamt": "perp_taker_sell",
}  # fmt: skip


@dataclass(frozen=True)
class Family:
    """Metrics that come together: how far back one is looked for before a day, and how old it may be at a bar.

    stamp : the bar column that tells the instant a value describes. kind : its plane's name. columns : feature -> bar
    column; the plane is that of the first.
    """

    name: str
    kind: str
    stamp: str
    lookback_days: int
    tolerance_ms: int
    columns: dict[str, str]


RATIOS = {
    "lsr_ta": "ls_top_account",
    "lsr_tp": "ls_top_position",
    "lsr_ga": "ls_global",
    "lsr_tv": "ls_taker",
}
FAMILIES = (
    Family("open_interest", "oi", "oi_ts", 1, 6 * HOUR, {"oi": "oi_base", "oiv": "oi_now"}),
    Family("long_short_ratio", "lsr", "ls_ts", 1, 6 * HOUR, RATIOS),
    Family("funding_rate", "fr", "funding_ts", 3, 2 * DAY, {"fr": "funding_now"}),
)
METRICS = {feature: family for family in FAMILIES for feature in family.columns}
IN_REPORT = {"fr": "funding_rate", "oi": "open_interest", "oiv": "open_interest_value"}  # the others as they are
IN_ORDER = ("fr", "oi", "oiv", *RATIOS)
LOOKBACK_DAYS = max(family.lookback_days for family in FAMILIES)
KINDS = ("open", "close", *(family.kind for family in FAMILIES))  # of the timestamp planes, in this order

STRICT, LEGACY = "strict_100", "legacy_warn"
RELIABILITY = (STRICT, LEGACY)
FOLDERS = {"1d": "D1B", "1h": "H1B", "1m": "M1B", "5m": "M5B"}


@dataclass(frozen=True)
class Choice:
    """What to export: bars of which length, made of which, with klines, metrics or both, and how metrics are judged."""

    source: Timeframe
    export: Timeframe
    klines: bool = True
    metrics: bool = True
    reliability: str = STRICT

    def __post_init__(self) -> None:
        if self.reliability not in RELIABILITY:
            raise Usage(f"metrics reliability {self.reliability!r} is not one of {' '.join(RELIABILITY)}")
        if not (self.klines or self.metrics):
            raise Usage("nothing is left to export: include klines, metrics or both")
        if self.export.ms % self.source.ms:
            raise Usage(f"{self.export} is not made of whole {self.source} bars; give a longer --export-freq")

    @property
    def features(self) -> tuple[str, ...]:
        """Which features, in the order of the report and of a table's columns?"""
        return (*(KLINES if self.klines else ()), *self.required)

    @property
    def required(self) -> tuple[str, ...]:
        """Which metrics?"""
        return IN_ORDER if self.metrics else ()

    @property
    def kinds(self) -> tuple[str, ...]:
        """Which timestamp planes?"""
        return KINDS if self.metrics else KINDS[:2]

    @property
    def folder(self) -> str:
        """What is the folder of exports of this length called?"""
        return FOLDERS.get(self.export.name, f"{self.export.name.upper()}B")
