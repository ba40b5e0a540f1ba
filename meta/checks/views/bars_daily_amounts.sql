-- Each column's mean amount of a day with a quarter of its bars, and the usual one: the median of the 31 days around it.
SELECT *, median(amount) OVER (PARTITION BY name ORDER BY day ROWS BETWEEN 15 PRECEDING AND 15 FOLLOWING) AS usual
FROM (
    SELECT name, day, avg(value) AS amount
    FROM (UNPIVOT (
        SELECT day, volume, quote_volume, trades::DOUBLE AS trades, perp_taker_buy, perp_taker_sell, spot_taker_buy,
               spot_taker_sell
        FROM bars
    ) ON COLUMNS(* EXCLUDE day) INTO NAME name VALUE value)
    GROUP BY name, day
    HAVING count(*) >= 0.25 * 86400000 / getvariable('tf_ms')
)
