-- Bars whose takers bought and sold more than was traded.
-- any: perp_taker_buy, perp_taker_buy_base
-- when: count(quote_volume + perp_taker_buy) + count(volume + perp_taker_buy_base) > 0
-- else: no takers and traded amounts beside each other
-- with: slack = 0.01
-- share: bars
-- must: <= 0.001
-- should: <= 0.0001
SELECT ts, perp_taker_buy, perp_taker_sell, quote_volume, perp_taker_buy_base, volume
FROM bars
WHERE perp_taker_buy + coalesce(perp_taker_sell, 0) > quote_volume * (1 + getvariable('slack'))
   OR perp_taker_buy_base > volume * (1 + getvariable('slack'))
ORDER BY ts
