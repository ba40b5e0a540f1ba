-- Days whose amounts are less than a fiftieth of the median of the 31 days around them: data was lost, or its unit.
-- any: volume, quote_volume, trades, perp_taker_buy, perp_taker_sell, spot_taker_buy, spot_taker_sell
-- when: count(DISTINCT day) >= 7
-- else: fewer than 7 days
-- with: share = 0.02
-- must: == 0
WITH days AS (
    SELECT name, day, avg(value) AS amount
    FROM (UNPIVOT (
        SELECT day, volume, quote_volume, trades::DOUBLE AS trades, perp_taker_buy, perp_taker_sell, spot_taker_buy,
               spot_taker_sell
        FROM bars
    ) ON COLUMNS(* EXCLUDE day) INTO NAME name VALUE value)
    GROUP BY name, day
    HAVING count(*) >= 0.25 * 86400000 / getvariable('tf_ms')
)
SELECT day, name, amount / usual AS share
FROM (
    SELECT *, median(amount) OVER (PARTITION BY name ORDER BY day ROWS BETWEEN 15 PRECEDING AND 15 FOLLOWING) AS usual
    FROM days
)
WHERE amount < usual * getvariable('share')
ORDER BY day, name
