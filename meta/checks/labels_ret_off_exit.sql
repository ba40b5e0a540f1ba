-- Labels whose return is not the logarithm of exit over entry.
-- must: == 0
SELECT symbol, ts, entry, exit, ret
FROM labels
WHERE NOT coalesce(abs(ret - ln(CASE WHEN exit > 0 AND entry > 0 THEN exit / entry END)) <= 1e-12, false)
ORDER BY ts
