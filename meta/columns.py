"""What a column is called, what it holds and in which unit."""

from __future__ import annotations

import math
from dataclasses import dataclass

LARGEST = math.nextafter(math.inf, 0.0)


@dataclass(frozen=True)
class Column:
    """One column: `type` is an Arrow type name; `kind` says how bars of it combine.

    kind: key, first, max, min, last (a state at the bar's close), flow (sums over bars).
    `limit` is the highest ratio of missing values P1 QA accepts where the source offers the column.
    `must`: what every value of it keeps, such as "> 0" or "> -0.1, < 0.1"; what does not is not believed.
    """

    name: str
    type: str
    unit: str
    meaning: str
    kind: str = "last"
    limit: float = 0.05
    must: str = ""

    @property
    def span(self) -> tuple[float, float]:
        """The least and the greatest value that `must` lets pass; infinity is none."""
        least, most = -LARGEST, LARGEST
        for comparison, text in (one.split() for one in self.must.split(",") if one):
            number, upper = float(text), comparison[0] == "<"
            inside = number if comparison[-1] == "=" else math.nextafter(number, -math.inf if upper else math.inf)
            least, most = (least, inside) if upper else (inside, most)
        return least, most


ABOVE_0, FROM_0 = "> 0", ">= 0"
RATE = "> -0.1, < 0.1"  # a period's funding rate: no venue's own cap lets it go so far
TS = "timestamp[ms, tz=UTC]"

KEYS = (
    Column("symbol", "string", "", "the venue's name of the contract; part of the key", "key", 0.0),
    Column("ts", TS, "UTC", "the bar's close: the bar covers (ts - tf, ts] and was knowable at ts", "key", 0.0),
)

BARS = (
    *KEYS,
    Column("open", "double", "quote", "first trade of the bar", "first", 0.0, ABOVE_0),
    Column("high", "double", "quote", "highest trade of the bar", "max", 0.0, ABOVE_0),
    Column("low", "double", "quote", "lowest trade of the bar", "min", 0.0, ABOVE_0),
    Column("close", "double", "quote", "last trade of the bar", "last", 0.0, ABOVE_0),
    Column("volume", "double", "base", "traded volume", "flow", 0.0, FROM_0),
    Column("quote_volume", "double", "USDT", "traded turnover", "flow", 0.0, FROM_0),
    Column("trades", "int64", "count", "number of trades", "flow", 0.0, FROM_0),
    Column("perp_taker_buy", "double", "USDT", "perpetual turnover whose aggressor bought", "flow", 0.005, FROM_0),
    Column("perp_taker_sell", "double", "USDT", "perpetual turnover whose aggressor sold", "flow", 0.005, FROM_0),
    Column("spot_taker_buy", "double", "USDT", "spot turnover whose aggressor bought", "flow", 0.02, FROM_0),
    Column("spot_taker_sell", "double", "USDT", "spot turnover whose aggressor sold", "flow", 0.02, FROM_0),
    Column("oi_now", "double", "USD", "open interest at the bar's close, notional", must=ABOVE_0),
    Column("oi_base", "double", "base", "open interest at the bar's close, coins", must=ABOVE_0),
    Column(
        "funding_now",
        "double",
        "fraction",
        "funding rate per funding period known at ts (0.0001 = 1 bp)",
        must=RATE,
    ),
    Column("funding_interval_hours", "double", "hours", "length of the funding period", must="> 0, <= 24"),
    Column("mark_price", "double", "quote", "mark price at the bar's close", must=ABOVE_0),
    Column("index_price", "double", "quote", "index price at the bar's close", must=ABOVE_0),
    Column("premium", "double", "fraction", "premium index at the bar's close", must="> -1, < 1"),
    Column("liq_long", "double", "USD", "longs force-closed within the bar", "flow", 0.05, FROM_0),
    Column("liq_short", "double", "USD", "shorts force-closed within the bar", "flow", 0.05, FROM_0),
    Column("ls_top_account", "double", "ratio", "long/short ratio of top traders by accounts", must=FROM_0),
    Column("ls_top_position", "double", "ratio", "long/short ratio of top traders by positions", must=FROM_0),
    Column("ls_global", "double", "ratio", "long/short ratio of all accounts", must=FROM_0),
    Column("ls_taker", "double", "ratio", "taker buy/sell volume ratio", must=FROM_0),
    Column("perp_taker_buy_base", "double", "base", "perpetual volume whose aggressor bought", "flow", 0.005, FROM_0),
    Column("oi_ts", TS, "UTC", "the instant oi_now and oi_base describe"),
    Column("ls_ts", TS, "UTC", "the instant the long/short ratios describe"),
    Column("funding_ts", TS, "UTC", "the settlement (or sample) funding_now comes from"),
)

LABELS = (
    *KEYS,
    Column("label", "int8", "", "1 the upper barrier was touched first, -1 the lower one, 0 neither or a tie"),
    Column("outcome", "string", "", "up, down, timeout or tie"),
    Column("t1", TS, "UTC", "close of the touching bar, or of the horizon's last bar"),
    Column("bars_held", "int32", "bars", "grid steps from ts to t1"),
    Column("entry", "double", "quote", "close of the labelled bar"),
    Column("atr", "double", "quote", "average true range at ts"),
    Column("upper", "double", "quote", "entry + k_up x atr"),
    Column("lower", "double", "quote", "entry - k_down x atr"),
    Column("exit", "double", "quote", "price the path left at"),
    Column("ret", "double", "log return", "ln(exit / entry)"),
    Column("mfe", "double", "log return", "largest rise from entry up to t1, at least 0"),
    Column("mae", "double", "log return", "largest fall from entry up to t1, at most 0"),
    Column("path_gap", "bool", "", "up to 3 missing bars in a row were bridged on the path"),
)

WEIGHTS = (
    *KEYS,
    Column("concurrency", "int32", "labels", "labels of the symbol still open at ts, its own not among them"),
    Column("uniqueness", "double", "", "mean of 1 / concurrency over the label's span: above 0, 1 where it is alone"),
    Column("w_return", "double", "log return", "|sum of each bar's return / concurrency| over the span, unscaled"),
)

# A named snapshot of folds: files beside each other, of all symbols.
FOLD_ROLES = (
    Column("split", "int32", "", "number of the split, from 0"),
    *KEYS,
    Column("role", "string", "", "train, test, purged or embargoed; rows a split leaves out are not there"),
)
FOLD_ROWS = (
    *KEYS,
    Column("fold", "int32", "", "block of time the row lies in, from 0: of k-fold, the split that tests it"),
    Column("weight", "double", "", "sample weight, decayed and balanced as the snapshot says; mean 1 over its rows"),
)
FOLD_INPUTS = (
    Column("dataset", "string", "", "labels or weights"),
    Column("symbol", "string", "", "the venue's name of the contract"),
    Column("day", "string", "", "UTC date of the bars' open"),
    Column("sha256", "string", "", "of the part that was read"),
)

# What bars said before: a row for each value, or whole bar (column `bar`), that something else took the place of.
REVISIONS = (
    Column("symbol", "string", "", "the venue's name of the contract", "key"),
    Column("tf", "string", "", "timeframe of the bar", "key"),
    Column("day", "date", "UTC", "date of the bar's open", "key"),
    Column("ts", TS, "UTC", "the bar's close", "key"),
    Column("column", "string", "", "which column changed; bar: the bar itself came (old is null) or went", "key"),
    Column("old", "double", "", "what it said before, in the column's unit, stamps in ms; null: nothing"),
    Column("new", "double", "", "what it said from then on; null: nothing"),
    Column("first_seen", TS, "UTC", "when the old value came into the lake; null where that is not known"),
    Column("last_seen", TS, "UTC", "when the new value took its place"),
    Column("source", "string", "", "which source said so"),
    Column("body", "string", "", "sha256 of the raw bodies the new value came from, where they are known"),
    Column("old_part", "string", "", "sha256 of the day's part before; live: the day was not committed yet"),
    Column("new_part", "string", "", "sha256 of the day's part from then on; absent: the day was taken away"),
)

BAR_COLUMNS = {column.name: column for column in BARS}
PRICES = ("open", "high", "low", "close")
