-- Zeros that cannot be: of open interest, marks and ratios ever, and of volumes, trades and takers while the price moved.
-- any: oi_now, oi_base, mark_price, index_price, ls_top_account, ls_top_position, ls_global, ls_taker
-- any: volume, quote_volume, trades, perp_taker_buy
-- must: == 0
FROM (UNPIVOT (
    SELECT ts, oi_now, oi_base, mark_price, index_price, ls_top_account, ls_top_position, ls_global,
           CASE WHEN traded THEN ls_taker END AS ls_taker,
           CASE WHEN traded THEN volume END AS volume,
           CASE WHEN traded THEN quote_volume END AS quote_volume,
           CASE WHEN traded THEN trades::DOUBLE END AS trades,
           CASE WHEN traded THEN perp_taker_buy + perp_taker_sell END AS perp_taker
    FROM (SELECT *, high > low AS traded FROM bars)
) ON COLUMNS(* EXCLUDE ts) INTO NAME name VALUE value)
WHERE value = 0
ORDER BY ts, name
