-- Runs of zeros that chance does not make: as long as `hours` at least, in a column that is seldom zero elsewhere.
-- any: spot_taker_buy, spot_taker_sell, liq_long, liq_short
-- with: hours = 72, bars = 12, chance = 1e-12
-- must: == 0
WITH told AS (
    UNPIVOT (SELECT ts, spot_taker_buy, spot_taker_sell, liq_long, liq_short FROM bars)
    ON COLUMNS(* EXCLUDE ts) INTO NAME name VALUE value
), runs AS (
    SELECT *, sum((value <> 0)::INT) OVER (PARTITION BY name ORDER BY ts) AS run,
           count(*) OVER (PARTITION BY name) AS n, sum((value = 0)::INT) OVER (PARTITION BY name) AS zeros
    FROM told
)
SELECT name, min(ts) AS since, max(ts) AS until, count(*) AS bars
FROM runs
WHERE value = 0
GROUP BY name, run, n, zeros
HAVING count(*) >= getvariable('bars')
   AND epoch_ms(max(ts)) - epoch_ms(min(ts)) >= getvariable('hours') * 3600000 - getvariable('tf_ms')
   AND n > count(*)
   AND count(*) * ln((zeros - count(*) + 1) / (n - count(*) + 1)) < ln(getvariable('chance'))
ORDER BY since, name
