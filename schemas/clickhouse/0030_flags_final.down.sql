DROP VIEW v_flags;

DROP VIEW v_flag_keys;

DROP VIEW v_flag_entities;

ALTER TABLE flags DROP PROJECTION of_entity SETTINGS mutations_sync = 2;

ALTER TABLE flags RESET SETTING deduplicate_merge_projection_mode;

ALTER TABLE flags ADD INDEX by_entity entity TYPE bloom_filter(0.001) GRANULARITY 1;

ALTER TABLE flags MATERIALIZE INDEX by_entity SETTINGS mutations_sync = 2;

-- To choose flags by what never changes in their life, without folding it: a flag may be there several times. Where
-- maybe_open is 0 in any row it is over; a look at v_flags, which is exact, follows.
CREATE VIEW v_flag_keys AS
SELECT onset, flag_id, rule, entity, platform_id, category, grade_rank, toUInt8(cleared = 0 AND ended = 0) AS maybe_open
FROM flags;

-- A flag as it stands: its highest grade, whether it is still open, and the F11 that mutes it: a flag that opens while
-- its platform (or its session) is under one rests on figures that are unknown. Of several the one that began first.
-- A silence is looked up by the days that it covers, one of over eight days by its platform: so a flag meets the few
-- silences near it and not those of three years.
CREATE VIEW v_flags AS
SELECT
    f.flag_id AS flag_id, f.rule AS rule, f.entity_type AS entity_type, toString(f.entity) AS entity,
    f.platform_id AS platform_id, f.category AS category, toString(f.parent_id) AS parent_id, f.onset AS onset,
    toUInt8(f.grade_rank) AS grade_rank,
    transform(f.grade_rank, [1, 2, 3], ['watch', 'raised', 'critical'], '') AS grade,
    multiIf(f.cleared = 1, 'cleared', f.ended = 1, 'ended', 'open') AS state,
    toDateTime64(f.opened_event_time, 3, 'UTC') AS opened_event_time,
    toDateTime64(f.last_event_time, 3, 'UTC') AS last_event_time,
    toDateTime64(f.first_decided_at, 3, 'UTC') AS first_decided_at,
    f.figures.1 AS observed, f.figures.2 AS expected, f.figures.3 AS exposure, f.figures.4 AS window_s,
    f.figures.5 AS score, f.figures.6 AS threshold,
    f.sentence_zh AS sentence_zh, f.sentence_en AS sentence_en,
    if(f.rule = 'F11', '', arrayFirst(
        x -> f.opened_event_time >= x.1 AND f.opened_event_time <= x.5
            AND (x.3 = 'platform' OR (x.3 = f.entity_type AND x.4 = f.entity)),
        arraySort(arrayConcat(d.silences, l.silences))).2) AS muted_by,
    toUInt8(muted_by != '') AS muted
FROM
(
    SELECT
        flag_id, onset, any(rule) AS rule, any(entity_type) AS entity_type, any(entity) AS entity,
        any(platform_id) AS platform_id, any(category) AS category, max(parent_id) AS parent_id,
        max(grade_rank) AS grade_rank, max(cleared) AS cleared, max(ended) AS ended,
        min(opened_event_time) AS opened_event_time, max(last_event_time) AS last_event_time,
        min(first_decided_at) AS first_decided_at, argMaxMerge(figures) AS figures,
        argMaxMerge(said_zh) AS sentence_zh, argMaxMerge(said_en) AS sentence_en
    FROM flags
    GROUP BY flag_id, onset
) AS f
LEFT JOIN
(
    SELECT silent_platform, arrayJoin(range(toUInt32(toDate(since)), toUInt32(toDate(until)) + 1)) AS day,
        groupArray((since, flag_id, silent_type, silent_entity, until)) AS silences
    FROM v_silences
    WHERE until < since + INTERVAL 8 DAY
    GROUP BY silent_platform, day
) AS d
    ON f.platform_id = d.silent_platform AND toUInt32(toDate(f.opened_event_time)) = d.day
LEFT JOIN
(
    SELECT silent_platform, groupArray((since, flag_id, silent_type, silent_entity, until)) AS silences
    FROM v_silences
    WHERE until >= since + INTERVAL 8 DAY
    GROUP BY silent_platform
) AS l
    ON f.platform_id = l.silent_platform;

ALTER TABLE flags_fill MODIFY QUERY
SELECT
    flag_id, any(rule) AS rule, any(entity_type) AS entity_type, any(entity) AS entity, any(platform_id) AS platform_id,
    any(category) AS category, max(parent_id) AS parent_id, onset,
    max(toUInt8(transform(grade, ['watch', 'raised', 'critical'], [1, 2, 3], 0))) AS grade_rank,
    max(toUInt8(event = 'cleared')) AS cleared, max(toUInt8(event = 'ended')) AS ended,
    min(event_time) AS opened_event_time, max(event_time) AS last_event_time,
    maxIf(event_time, event IN ('cleared', 'ended')) AS over_event_time, min(decided_at) AS first_decided_at,
    argMaxStateIf((observed, expected, exposure, window_s, score, threshold), (event_time, version), event IN ('opened', 'escalated')) AS figures,
    argMaxStateIf(sentence_zh, (event_time, version), event IN ('opened', 'escalated')) AS said_zh,
    argMaxStateIf(sentence_en, (event_time, version), event IN ('opened', 'escalated')) AS said_en
FROM flag_events
GROUP BY flag_id, onset;

ALTER TABLE flags DROP INDEX by_onset SETTINGS mutations_sync = 2;

ALTER TABLE flags DROP COLUMN detached;
