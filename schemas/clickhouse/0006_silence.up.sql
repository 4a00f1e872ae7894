-- What depends on a silent source is muted, and how complete the telemetry is over time and by clock.

-- F11, by platform: from onset to its end (2100 where it is still open).
CREATE VIEW v_silences AS
SELECT
    flag_id,
    any(platform_id) AS silent_platform,
    any(entity_type) AS silent_type,
    any(entity) AS silent_entity,
    min(onset) AS since,
    if(countIf(event IN ('cleared', 'ended')) > 0, maxIf(event_time, event IN ('cleared', 'ended')),
        toDateTime64('2100-01-01 00:00:00', 3, 'UTC')) AS until
FROM flag_events FINAL
WHERE rule = 'F11'
GROUP BY flag_id;

DROP VIEW v_flags;

-- A flag as it stands: its highest grade, whether it is still open, and the F11 that mutes it: a flag that opens while
-- its platform (or its session) is under one rests on figures that are unknown.
CREATE VIEW v_flags AS
SELECT
    f.*,
    if(f.rule = 'F11', '', arrayFirst(
        x -> f.opened_event_time >= x.4 AND f.opened_event_time <= x.5
            AND (x.2 = 'platform' OR (x.2 = f.entity_type AND x.3 = f.entity)),
        s.silences).1) AS muted_by,
    toUInt8(muted_by != '') AS muted
FROM
(
    SELECT
        e.flag_id AS flag_id,
        any(e.rule) AS rule,
        any(e.entity_type) AS entity_type,
        any(e.entity) AS entity,
        any(e.platform_id) AS platform_id,
        any(e.category) AS category,
        any(e.parent_id) AS parent_id,
        any(e.onset) AS onset,
        max(transform(e.grade, ['watch', 'raised', 'critical'], [1, 2, 3], 0)) AS grade_rank,
        transform(grade_rank, [1, 2, 3], ['watch', 'raised', 'critical'], '') AS grade,
        multiIf(countIf(e.event = 'cleared') > 0, 'cleared', countIf(e.event = 'ended') > 0, 'ended', 'open')
            AS state,
        min(e.event_time) AS opened_event_time,
        max(e.event_time) AS last_event_time,
        min(e.decided_at) AS first_decided_at,
        argMaxIf(e.observed, e.event_time, e.event IN ('opened', 'escalated')) AS observed,
        argMaxIf(e.expected, e.event_time, e.event IN ('opened', 'escalated')) AS expected,
        argMaxIf(e.exposure, e.event_time, e.event IN ('opened', 'escalated')) AS exposure,
        argMaxIf(e.window_s, e.event_time, e.event IN ('opened', 'escalated')) AS window_s,
        argMaxIf(e.score, e.event_time, e.event IN ('opened', 'escalated')) AS score,
        argMaxIf(e.threshold, e.event_time, e.event IN ('opened', 'escalated')) AS threshold,
        argMaxIf(e.sentence_zh, e.event_time, e.event IN ('opened', 'escalated')) AS sentence_zh,
        argMaxIf(e.sentence_en, e.event_time, e.event IN ('opened', 'escalated')) AS sentence_en
    FROM (SELECT * FROM flag_events FINAL) AS e
    GROUP BY e.flag_id
) AS f
LEFT JOIN
(
    SELECT silent_platform, groupArray((flag_id, silent_type, silent_entity, since, until)) AS silences
    FROM v_silences
    GROUP BY silent_platform
) AS s
    ON f.platform_id = s.silent_platform;

ALTER TABLE completeness ADD COLUMN skew_ms Int64 CODEC(ZSTD) COMMENT 'clock of the source minus that of the broker at the last batch, ms; its way to the broker included' AFTER refused;

ALTER TABLE completeness ADD COLUMN skew_low_ms Int64 CODEC(ZSTD) COMMENT 'the lowest skew so far, ms' AFTER skew_ms;

ALTER TABLE completeness ADD COLUMN skew_high_ms Int64 CODEC(ZSTD) COMMENT 'the highest skew so far, ms: above 0 the clock of the source is ahead' AFTER skew_low_ms;

DROP VIEW v_completeness;

CREATE VIEW v_completeness AS SELECT * EXCEPT (version) FROM completeness FINAL;

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
