-- Labels whose largest rise is below 0, whose largest fall is above it, or whose path went further than either.
-- must: == 0
SELECT symbol, ts, mae, ret, mfe
FROM labels
WHERE NOT coalesce(mae <= 0 AND mfe >= 0 AND ret <= mfe + 1e-12 AND ret >= mae - 1e-12, false)
ORDER BY ts
