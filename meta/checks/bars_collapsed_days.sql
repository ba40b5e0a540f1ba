-- Days whose amounts are less than a fiftieth of the median of the 31 days around them: data was lost, or its unit.
-- any: volume, quote_volume, trades, perp_taker_buy, perp_taker_sell, spot_taker_buy, spot_taker_sell
-- when: count(DISTINCT day) >= 7
-- else: fewer than 7 days
-- with: share = 0.02
-- must: == 0
SELECT day, name, amount / usual AS share
FROM daily_amounts
WHERE amount < usual * getvariable('share')
ORDER BY day, name
