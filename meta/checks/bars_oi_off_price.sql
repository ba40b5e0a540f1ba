-- Bars whose open interest in USD over that in coins is not their price.
-- needs: oi_now, oi_base, close
-- with: slack = 0.1
-- share: bars
-- must: <= 0.001
-- should: <= 0.0001
SELECT ts, oi_now, oi_base, oi_now / oi_base AS price, close
FROM bars
WHERE oi_now > 0 AND oi_base > 0 AND close > 0
  AND abs(ln(oi_now / oi_base / close)) > getvariable('slack')
ORDER BY ts
