-- Labels that end before they begin, or not as many bars later as they were held.
-- must: == 0
SELECT symbol, ts, t1, bars_held
FROM labels
WHERE NOT coalesce(t1 > ts AND epoch_ms(t1) - epoch_ms(ts) = bars_held * getvariable('tf_ms'), false)
ORDER BY ts
