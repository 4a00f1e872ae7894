ALTER TABLE ledger DROP INDEX by_time;

ALTER TABLE ledger DROP INDEX by_flag;

DROP VIEW v_flags;

DROP VIEW v_flag_keys;

DROP VIEW v_silences;

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
        max(e.parent_id) AS parent_id,
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

DROP VIEW silences_fill;

DROP VIEW flags_fill;

DROP TABLE silences;

DROP TABLE flags;
