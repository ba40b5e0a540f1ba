-- Closes, marks and index prices so many times the one before, or the reverse, that a unit or a digit slipped.
-- any: close, mark_price, index_price
-- with: factor = 3
-- must: == 0
SELECT ts, name, before, value
FROM (
    SELECT ts, name, value, lag(value) OVER (PARTITION BY name ORDER BY ts) AS before
    FROM (UNPIVOT (SELECT ts, close, mark_price, index_price FROM bars)
          ON COLUMNS(* EXCLUDE ts) INTO NAME name VALUE value)
    WHERE value > 0
)
WHERE greatest(value / before, before / value) >= getvariable('factor')
ORDER BY ts, name
