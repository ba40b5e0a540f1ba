-- Columns that say one and the same all along, be it zero: nobody measures there, and a feature of it says nothing.
-- any: close, volume, quote_volume, trades, perp_taker_buy, perp_taker_sell, perp_taker_buy_base
-- any: spot_taker_buy, spot_taker_sell, oi_now, oi_base, funding_now, mark_price, index_price, premium
-- any: liq_long, liq_short, ls_top_account, ls_top_position, ls_global, ls_taker
-- when: count(*) >= 12 AND epoch_ms(max(ts)) - epoch_ms(min(ts)) + getvariable('tf_ms') >= 3 * 86400000
-- else: less than 3 days
-- with: days = 3, funding_days = 60, bars = 12
-- must: == 0
SELECT name, min(value) AS value, min(ts) AS since, max(ts) AS until, count(*) AS bars
FROM (UNPIVOT (
    SELECT ts, close, volume, quote_volume, trades::DOUBLE AS trades, perp_taker_buy, perp_taker_sell,
           perp_taker_buy_base, spot_taker_buy, spot_taker_sell, oi_now, oi_base, funding_now, mark_price, index_price,
           premium, liq_long, liq_short, ls_top_account, ls_top_position, ls_global, ls_taker
    FROM bars
) ON COLUMNS(* EXCLUDE ts) INTO NAME name VALUE value)
GROUP BY name
HAVING min(value) = max(value) AND count(*) >= getvariable('bars')
   AND epoch_ms(max(ts)) - epoch_ms(min(ts)) + getvariable('tf_ms')
       >= 86400000 * CASE name WHEN 'funding_now' THEN getvariable('funding_days') ELSE getvariable('days') END
ORDER BY name
