-- Days whose median funding is above 30 bp a period. A squeeze lasts for days; a rate in percent stays.
-- needs: funding_now
-- with: most = 0.003
-- must: <= 6
SELECT day, median(abs(funding_now)) AS funding
FROM bars
WHERE funding_now IS NOT NULL
GROUP BY day
HAVING median(abs(funding_now)) > getvariable('most')
ORDER BY day
