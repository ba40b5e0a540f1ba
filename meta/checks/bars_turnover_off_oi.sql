-- Days whose turnover is so small or so large beside the open interest that one of them is in another unit.
-- needs: quote_volume, oi_now
-- with: factor = 3000
-- must: == 0
SELECT day, avg(quote_volume) * 86400000 / getvariable('tf_ms') AS turnover, median(oi_now) AS oi
FROM bars
WHERE quote_volume IS NOT NULL AND oi_now > 0
GROUP BY day
HAVING avg(quote_volume) > 0
   AND greatest(turnover / oi, oi / turnover) > getvariable('factor')
ORDER BY day
