"""From midnight to midnight: the coarse walk that a coin's price, volatility and open interest take over the years."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from p1_ingest.sim import dice
from p1_ingest.sim.coins import COINS, FIRST_DAY

DAYS = 15_000  # the tape ends in 2060
MINUTES = 1440


@dataclass(frozen=True)
class Anchors:
    """The coarse walk: log deviations from the coin's ordinary level at each midnight (n+1,), and each day's jump."""

    price: np.ndarray
    volatility: np.ndarray
    interest: np.ndarray
    jump: np.ndarray
    jump_minute: np.ndarray


@lru_cache(maxsize=64)
def anchors(name: str) -> Anchors:
    """Along which midnights does this coin's market run?"""
    coin, day = COINS[name], np.arange(FIRST_DAY, FIRST_DAY + DAYS)
    draw = {word: dice.normal(dice.key(name, "day", word), day) for word in ("price", "volatility", "interest")}
    luck = [dice.uniform(dice.key(name, "jump", i), day) for i in range(4)]
    sign = np.where(luck[1] < 0.6, -1.0, 1.0)
    jump = np.where(luck[0] < 0.12, sign * coin.volatility * (0.4 + 1.6 * luck[2] * luck[2]), 0.0)
    weekday = np.where((day + 3) % 7 >= 5, 0.7, 1.0)
    price, volatility, interest = [0.0], [0.0], [0.0]
    for i in range(DAYS):
        volatility.append(0.95 * volatility[-1] + 0.13 * draw["volatility"][i] + 0.1 * (jump[i] != 0.0) - 0.012)
    step = coin.volatility * weekday * dice.exp(np.array(volatility[:-1])) * draw["price"] + jump
    for i in range(DAYS):
        price.append(0.996 * price[-1] + step[i])
        interest.append(0.985 * interest[-1] + 0.012 * draw["interest"][i] + 0.25 * step[i] - 0.6 * abs(jump[i]))
    when = (luck[3] * (MINUTES - 10)).astype(np.int64)
    return Anchors(np.array(price), np.array(volatility), np.array(interest), jump, when)
