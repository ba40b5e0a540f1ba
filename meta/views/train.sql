-- Features and labels of the same bars. Days of two schemas of one symbol are not mixed: the query says so instead.
SELECT f.*, l.* EXCLUDE (symbol, ts, bar_open, day)
FROM feat_$tf AS f
JOIN labels_$tf AS l USING (symbol, ts)
WHERE (SELECT CASE WHEN coalesce(max(n), 0) > 1
                   THEN error('train_$tf: some symbol has days of two schemas; run `python -m p2_features build` first')
                   ELSE true END
       FROM (SELECT count(DISTINCT schema) AS n FROM days WHERE tf = '$tf' AND dataset IN ('features', 'labels')
             GROUP BY dataset, symbol))
