-- Open interest so many times the value before, or the reverse, as positions do not move from bar to bar.
-- any: oi_now, oi_base
-- with: factor = 3, bars = 4
-- must: == 0
SELECT ts, name, before, value
FROM (
    SELECT ts, name, value, lag(value) OVER of_name AS before, epoch_ms(ts) - epoch_ms(lag(ts) OVER of_name) AS since
    FROM (UNPIVOT (SELECT ts, oi_now, oi_base FROM bars) ON COLUMNS(* EXCLUDE ts) INTO NAME name VALUE value)
    WHERE value > 0
    WINDOW of_name AS (PARTITION BY name ORDER BY ts)
)
WHERE greatest(value / before, before / value) >= getvariable('factor')
  AND since <= getvariable('bars') * getvariable('tf_ms')
ORDER BY ts, name
