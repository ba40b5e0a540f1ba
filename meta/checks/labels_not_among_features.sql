-- Labels of bars that have no features.
-- must: == 0
SELECT labels.symbol, labels.ts
FROM labels ANTI JOIN features USING (symbol, ts)
ORDER BY ts
