-- Amounts below zero: volumes, takers, liquidations, open interest.
-- any: volume, quote_volume, trades, perp_taker_buy, perp_taker_sell, perp_taker_buy_base
-- any: spot_taker_buy, spot_taker_sell, oi_now, oi_base, liq_long, liq_short
-- must: == 0
FROM (UNPIVOT (
    SELECT ts, volume, quote_volume, trades::DOUBLE AS trades, perp_taker_buy, perp_taker_sell, perp_taker_buy_base,
           spot_taker_buy, spot_taker_sell, oi_now, oi_base, liq_long, liq_short
    FROM bars
) ON COLUMNS(* EXCLUDE ts) INTO NAME name VALUE value)
WHERE value < 0
ORDER BY ts, name
