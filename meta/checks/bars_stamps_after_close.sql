-- Values that describe an instant after their bar's close: they were not known there.
-- any: oi_ts, ls_ts, funding_ts
-- must: == 0
FROM (UNPIVOT (SELECT ts, oi_ts, ls_ts, funding_ts FROM bars) ON COLUMNS(* EXCLUDE ts) INTO NAME name VALUE instant)
WHERE instant > ts
ORDER BY ts, name
