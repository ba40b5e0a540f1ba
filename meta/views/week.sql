-- Weeks of daily bars, Monday 00:00 to Monday 00:00 UTC, right-closed, of all symbols: only those whose seven days are
-- all there. Each column by its kind: the first, highest, lowest or last day's, or the sum (null if a summand is).
SELECT symbol,
       max(ts) AS ts,
       $columns,
       min(bar_open) AS bar_open,
       min(day) AS day
FROM (SELECT *, date_trunc('week', day) AS week FROM bars_1d)
GROUP BY symbol, week
HAVING count(*) = 7
