-- Labels whose entry does not lie between its barriers, or whose barriers stand on no range at all.
-- must: == 0
SELECT symbol, ts, lower, entry, upper, atr
FROM labels
WHERE NOT coalesce(lower < entry AND entry < upper AND atr > 0 AND entry > 0, false)
ORDER BY ts
