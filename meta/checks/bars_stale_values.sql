-- Runs of one value, not zero, for longer than such a column ever stands still (hours). Funding may rest at the venues'
-- base rate, 1 bp in 8 hours, for weeks.
-- any: close, volume, quote_volume, perp_taker_buy, perp_taker_sell, perp_taker_buy_base, spot_taker_buy
-- any: spot_taker_sell, oi_now, oi_base, funding_now, mark_price, index_price, premium, liq_long, liq_short
-- any: ls_top_account, ls_top_position, ls_global, ls_taker
-- with: bars = 12, flow = 1, notional = 3, mark = 12, coins = 24, ratio = 24, price = 72, funding = 72, base_rate = 1440
-- must: == 0
WITH told AS (
    UNPIVOT (
        SELECT ts, close, volume, quote_volume, perp_taker_buy, perp_taker_sell, perp_taker_buy_base, spot_taker_buy,
               spot_taker_sell, oi_now, oi_base, funding_now, mark_price, index_price, premium, liq_long, liq_short,
               ls_top_account, ls_top_position, ls_global, ls_taker
        FROM bars
    ) ON COLUMNS(* EXCLUDE ts) INTO NAME name VALUE value
), steps AS (
    SELECT *, (value IS DISTINCT FROM lag(value) OVER (PARTITION BY name ORDER BY ts))::INT AS step FROM told
), runs AS (
    SELECT *, sum(step) OVER (PARTITION BY name ORDER BY ts) AS run FROM steps
)
SELECT name, value, min(ts) AS since, max(ts) AS until, count(*) AS bars
FROM runs
WHERE value <> 0
GROUP BY name, run, value
HAVING count(*) >= getvariable('bars')
   AND epoch_ms(max(ts)) - epoch_ms(min(ts)) + getvariable('tf_ms') >= 3600000 * CASE
       WHEN name = 'oi_now' THEN getvariable('notional')
       WHEN name = 'oi_base' THEN getvariable('coins')
       WHEN name IN ('mark_price', 'index_price') THEN getvariable('mark')
       WHEN name IN ('close', 'premium') THEN getvariable('price')
       WHEN name LIKE 'ls_%' THEN getvariable('ratio')
       WHEN name = 'funding_now' AND round(value * 8e4, 6) IN (1, 2, 4, 8) THEN getvariable('base_rate')
       WHEN name = 'funding_now' THEN getvariable('funding')
       ELSE getvariable('flow') END
ORDER BY since, name
