-- Funding rates beyond what venues cap them at, per funding period.
-- needs: funding_now
-- with: cap = 0.04
-- must: == 0
SELECT ts, funding_now, funding_interval_hours
FROM bars
WHERE abs(funding_now) > getvariable('cap')
ORDER BY ts
