DROP VIEW v_completeness_source;

DROP VIEW v_completeness_5m;

-- The same as rates: what each source did in five minutes, over its partitions. gaps is what is missing at their end.
CREATE VIEW v_completeness_5m AS
SELECT
    span, platform_id, source, topic,
    sum(batches) AS batches, sum(rows) AS rows, sum(duplicates) AS duplicates,
    sum(late_rows) AS late_rows, sum(refused) AS refused, sum(gaps) AS gaps,
    if(batches + gaps = 0, NULL, gaps / (batches + gaps)) AS gap_share,
    if(batches + duplicates = 0, NULL, duplicates / (batches + duplicates)) AS duplicate_share,
    if(rows = 0, NULL, late_rows / rows) AS late_share,
    min(skew_low_ms) AS skew_low_ms, max(skew_high_ms) AS skew_high_ms,
    max(watermark) AS watermark
FROM
(
    SELECT
        span, platform_id, source, topic, kafka_partition, missing AS gaps, promised AS watermark,
        skew_low AS skew_low_ms, skew_high AS skew_high_ms,
        greatest(n_batches - lagInFrame(n_batches, 1, 0) OVER w, 0) AS batches,
        greatest(n_rows - lagInFrame(n_rows, 1, 0) OVER w, 0) AS rows,
        greatest(n_duplicates - lagInFrame(n_duplicates, 1, 0) OVER w, 0) AS duplicates,
        greatest(n_late - lagInFrame(n_late, 1, 0) OVER w, 0) AS late_rows,
        greatest(n_refused - lagInFrame(n_refused, 1, 0) OVER w, 0) AS refused
    FROM
    (
        SELECT
            toStartOfFiveMinutes(minute) AS span, platform_id, source, topic, kafka_partition,
            toInt64(max(batches)) AS n_batches, toInt64(max(rows)) AS n_rows,
            toInt64(max(duplicates)) AS n_duplicates, toInt64(max(late_rows)) AS n_late,
            toInt64(max(refused)) AS n_refused, toInt64(argMax(gaps, minute)) AS missing,
            min(skew_ms) AS skew_low, max(skew_ms) AS skew_high, max(watermark) AS promised
        FROM v_completeness
        GROUP BY span, platform_id, source, topic, kafka_partition
    )
    WINDOW w AS (PARTITION BY platform_id, source, topic, kafka_partition ORDER BY span
        ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)
)
GROUP BY span, platform_id, source, topic;

DROP VIEW completeness_sources_between;

DROP VIEW completeness_between;

DROP VIEW completeness_open;

DROP TABLE completeness_sources;

DROP TABLE completeness_spans;

DROP VIEW completeness_touch;

DROP TABLE completeness_hours;
