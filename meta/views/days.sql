-- Every committed day, as its manifest tells it.
SELECT CASE place[1] WHEN 'parquet' THEN 'bars' ELSE place[1] END AS dataset,
       place[2] AS tf,
       place[3] AS symbol,
       make_date(CAST(place[4] AS INTEGER), CAST(place[5] AS INTEGER), CAST(place[6] AS INTEGER)) AS day,
       CAST(rows AS BIGINT) AS rows,
       CAST(nullif(min_ts, '') AS TIMESTAMPTZ) AS min_ts,
       CAST(nullif(max_ts, '') AS TIMESTAMPTZ) AS max_ts,
       CAST(bytes AS BIGINT) AS bytes,
       sha256, schema, keys, source, inputs, code
FROM (SELECT *, regexp_extract_all(
                    regexp_extract(filename, '[^/]+/[^/]+/[^/]+/y=[^/]+/m=[^/]+/d=[^/]+/MANIFEST.tsv$$'),
                    '(?:^|/)(?:[ymd]=)?([^/]+)', 1) AS place
      FROM read_csv([$manifests], delim = '\t', header = true, all_varchar = true, quote = '', comment = '#',
                    filename = true))
