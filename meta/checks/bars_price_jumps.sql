-- Closes, marks and index prices so many times the one before, or the reverse, that a unit or a digit slipped.
-- any: close, mark_price, index_price
-- with: factor = 3, bars = 4
-- must: == 0
SELECT ts, name, before, value
FROM (
    SELECT ts, name, value, lag(value) OVER of_name AS before, epoch_ms(ts) - epoch_ms(lag(ts) OVER of_name) AS since
    FROM (UNPIVOT (SELECT ts, close, mark_price, index_price FROM bars)
          ON COLUMNS(* EXCLUDE ts) INTO NAME name VALUE value)
    WHERE value > 0
    WINDOW of_name AS (PARTITION BY name ORDER BY ts)
)
WHERE greatest(value / before, before / value) >= getvariable('factor')
  AND since <= getvariable('bars') * getvariable('tf_ms')
ORDER BY ts, name
