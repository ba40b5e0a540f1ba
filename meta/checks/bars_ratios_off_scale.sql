-- Long/short ratios that are none: below 1 to 100 or above 100 to 1. A share in percent, a difference, a log.
-- any: ls_top_account, ls_top_position, ls_global, ls_taker
-- with: most = 100
-- must: <= 0.001
-- share: bars
FROM (UNPIVOT (SELECT ts, ls_top_account, ls_top_position, ls_global, ls_taker FROM bars)
      ON COLUMNS(* EXCLUDE ts) INTO NAME name VALUE value)
WHERE value NOT BETWEEN 1 / getvariable('most') AND getvariable('most') AND value <> 0
ORDER BY ts, name
