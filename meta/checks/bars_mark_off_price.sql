-- Days whose median close lies off the mark price.
-- needs: mark_price, close
-- with: slack = 0.02
-- must: == 0
SELECT day, median(close / mark_price - 1) AS off
FROM bars
WHERE mark_price > 0
GROUP BY day
HAVING abs(median(close / mark_price - 1)) > getvariable('slack')
ORDER BY day
