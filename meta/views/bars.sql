-- One dataset at one timeframe, all symbols: the day files' columns, and the bar's open and UTC day beside its close.
SELECT *,
       ts - to_milliseconds($tf_ms) AS bar_open,
       CAST(timezone('UTC', ts - to_milliseconds($tf_ms)) AS DATE) AS day
FROM ($shelves)
