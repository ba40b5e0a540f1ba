-- Features that say one and the same on every bar of a week or more: their input is dead, or was never computed.
-- when: count(*) * getvariable('tf_ms') >= 7 * 86400000 AND count(*) >= 21
-- else: less than a week of rows
-- must: == 0
SELECT name, min(value) AS value, count(*) AS rows
FROM (UNPIVOT (SELECT COLUMNS(* EXCLUDE (symbol, ts))::DOUBLE FROM features) ON COLUMNS(*) INTO NAME name VALUE value)
WHERE NOT starts_with(name, '_imputed_') AND name <> 'minutes_to_funding'
GROUP BY name
HAVING min(value) = max(value)
ORDER BY name
