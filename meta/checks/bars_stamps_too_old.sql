-- Values older than any rule lets a bar take: open interest and ratios of 4 hours or a bar ago, funding of a day ago.
-- any: oi_ts, ls_ts, funding_ts
-- with: hours = 4, funding_hours = 25
-- must: == 0
FROM (UNPIVOT (SELECT ts, oi_ts, ls_ts, funding_ts FROM bars) ON COLUMNS(* EXCLUDE ts) INTO NAME name VALUE instant)
WHERE epoch_ms(ts) - epoch_ms(instant) > CASE name
      WHEN 'funding_ts' THEN greatest(getvariable('funding_hours') * 3600000, getvariable('tf_ms'))
      ELSE greatest(getvariable('hours') * 3600000, getvariable('tf_ms')) END
ORDER BY ts, name
