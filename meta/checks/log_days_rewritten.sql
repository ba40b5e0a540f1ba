-- Days rewritten again and again long after they were over: a venue, or a job, that keeps changing its past.
-- with: days = 7, most = 3
-- must: == 0
SELECT day, count(*) AS times, max(time) AS last
FROM log
WHERE old <> 'absent' AND old <> new AND time[:10]::DATE > day::DATE + getvariable('days')::INT
GROUP BY day
HAVING count(*) > getvariable('most')
ORDER BY times DESC, day
