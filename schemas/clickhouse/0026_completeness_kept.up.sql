-- Completeness of hours that rest, kept: differences of running totals are too many to take at every look.
-- `livewatch ops rollup` computes them; an hour that any row was inserted of since is computed at the look, from it
-- on all later ones too, since a total is subtracted from the one before. So what is read is always exact.
CREATE TABLE completeness_hours
(
    hour     DateTime('UTC') COMMENT 'start of the hour',
    touched  SimpleAggregateFunction(max, DateTime64(3, 'UTC')) COMMENT 'clock time of the last insert of a row of this hour',
    computed SimpleAggregateFunction(max, DateTime64(3, 'UTC')) COMMENT 'clock time at which its completeness was computed; 1970 is never'
)
ENGINE = AggregatingMergeTree
ORDER BY hour
TTL hour + INTERVAL 90 DAY
SETTINGS non_replicated_deduplication_window = 0;

CREATE MATERIALIZED VIEW completeness_touch TO completeness_hours AS
SELECT toStartOfHour(minute) AS hour, max(now64(3, 'UTC')) AS touched
FROM completeness
GROUP BY hour;

-- The views above note already, so that nothing falls between.
INSERT INTO completeness_hours (hour, touched)
SELECT toStartOfHour(minute) AS hour, now64(3, 'UTC')
FROM completeness
GROUP BY hour;

CREATE TABLE completeness_spans
(
    span         DateTime('UTC') CODEC(Delta, ZSTD) COMMENT 'start of the five minutes',
    platform_id  LowCardinality(String) COMMENT 'platform',
    source       LowCardinality(String) COMMENT 'source within the platform',
    topic        LowCardinality(String) COMMENT 'topic',
    batches      Int64 CODEC(ZSTD) COMMENT 'batches received in the span, repeats left out',
    rows         Int64 CODEC(ZSTD) COMMENT 'rows accepted in the span',
    duplicates   Int64 CODEC(ZSTD) COMMENT 'batches received again in the span',
    late_rows    Int64 CODEC(ZSTD) COMMENT 'rows of the span that came after their minute had closed',
    refused      Int64 CODEC(ZSTD) COMMENT 'rows sent to the dead-letter topic in the span',
    gaps         Int64 CODEC(ZSTD) COMMENT 'batches missing at the end of the span',
    skew_low_ms  Int64 CODEC(ZSTD) COMMENT 'the lowest skew in the span, ms',
    skew_high_ms Int64 CODEC(ZSTD) COMMENT 'the highest skew in the span, ms',
    watermark    DateTime64(3, 'UTC') CODEC(ZSTD) COMMENT 'event time up to which the source says it has sent everything',
    version      UInt64 CODEC(ZSTD) COMMENT 'clock time at which it was computed, ms; the highest is read'
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMM(span)
ORDER BY (span, platform_id, source, topic)
TTL span + INTERVAL 90 DAY
SETTINGS non_replicated_deduplication_window = 0;

-- By minute and source, over its topics and partitions.
CREATE TABLE completeness_sources
(
    minute       DateTime('UTC') CODEC(Delta, ZSTD) COMMENT 'the closed minute after which the totals were taken',
    platform_id  LowCardinality(String) COMMENT 'platform',
    source       LowCardinality(String) COMMENT 'source within the platform',
    gaps         UInt64 CODEC(ZSTD) COMMENT 'batches missing between those received',
    watermark    DateTime64(3, 'UTC') CODEC(ZSTD) COMMENT 'event time up to which every partition has everything',
    skew_low_ms  Int64 CODEC(ZSTD) COMMENT 'the lowest skew so far, ms',
    skew_high_ms Int64 CODEC(ZSTD) COMMENT 'the highest skew so far, ms',
    version      UInt64 CODEC(ZSTD) COMMENT 'clock time at which it was computed, ms; the highest is read'
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMM(minute)
ORDER BY (minute, platform_id, source)
TTL minute + INTERVAL 90 DAY
SETTINGS non_replicated_deduplication_window = 0;

-- The first hour that is to be computed at the look. A row may be noted up to ten minutes before it can be read.
CREATE VIEW completeness_open AS
SELECT ifNull(minOrNull(hour), toDateTime('2100-01-01 00:00:00', 'UTC')) AS since
FROM
(
    SELECT hour, max(computed) AS done, max(max(touched)) OVER (ORDER BY hour) AS moved
    FROM completeness_hours
    GROUP BY hour
)
WHERE done <= moved + INTERVAL 10 MINUTE;

-- What each source did in five minutes, from `first` (a whole hour) to `end`. A total is subtracted from that of the
-- span before, which is in the hour before `first`; only of a lane that was silent then are older rows read.
CREATE VIEW completeness_between AS
SELECT
    span, platform_id, source, topic,
    sum(n_batches) AS batches, sum(n_rows) AS rows, sum(n_duplicates) AS duplicates,
    sum(n_late) AS late_rows, sum(n_refused) AS refused, sum(missing) AS gaps,
    min(skew_low) AS skew_low_ms, max(skew_high) AS skew_high_ms, max(promised) AS watermark
FROM
(
    SELECT
        span, platform_id, source, topic, missing, promised, skew_low, skew_high,
        greatest(all_batches - lagInFrame(all_batches, 1, 0) OVER w, 0) AS n_batches,
        greatest(all_rows - lagInFrame(all_rows, 1, 0) OVER w, 0) AS n_rows,
        greatest(all_duplicates - lagInFrame(all_duplicates, 1, 0) OVER w, 0) AS n_duplicates,
        greatest(all_late - lagInFrame(all_late, 1, 0) OVER w, 0) AS n_late,
        greatest(all_refused - lagInFrame(all_refused, 1, 0) OVER w, 0) AS n_refused
    FROM
    (
        SELECT
            toStartOfFiveMinutes(minute) AS span, platform_id, source, topic, kafka_partition,
            toInt64(max(batches)) AS all_batches, toInt64(max(rows)) AS all_rows,
            toInt64(max(duplicates)) AS all_duplicates, toInt64(max(late_rows)) AS all_late,
            toInt64(max(refused)) AS all_refused, toInt64(argMax(gaps, minute)) AS missing,
            min(skew_ms) AS skew_low, max(skew_ms) AS skew_high, max(watermark) AS promised
        FROM completeness FINAL
        WHERE minute < {end:DateTime('UTC')}
            AND (minute >= {first:DateTime('UTC')} - INTERVAL 1 HOUR
                OR (platform_id, source, topic, kafka_partition) IN (
                    SELECT platform_id, source, topic, kafka_partition
                    FROM completeness
                    WHERE minute >= {first:DateTime('UTC')} - INTERVAL 1 HOUR AND minute < {end:DateTime('UTC')}
                    GROUP BY platform_id, source, topic, kafka_partition
                    HAVING min(minute) >= {first:DateTime('UTC')}))
        GROUP BY span, platform_id, source, topic, kafka_partition
    )
    WINDOW w AS (PARTITION BY platform_id, source, topic, kafka_partition ORDER BY span
        ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)
)
WHERE span >= {first:DateTime('UTC')}
GROUP BY span, platform_id, source, topic;

CREATE VIEW completeness_sources_between AS
SELECT
    minute, platform_id, source, sum(c.gaps) AS gaps, min(c.watermark) AS watermark,
    min(c.skew_low_ms) AS skew_low_ms, max(c.skew_high_ms) AS skew_high_ms
FROM completeness AS c FINAL
WHERE minute >= {first:DateTime('UTC')} AND minute < {end:DateTime('UTC')}
GROUP BY minute, platform_id, source;

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
