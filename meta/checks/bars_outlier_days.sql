-- How many times the median of the 31 days around it a day's amounts are, at most. A crash makes 5 to 20; a thousand is
-- no market.
-- any: volume, quote_volume, trades, perp_taker_buy, perp_taker_sell, spot_taker_buy, spot_taker_sell
-- when: count(DISTINCT day) >= 7
-- else: fewer than 7 days
-- worst: factor
-- must: < 1000
-- should: < 20
SELECT day, name, amount / usual AS factor
FROM daily_amounts
WHERE usual > 0
ORDER BY factor DESC
