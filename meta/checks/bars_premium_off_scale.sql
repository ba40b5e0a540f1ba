-- Days whose median premium is so large that it must be percent.
-- needs: premium
-- with: most = 0.03
-- must: == 0
SELECT day, median(abs(premium)) AS premium
FROM bars
WHERE premium IS NOT NULL
GROUP BY day
HAVING median(abs(premium)) > getvariable('most')
ORDER BY day
