-- Days whose median basis, the perpetual's close over the spot index, is more than funding lets stand.
-- needs: index_price, close
-- with: slack = 0.03
-- must: == 0
SELECT day, median(close / index_price - 1) AS basis
FROM bars
WHERE index_price > 0
GROUP BY day
HAVING abs(median(close / index_price - 1)) > getvariable('slack')
ORDER BY day
