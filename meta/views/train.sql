-- Features, labels and weights of the same bars; `fold`, `weight` of the folds conf names (null for rows they lack).
-- mature_at: when the label became knowable. Days of two schemas of one symbol are not mixed, and folds of other labels
-- than those that stand there are not joined: the query says so instead.
SELECT f.*, l.* EXCLUDE (symbol, ts, bar_open, day),
       w.concurrency, w.uniqueness, w.w_return, r.fold, r.weight, l.t1 AS mature_at
FROM feat_$tf AS f
JOIN labels_$tf AS l USING (symbol, ts)
LEFT JOIN $weights AS w USING (symbol, ts)
LEFT JOIN $rows AS r USING (symbol, ts)
WHERE (SELECT CASE WHEN coalesce(max(n), 0) > 1
                   THEN error('train_$tf: some symbol has days of two schemas; run `python -m p2_features build` first')
                   ELSE true END
       FROM (SELECT count(DISTINCT schema) AS n FROM days WHERE tf = '$tf' AND dataset IN ('features', 'labels')
             GROUP BY dataset, symbol))
  AND (SELECT CASE WHEN count(*) > 0
                   THEN error('train_$tf: folds $folds are of other labels; run `python -m p3_labels folds` again')
                   ELSE true END
       FROM $inputs AS i
       LEFT JOIN days AS d ON d.tf = '$tf' AND d.dataset = i.dataset AND d.symbol = i.symbol
                           AND CAST(d.day AS VARCHAR) = i.day
       WHERE d.sha256 IS DISTINCT FROM i.sha256)
