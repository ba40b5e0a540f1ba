-- Holes of an hour or more, and of more bars than features and labels bridge, between bars that are there.
-- needs: ts
-- with: hours = 1, bridged = 3
-- must: == 0
SELECT before AS since, ts AS until, (epoch_ms(ts) - epoch_ms(before)) // getvariable('tf_ms') - 1 AS bars
FROM (SELECT ts, lag(ts) OVER (ORDER BY ts) AS before FROM bars)
WHERE epoch_ms(ts) - epoch_ms(before) > (getvariable('bridged') + 1.1) * getvariable('tf_ms')
  AND epoch_ms(ts) - epoch_ms(before) - getvariable('tf_ms') >= getvariable('hours') * 3600000
ORDER BY ts
