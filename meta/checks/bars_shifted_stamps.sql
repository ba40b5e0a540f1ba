-- Weeks in which a column goes with the price of another bar than its own: its stamps lead or lag. Takers' imbalance and
-- changes of open interest, mark and index against the return, amounts against the range, by ranks, two bars each way.
-- needs: close, high, low
-- any: perp_taker_buy, spot_taker_buy, oi_now, mark_price, index_price, quote_volume, trades
-- when: count(*) >= 400
-- else: fewer than 400 bars
-- with: bars = 400, least = 0.2, margin = 0.1
-- must: == 0
WITH bar AS (
    SELECT ts, least((row_number() OVER by_ts - 1) // long, greatest(n // long, 1) - 1) AS span,
           close / nullif(lag(close) OVER by_ts, 0) AS moved, high / nullif(low, 0) AS ranged,
           perp_taker_buy / nullif(coalesce(perp_taker_buy + perp_taker_sell, quote_volume), 0) AS perp_taker,
           spot_taker_buy / nullif(spot_taker_buy + spot_taker_sell, 0) AS spot_taker,
           oi_now / nullif(lag(oi_now) OVER by_ts, 0) AS oi_now,
           mark_price / nullif(lag(mark_price) OVER by_ts, 0) AS mark_price,
           index_price / nullif(lag(index_price) OVER by_ts, 0) AS index_price,
           quote_volume AS quote_volume, trades::DOUBLE AS trades
    FROM bars, (SELECT count(*) AS n, greatest(7 * 86400000 / getvariable('tf_ms'), getvariable('bars'))::INT AS long
                FROM bars)
    WINDOW by_ts AS (ORDER BY ts)
), told AS (
    SELECT *, CASE WHEN name IN ('quote_volume', 'trades') THEN ranged ELSE moved END AS price
    FROM (UNPIVOT bar ON COLUMNS(* EXCLUDE (ts, span, moved, ranged)) INTO NAME name VALUE value)
), ranked AS (
    SELECT name, span, ts, rank() OVER (PARTITION BY name, span ORDER BY value)::DOUBLE AS x,
           rank() OVER (PARTITION BY name, span ORDER BY price)::DOUBLE AS y
    FROM told
    WHERE price IS NOT NULL AND isfinite(price) AND isfinite(value)
), beside AS (
    SELECT name, span, ts, x, y, lag(y, 1) OVER w AS y1, lag(y, 2) OVER w AS y2, lead(y, 1) OVER w AS y_1,
           lead(y, 2) OVER w AS y_2
    FROM ranked
    WINDOW w AS (PARTITION BY name, span ORDER BY ts)
), found AS (
    SELECT name, min(ts) AS since, max(ts) AS until, abs(corr(x, y)) AS own,
           [abs(corr(x, y_2)), abs(corr(x, y_1)), abs(corr(x, y1)), abs(corr(x, y2))] AS others
    FROM beside
    GROUP BY name, span
    HAVING count(*) >= 0.8 * getvariable('bars')
)
SELECT name, since, until, [-2, -1, 1, 2][list_position(others, list_max(others))] AS bars_late,
       list_max(others) AS there, own AS here
FROM found
WHERE list_max(others) >= getvariable('least') AND list_max(others) >= own + getvariable('margin')
ORDER BY since, name
