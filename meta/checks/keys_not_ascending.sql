-- Rows that come after a later one.
-- must: == 0
SELECT symbol, ts
FROM (SELECT symbol, ts, row, lag(ts) OVER (ORDER BY row) AS before FROM keys)
WHERE ts < before
ORDER BY row
