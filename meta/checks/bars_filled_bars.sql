-- Runs of bars without range and volume that chance does not make: a hole somebody filled with its last price.
-- any: volume, quote_volume
-- with: hours = 1, bars = 4, chance = 1e-12
-- must: == 0
WITH flat AS (
    SELECT ts, high = low AND coalesce(volume, quote_volume) = 0 AS still FROM bars
), runs AS (
    SELECT *, sum((NOT still)::INT) OVER (ORDER BY ts) AS run, count(*) OVER () AS n,
           sum(still::INT) OVER () AS flats
    FROM flat
    WHERE still IS NOT NULL
)
SELECT min(ts) AS since, max(ts) AS until, count(*) AS bars
FROM runs
WHERE still
GROUP BY run, n, flats
HAVING count(*) >= getvariable('bars') AND n > count(*)
   AND epoch_ms(max(ts)) - epoch_ms(min(ts)) + getvariable('tf_ms') >= getvariable('hours') * 3600000
   AND count(*) * ln((flats - count(*) + 1) / (n - count(*) + 1)) < ln(getvariable('chance'))
ORDER BY since
