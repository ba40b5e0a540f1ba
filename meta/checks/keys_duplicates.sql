-- Rows whose key, symbol and ts, stands in the data more than once.
-- must: == 0
SELECT symbol, ts, count(*) AS rows
FROM keys
GROUP BY symbol, ts
HAVING count(*) > 1
ORDER BY ts
