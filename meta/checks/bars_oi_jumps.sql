-- Open interest so many times the value before, or the reverse, as positions do not move from bar to bar.
-- any: oi_now, oi_base
-- with: factor = 3
-- must: == 0
SELECT ts, name, before, value
FROM (
    SELECT ts, name, value, lag(value) OVER (PARTITION BY name ORDER BY ts) AS before
    FROM (UNPIVOT (SELECT ts, oi_now, oi_base FROM bars) ON COLUMNS(* EXCLUDE ts) INTO NAME name VALUE value)
    WHERE value > 0
)
WHERE greatest(value / before, before / value) >= getvariable('factor')
ORDER BY ts, name
