-- Days in whose median bar takers bought and sold less than a tenth of the turnover: another unit, or another market.
-- needs: perp_taker_buy, perp_taker_sell, quote_volume
-- with: share = 0.1
-- must: == 0
SELECT day, median((perp_taker_buy + perp_taker_sell) / quote_volume) AS share
FROM bars
WHERE quote_volume > 0
GROUP BY day
HAVING median((perp_taker_buy + perp_taker_sell) / quote_volume) < getvariable('share')
ORDER BY day
