-- Shares and percentiles outside 0 … 1, sines and imbalances outside -1 … 1: percent for a fraction.
-- must: == 0
FROM (UNPIVOT (SELECT ts, COLUMNS(* EXCLUDE (symbol, ts))::DOUBLE FROM features)
      ON COLUMNS(* EXCLUDE ts) INTO NAME name VALUE value)
WHERE (name IN ('funding_pctile_30d', 'perp_share_60m') AND value NOT BETWEEN 0 AND 1)
   OR ((name LIKE 'hour_of_week_%' OR name LIKE '%_imbalance%') AND value NOT BETWEEN -1 AND 1)
ORDER BY ts, name
