-- Days from which a column lies so much higher or lower for good that only its unit can have changed: the lowest of three
-- days' medians against the highest of the three before, or the reverse.
-- any: close, volume, quote_volume, trades, perp_taker_buy, perp_taker_sell, perp_taker_buy_base
-- any: spot_taker_buy, spot_taker_sell, oi_now, oi_base, funding_now, mark_price, index_price, premium
-- any: ls_top_account, ls_top_position, ls_global, ls_taker
-- when: count(DISTINCT day) >= 6
-- else: fewer than 6 days
-- with: state = 5, flow = 30, rate = 50
-- must: == 0
WITH days AS (
    SELECT name, day, median(abs(value)) AS level
    FROM (UNPIVOT (
        SELECT day, close, volume, quote_volume, trades::DOUBLE AS trades, perp_taker_buy, perp_taker_sell,
               perp_taker_buy_base, spot_taker_buy, spot_taker_sell, oi_now, oi_base, funding_now, mark_price,
               index_price, premium, ls_top_account, ls_top_position, ls_global, ls_taker
        FROM bars
    ) ON COLUMNS(* EXCLUDE day) INTO NAME name VALUE value)
    GROUP BY name, day
    HAVING median(abs(value)) > 0
), around AS (
    SELECT *, min(level) OVER after AS low_after, max(level) OVER after AS high_after,
           min(level) OVER before AS low_before, max(level) OVER before AS high_before,
           count(*) OVER after AS days_after, count(*) OVER before AS days_before
    FROM days
    WINDOW after AS (PARTITION BY name ORDER BY day ROWS BETWEEN CURRENT ROW AND 2 FOLLOWING),
           before AS (PARTITION BY name ORDER BY day ROWS BETWEEN 3 PRECEDING AND 1 PRECEDING)
)
SELECT day, name, CASE WHEN low_after > high_before THEN low_after / high_before
                       ELSE high_after / low_before END AS factor
FROM around
WHERE days_after = 3 AND days_before = 3
  AND greatest(low_after / high_before, low_before / high_after) >= CASE
      WHEN name IN ('funding_now', 'premium') THEN getvariable('rate')
      WHEN name IN ('close', 'oi_now', 'oi_base', 'mark_price', 'index_price') OR name LIKE 'ls_%'
      THEN getvariable('state') ELSE getvariable('flow') END
ORDER BY day, name
