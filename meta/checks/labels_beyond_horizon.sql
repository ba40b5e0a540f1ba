-- Labels held longer than the horizon, or that timed out at another bar than its last.
-- must: == 0
SELECT symbol, ts, t1, bars_held, outcome
FROM labels
WHERE bars_held > getvariable('horizon') OR (outcome = 'timeout' AND bars_held <> getvariable('horizon'))
ORDER BY ts
