-- Every value of a bar that another took the place of: the old one stood from first_seen to last_seen.
-- The log tells when, publish by publish; what changed before its day was committed tells it itself.
WITH told AS (
    SELECT TRY_CAST(time AS TIMESTAMPTZ) AS time, tf, symbol, TRY_CAST(day AS DATE) AS day, old, new
    FROM $log
    WHERE dataset = 'bars' AND regexp_full_match(new, '[0-9a-f]{64}|absent')
),
said AS (
    SELECT * EXCLUDE (body), any_value(body) AS body FROM $files GROUP BY ALL
),
changed AS (
    SELECT s.* REPLACE (coalesce(s.last_seen, t.time) AS last_seen)
    FROM said AS s
    LEFT JOIN told AS t ON t.tf = s.tf AND t.symbol = s.symbol AND t.day = s.day
                       AND t.old = s.old_part AND t.new = s.new_part
    WHERE s.last_seen IS NOT NULL OR t.time IS NOT NULL
),
traced AS (  -- since when the old value stood: the cell's last change, its bar's coming, its day's
    SELECT c.*, lag(last_seen) OVER (PARTITION BY tf, symbol, ts, "column" ORDER BY last_seen) AS earlier,
           max(last_seen) FILTER ("column" = 'bar' AND old IS NULL)
               OVER (PARTITION BY tf, symbol, ts ORDER BY last_seen GROUPS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
               AS came
    FROM changed AS c
)
SELECT r.symbol, r.tf, r.day, r.ts, r."column", r.old, r.new,
       greatest(r.first_seen, r.earlier, r.came, born.time) AS first_seen,
       r.last_seen, r.source, r.body, r.old_part, r.new_part
FROM traced AS r
ASOF LEFT JOIN (SELECT tf, symbol, day, time FROM told WHERE old = 'absent') AS born
    ON born.tf = r.tf AND born.symbol = r.symbol AND born.day = r.day AND born.time < r.last_seen
