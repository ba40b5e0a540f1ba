-- Runs of one value, not zero, for longer than such a column ever stands still (hours). Funding may rest at the venues'
-- base rate, 1 bp in 8 hours, for weeks.
-- any: close, volume, quote_volume, perp_taker_buy, perp_taker_sell, perp_taker_buy_base, spot_taker_buy
-- any: spot_taker_sell, oi_now, oi_base, funding_now, mark_price, index_price, premium, liq_long, liq_short
-- any: ls_top_account, ls_top_position, ls_global, ls_taker
-- with: bars = 12, flow = 1, notional = 3, mark = 12, coins = 24, ratio = 24, price = 72, funding = 72, base_rate = 1440
-- must: == 0
WITH again AS (
    SELECT ts, row_number() OVER by_ts AS row,
           CASE WHEN COLUMNS(* EXCLUDE ts) = lag(COLUMNS(* EXCLUDE ts)) OVER by_ts THEN COLUMNS(* EXCLUDE ts) END
    FROM (SELECT ts, close, volume, quote_volume, perp_taker_buy, perp_taker_sell, perp_taker_buy_base, spot_taker_buy,
                 spot_taker_sell, oi_now, oi_base, funding_now, mark_price, index_price, premium, liq_long, liq_short,
                 ls_top_account, ls_top_position, ls_global, ls_taker
          FROM bars)
    WINDOW by_ts AS (ORDER BY ts)
), runs AS (
    SELECT *, row - row_number() OVER (PARTITION BY name ORDER BY row) AS run
    FROM (UNPIVOT again ON COLUMNS(* EXCLUDE (ts, row)) INTO NAME name VALUE value)
)
SELECT name, value, min(ts) AS since, max(ts) AS until, count(*) + 1 AS bars
FROM runs
WHERE value <> 0
GROUP BY name, run, value
HAVING count(*) + 1 >= getvariable('bars')
   AND epoch_ms(max(ts)) - epoch_ms(min(ts)) + 2 * getvariable('tf_ms') >= 3600000 * CASE
       WHEN name = 'oi_now' THEN getvariable('notional')
       WHEN name = 'oi_base' THEN getvariable('coins')
       WHEN name IN ('mark_price', 'index_price') THEN getvariable('mark')
       WHEN name IN ('close', 'premium') THEN getvariable('price')
       WHEN name LIKE 'ls_%' THEN getvariable('ratio')
       WHEN name = 'funding_now' AND round(value * 8e4, 6) IN (1, 2, 4, 8) THEN getvariable('base_rate')
       WHEN name = 'funding_now' THEN getvariable('funding')
       ELSE getvariable('flow') END
ORDER BY since, name
