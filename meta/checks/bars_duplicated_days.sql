-- Days on which a column says, bar by bar, what it said on an earlier day.
-- any: close, volume, quote_volume, trades, perp_taker_buy, perp_taker_sell, spot_taker_buy, spot_taker_sell
-- any: oi_now, oi_base, mark_price, index_price, premium, liq_long, liq_short
-- any: ls_top_account, ls_top_position, ls_global, ls_taker
-- when: getvariable('tf_ms') <= 4 * 3600000 AND count(DISTINCT day) > 1
-- else: less than two days of six bars
-- must: == 0
WITH told AS (
    UNPIVOT (
        SELECT ts, day, close, volume, quote_volume, trades::DOUBLE AS trades, perp_taker_buy, perp_taker_sell,
               spot_taker_buy, spot_taker_sell, oi_now, oi_base, mark_price, index_price, premium, liq_long, liq_short,
               ls_top_account, ls_top_position, ls_global, ls_taker
        FROM bars
    ) ON COLUMNS(* EXCLUDE (ts, day)) INTO NAME name VALUE value
), days AS (
    SELECT name, day, bit_xor(hash(epoch_ms(ts) % 86400000, value)) AS told
    FROM told
    GROUP BY name, day
    HAVING count(*) >= 6 AND approx_count_distinct(value) >= 4
), copies AS (
    SELECT name, day, min(day) OVER (PARTITION BY name, told) AS same_as FROM days
)
SELECT day, same_as, string_agg(name, ' ' ORDER BY name) AS names
FROM copies
WHERE day > same_as
GROUP BY day, same_as
ORDER BY day
