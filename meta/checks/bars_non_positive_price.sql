-- Prices of zero or below.
-- any: open, high, low, close
-- must: == 0
SELECT symbol, ts, open, high, low, close
FROM bars
WHERE least(open, high, low, close) <= 0
ORDER BY ts
