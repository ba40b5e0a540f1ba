-- Bars no trades can make: high below low, or open or close outside the two.
-- needs: high, low
-- must: == 0
SELECT symbol, ts, open, high, low, close
FROM bars
WHERE high < low OR open > high OR open < low OR close > high OR close < low
ORDER BY ts
