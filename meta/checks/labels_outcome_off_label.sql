-- Labels that do not fit their outcome: up is 1, down is -1, timeout is 0; only a tie may be any of them.
-- must: == 0
SELECT symbol, ts, label, outcome
FROM labels
WHERE NOT coalesce(
    (outcome = 'up' AND label = 1) OR (outcome = 'down' AND label = -1)
    OR (outcome = 'timeout' AND label = 0) OR (outcome = 'tie' AND label IN (-1, 0, 1)), false)
ORDER BY ts
