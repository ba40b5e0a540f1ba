-- Labels that do not fit their outcome: up is 1, down is -1, timeout is 0; only a tie may be any of them. Of events
-- with a side, a label is 1 or 0, and 0 at a timeout.
-- must: == 0
SELECT symbol, ts, label, outcome
FROM labels
WHERE NOT coalesce(
    (outcome = 'up' AND label = 1) OR (outcome = 'down' AND label = -1)
    OR (outcome = 'timeout' AND label = 0) OR (outcome = 'tie' AND label IN (-1, 0, 1)), false)
  AND NOT coalesce(getvariable('sided') = 1 AND (label = 0 OR (label = 1 AND outcome <> 'timeout')), false)
ORDER BY ts
