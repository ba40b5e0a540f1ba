-- Rows off the timeframe's grid, outside their day's folder, or of another symbol.
-- must: == 0
SELECT symbol, ts, day
FROM keys
WHERE symbol IS DISTINCT FROM getvariable('symbol')
   OR ts IS NULL
   OR epoch_ms(ts) % getvariable('tf_ms') <> 0
   OR (epoch_ms(ts) - getvariable('tf_ms')) // 86400000 <> day - DATE '1970-01-01'
ORDER BY ts
