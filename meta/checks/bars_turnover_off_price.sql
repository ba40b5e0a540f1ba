-- Bars whose turnover over volume, or taker turnover over taker volume, is no price within the bar: base for quote.
-- needs: high, low
-- any: quote_volume, perp_taker_buy_base
-- when: count(volume) > 0 AND count(quote_volume) + count(perp_taker_buy) > 0
-- else: no volume and turnover beside each other
-- with: slack = 0.005
-- share: bars
-- must: <= 0.001
-- should: <= 0.0001
SELECT ts, low, high, quote_volume / nullif(volume, 0) AS price, perp_taker_buy / nullif(perp_taker_buy_base, 0) AS taker
FROM bars
WHERE (volume > 0 AND quote_volume / volume
       NOT BETWEEN low * (1 - getvariable('slack')) AND high * (1 + getvariable('slack')))
   OR (perp_taker_buy_base > 0 AND perp_taker_buy / perp_taker_buy_base
       NOT BETWEEN low * (1 - getvariable('slack')) AND high * (1 + getvariable('slack')))
ORDER BY ts
