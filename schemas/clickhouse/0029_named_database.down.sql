DROP VIEW v_completeness_source;

DROP VIEW v_completeness_5m;

-- What each source did in five minutes, over its partitions. gaps is what is missing at their end.
CREATE VIEW v_completeness_5m AS
SELECT
    span, platform_id, source, topic, batches, rows, duplicates, late_rows, refused, gaps,
    if(batches + gaps = 0, NULL, gaps / (batches + gaps)) AS gap_share,
    if(batches + duplicates = 0, NULL, duplicates / (batches + duplicates)) AS duplicate_share,
    if(rows = 0, NULL, late_rows / rows) AS late_share,
    skew_low_ms, skew_high_ms, watermark
FROM
(
    SELECT * EXCEPT (version)
    FROM completeness_spans FINAL
    WHERE span < (SELECT since FROM completeness_open)
    UNION ALL
    SELECT *
    FROM completeness_between(first = (SELECT since FROM completeness_open), end = '2100-01-01 00:00:00')
);

-- Completeness of a source by minute.
CREATE VIEW v_completeness_source AS
SELECT * EXCEPT (version)
FROM completeness_sources FINAL
WHERE minute < (SELECT since FROM completeness_open)
UNION ALL
SELECT *
FROM completeness_sources_between(first = (SELECT since FROM completeness_open), end = '2100-01-01 00:00:00');
