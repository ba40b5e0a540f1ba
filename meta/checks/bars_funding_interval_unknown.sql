-- Funding periods no venue has: other than 1, 2, 4 or 8 hours.
-- needs: funding_interval_hours
-- must: == 0
SELECT ts, funding_interval_hours
FROM bars
WHERE funding_interval_hours NOT IN (1, 2, 4, 8)
ORDER BY ts
