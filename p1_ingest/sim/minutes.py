"""What happened in each minute of a day: a bridge between two midnights, and what trade and fear make of it.

Volatility is a cascade of random factors over blocks of four hours down to a minute. Every column is an integer, so
that sums are exact and every longer bar is its minutes.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from p1_ingest.sim import dice
from p1_ingest.sim.coins import COINS, FIRST_DAY, LIQUIDATIONS_SINCE, Coin
from p1_ingest.sim.walk import MINUTES, anchors

CASCADE = ((240, 0.25), (60, 0.25), (15, 0.25), (5, 0.2), (1, 0.25))  # minutes a block, deviation of its log factor
SHOCK = np.array([0.5, 0.25, 0.12, 0.08, 0.05])  # how a jump spreads over its minutes
# Log volatility by UTC hour: quiet before Europe wakes, busiest when New York opens.
HOURS = np.array(
    [0.05, -0.02, -0.05, -0.15, -0.25, -0.25, -0.2, -0.1, 0.0, 0.0, -0.05, -0.05,
     0.05, 0.25, 0.4, 0.35, 0.25, 0.15, 0.1, 0.05, 0.0, -0.05, -0.05, 0.0, 0.05]
)  # fmt: skip
DAYTIME = dice.line(HOURS, 60)[:-1]
# Columns count 10^-decimals of USD, base units (buy_base, sell_base, oi, oi_pair) or percent (funding); prices ticks.
DECIMALS = {
    "volume": 4, "buy": 4, "sell": 4, "buy_base": 4, "sell_base": 4, "spot_volume": 4, "spot_buy": 4, "spot_sell": 4,
    "liq_long": 4, "liq_short": 4, "oi": 3, "oi_pair": 3, "oi_usd": 0, "oi_pair_usd": 0,
    "funding": 6, "funding_oi": 6, "funding_vol": 6,
}  # fmt: skip


@dataclass(frozen=True)
class Minutes:
    """The 1,440 minutes of one day.

    prices : name -> (4, 1440) open, high, low, close in ticks · flows : name -> (1440,)
    paths : name -> (1441,) states at each minute's start and at the day's end · present : (1440,) false in an outage
    """

    prices: dict[str, np.ndarray]
    flows: dict[str, np.ndarray]
    paths: dict[str, np.ndarray]
    present: np.ndarray


@lru_cache(maxsize=16)
def minutes(name: str, day: int) -> Minutes:
    """What happened to this coin in each minute of this day (days since 1970)?"""
    return _Day(COINS[name], day).minutes()


class _Day:
    """One day in the making; each step needs the ones before it."""

    def __init__(self, coin: Coin, day: int) -> None:
        self.coin, self.day, self.i = coin, day, day - FIRST_DAY
        self.at = day * MINUTES + np.arange(MINUTES)
        self.anchor = anchors(coin.name)

    def minutes(self) -> Minutes:
        self._volatility()
        self._path()
        self._premium()
        self._volume()
        self._liquidations()
        present = self._present()
        flows = {name: np.rint(flow * 1e4 * present).astype(np.int64) for name, flow in self._flows().items()}
        flows["volume"] = flows["buy"] + flows["sell"]
        flows["spot_volume"] = flows["spot_buy"] + flows["spot_sell"]
        perp = self._ohlc("perp", self.price, self.coin.decimals)
        spot = self._ohlc("spot", self.price * (1.0 - self.premium) / self.coin.units, self.coin.spot_decimals)
        return Minutes({"perp": perp, "spot": spot}, flows, self._paths(perp), present)

    def _normal(self, word: str, block: int = 1) -> np.ndarray:
        """One normal number a block of minutes, repeated over the block."""
        stream = dice.key(self.coin.name, word, block)
        return np.repeat(dice.normal(stream, self.at[::block] // block), block)

    def _uniform(self, word: str, block: int = 1) -> np.ndarray:
        return np.repeat(dice.uniform(dice.key(self.coin.name, word, block), self.at[::block] // block), block)

    def _smooth(self, word: str, block: int) -> np.ndarray:
        """A line through one normal number a block: (1441,), continuous across midnight."""
        nodes = np.arange(self.day * MINUTES // block, (self.day + 1) * MINUTES // block + 1)
        return dice.line(dice.normal(dice.key(self.coin.name, word, block), nodes), block)

    def _between(self, nodes: np.ndarray) -> np.ndarray:
        """A line from this midnight's anchor to the next: (1441,)."""
        return dice.line(nodes[self.i : self.i + 2], MINUTES)

    def _volatility(self) -> None:
        weekday = -0.35 if (self.day + 3) % 7 >= 5 else 0.0
        heat = self._between(self.anchor.volatility)[:-1] + DAYTIME + weekday
        for block, deviation in CASCADE:
            heat = heat + deviation * self._normal("heat", block) - deviation * deviation
        self.heat = heat  # log volatility against the coin's ordinary minute
        self.ordinary = self.coin.volatility / float(np.sqrt(float(MINUTES)))
        self.sigma = self.ordinary * dice.exp(heat)

    def _path(self) -> None:
        start, end = self.anchor.price[self.i], self.anchor.price[self.i + 1]
        jump, first = self.anchor.jump[self.i], self.anchor.jump_minute[self.i]
        self.shock = np.zeros(MINUTES)
        self.shock[first : first + len(SHOCK)] = SHOCK
        walk = self.sigma * self._normal("walk")
        clock = np.cumsum(self.sigma * self.sigma)  # the bridge's own time: variance so far
        drift = (end - start - jump) - np.cumsum(walk)[-1]
        steps = walk + self.sigma * self.sigma / clock[-1] * drift + jump * self.shock
        self.log = start + np.append(0.0, np.cumsum(steps))
        self.log[-1] = end
        self.step = self.log[1:] - self.log[:-1]
        self.pull = self.step / self.sigma
        self.price = self.coin.price * dice.exp(self.log)

    def _premium(self) -> None:
        apart = self.log - self._between(self.anchor.price)
        ends = np.array([self.i, self.i + 1])
        trend = dice.line(self.anchor.price[ends] - self.anchor.price[np.maximum(ends - 5, 0)], MINUTES)
        noise = 4.5e-4 * self._smooth("premium", 480) + 1e-4 * self._smooth("premium", 60)
        self.premium = noise * (self.coin.volatility / 0.03) + 0.01 * apart + 0.0015 * trend

    def _volume(self) -> None:
        noise = 0.3 * self._normal("volume") + 0.2 * self._normal("volume", 15)
        busy = dice.exp(0.9 * self.heat + noise - 0.25) * (0.45 + 0.6 * np.abs(self.pull))
        self.traded = np.ones(MINUTES, bool)
        if self.coin.idle:
            quiet = self._uniform("quiet", 15) < self.coin.idle
            self.traded = self._uniform("traded") > np.where(quiet, 0.93, 0.25 * self.coin.idle)
            self.traded[[0, -1]] = True
        self.turnover = self.coin.turnover / MINUTES * busy * self.traded
        spot_noise = dice.exp(0.25 * self._normal("spot") + 0.2 * self._normal("spot", 60))
        self.spot_turnover = self.turnover * self.coin.spot_share * spot_noise

    def _liquidations(self) -> None:
        """Longs are closed by force where price lies below its last quarter hour's high, shorts above its low."""
        high = low = self.log[1:]
        for back in (1, 2, 4, 8):
            high = np.maximum(high, np.append(np.full(back, high[0]), high[:-back]))
            low = np.minimum(low, np.append(np.full(back, low[0]), low[:-back]))
        scale = 4.0 * self.ordinary * float(dice.exp(self.anchor.volatility[self.i : self.i + 1])[0])
        self.liquidated = {}
        for side, fall in (("long", (high - self.log[1:]) / scale), ("short", (self.log[1:] - low) / scale)):
            against = self.step < 0 if side == "long" else self.step > 0
            stress = np.maximum(fall - 0.6, 0.0)
            share = 0.012 * stress * stress / (1.0 + 0.15 * stress * stress) * np.where(against, 1.0, 0.2)
            stray = np.where(self._uniform(f"stray {side}") < 0.3, 0.0015 * self._uniform(f"size {side}"), 0.0)
            self.liquidated[side] = self.turnover * (share * (0.5 + self._uniform(f"share {side}")) + stray)
        if self.day < LIQUIDATIONS_SINCE:
            self.liquidated = {side: np.zeros(MINUTES) for side in self.liquidated}

    def _flows(self) -> dict[str, np.ndarray]:
        """USD, but for the base-unit twins of the perpetual's takers."""
        mood = 0.6 * self._normal("mood", 5)
        lean = 0.5 + 0.22 * dice.squash(0.8 * self.pull + mood + 0.5 * self._normal("lean"))
        spot_lean = 0.5 + 0.2 * dice.squash(0.5 * self.pull + mood + 0.7 * self._normal("spot lean"))
        middle = 0.5 * (self.price[:-1] + self.price[1:])
        return {
            "buy": self.turnover * lean,
            "sell": self.turnover * (1.0 - lean),
            "buy_base": self.turnover * lean / middle,
            "sell_base": self.turnover * (1.0 - lean) / middle,
            "spot_buy": self.spot_turnover * spot_lean,
            "spot_sell": self.spot_turnover * (1.0 - spot_lean),
            "liq_long": self.liquidated["long"],
            "liq_short": self.liquidated["short"],
        }

    def _ohlc(self, word: str, price: np.ndarray, decimals: int) -> np.ndarray:
        ticks = np.maximum(np.rint(price * 10.0**decimals).astype(np.int64), 1)
        last = np.maximum.accumulate(np.where(self.traded, np.arange(MINUTES), 0))
        close = ticks[1:][last]
        before = np.append(ticks[0], close[:-1])
        gap = self._uniform(f"{word} gap")
        opened = np.maximum(before + (gap < 0.28).astype(np.int64) - (gap > 0.72), 1)
        reach = np.maximum(self.sigma, 0.3 * np.abs(self.step)) * price[1:] * 10.0**decimals
        up, down = self._uniform(f"{word} up"), self._uniform(f"{word} down")
        high = np.maximum(opened, close) + np.rint(0.9 * reach * up * up).astype(np.int64)
        low = np.maximum(np.minimum(opened, close) - np.rint(0.9 * reach * down * down).astype(np.int64), 1)
        return np.where(self.traded, np.stack([opened, high, low, close]), close)

    def _paths(self, perp: np.ndarray) -> dict[str, np.ndarray]:
        base = self._interest()
        share = 0.16 + 0.01 * self._smooth("share", MINUTES)
        last = np.append(perp[0, 0], perp[3]) / 10.0**self.coin.decimals
        oi, oi_pair = np.rint(base * 1e3), np.rint(base * share * 1e3)
        paths = {"oi": oi, "oi_pair": oi_pair, "oi_usd": np.rint(oi * last / 1e3)}
        paths["oi_pair_usd"] = np.rint(oi_pair * last / 1e3)
        return {name: path.astype(np.int64) for name, path in (paths | self._funding()).items()}

    def _interest(self) -> np.ndarray:
        """Open interest of all venues, base units: (1441,). It creeps with trade and falls where positions are shut."""
        start, end = self.anchor.interest[self.i], self.anchor.interest[self.i + 1]
        jump = -0.6 * abs(self.anchor.jump[self.i])
        shut = 6.0 * (self.liquidated["long"] + self.liquidated["short"]) / (4.5 * self.coin.turnover)
        steps = 0.25 * self.ordinary * (self._normal("interest") + 0.3 * np.abs(self.pull)) - shut
        drift = (end - start - jump) - np.cumsum(steps)[-1]
        steps = steps + drift / MINUTES + jump * self.shock
        path = start + np.append(0.0, np.cumsum(steps))
        path[-1] = end
        return self.coin.open_interest * dice.exp(path)

    def _funding(self) -> dict[str, np.ndarray]:
        """Funding in 1e-6 percent: Binance's estimate of the running period, and two means over venues."""
        span = self.coin.funding_hours * 60
        sums = np.cumsum(self.premium[:-1].reshape(-1, span), axis=1) / np.arange(1, span + 1)
        running = np.append(sums.ravel()[0], sums.ravel())
        now, plain = _clamped(self.premium), 0.4 * self.premium + 0.6e-4
        rates = {
            "funding": _clamped(running),
            "funding_oi": 0.55 * now + 0.45 * plain,
            "funding_vol": 0.4 * now + 0.6 * plain + 2e-6 * self._smooth("venues", 60),
        }
        return {name: np.rint(rate * 1e8) for name, rate in rates.items()}

    def _present(self) -> np.ndarray:
        """Outages: one day in twenty-five loses one to six 5-minute bars."""
        present = np.ones(MINUTES, bool)
        luck = [dice.uniform(dice.key(self.coin.name, "outage", i), self.at[:1])[0] for i in range(3)]
        if luck[0] < 0.04:
            first = int(luck[1] * 280) * 5
            present[first : first + 5 * (1 + int(luck[2] * 6))] = False
        return present


def _clamped(premium: np.ndarray) -> np.ndarray:
    """Binance's rule: premium plus (interest 0.01 % - premium) held within ±0.05 %."""
    return premium + np.minimum(np.maximum(1e-4 - premium, -5e-4), 5e-4)
