-- Flags are read with FINAL, which leaves alone the months that are one part, in place of a fold of every look: a sixth
-- of the time, and a tenth of what is not shown. A flag that was detached has no parent any more.

ALTER TABLE flags ADD COLUMN detached SimpleAggregateFunction(max, UInt8) COMMENT '1 when it was detached from its parent, which is for good' AFTER parent_id;

ALTER TABLE flags_fill MODIFY QUERY
SELECT
    flag_id, any(rule) AS rule, any(entity_type) AS entity_type, any(entity) AS entity, any(platform_id) AS platform_id,
    any(category) AS category, max(parent_id) AS parent_id, max(toUInt8(event = 'detached')) AS detached, onset,
    max(toUInt8(transform(grade, ['watch', 'raised', 'critical'], [1, 2, 3], 0))) AS grade_rank,
    max(toUInt8(event = 'cleared')) AS cleared, max(toUInt8(event = 'ended')) AS ended,
    min(event_time) AS opened_event_time, max(event_time) AS last_event_time,
    maxIf(event_time, event IN ('cleared', 'ended')) AS over_event_time, min(decided_at) AS first_decided_at,
    argMaxStateIf((observed, expected, exposure, window_s, score, threshold), (event_time, version), event IN ('opened', 'escalated')) AS figures,
    argMaxStateIf(sentence_zh, (event_time, version), event IN ('opened', 'escalated')) AS said_zh,
    argMaxStateIf(sentence_en, (event_time, version), event IN ('opened', 'escalated')) AS said_en
FROM flag_events
GROUP BY flag_id, onset;

-- What was detached before. The view above fills already, so that nothing falls between; twice does no harm.
INSERT INTO flags (flag_id, rule, entity_type, entity, platform_id, category, parent_id, detached, onset, grade_rank,
    cleared, ended, opened_event_time, last_event_time, over_event_time, first_decided_at, figures, said_zh, said_en)
SETTINGS insert_deduplicate = 0
SELECT
    flag_id, any(rule), any(entity_type), any(entity), any(platform_id), any(category), max(parent_id), 1, onset,
    max(toUInt8(transform(grade, ['watch', 'raised', 'critical'], [1, 2, 3], 0))),
    max(toUInt8(event = 'cleared')), max(toUInt8(event = 'ended')), min(event_time), max(event_time),
    maxIf(event_time, event IN ('cleared', 'ended')), min(decided_at),
    argMaxStateIf((observed, expected, exposure, window_s, score, threshold), (event_time, version), event IN ('opened', 'escalated')),
    argMaxStateIf(sentence_zh, (event_time, version), event IN ('opened', 'escalated')),
    argMaxStateIf(sentence_en, (event_time, version), event IN ('opened', 'escalated'))
FROM (SELECT * FROM flag_events FINAL WHERE flag_id IN (SELECT flag_id FROM flag_events WHERE event = 'detached'))
GROUP BY flag_id, onset;

DROP VIEW v_flag_keys;

-- Flags as they stand, without their words and figures and what mutes them: to count and to choose them.
CREATE VIEW v_flag_keys AS
SELECT
    onset, flag_id, rule, entity_type, entity, platform_id, category, toUInt8(grade_rank) AS grade_rank,
    transform(grade_rank, [1, 2, 3], ['watch', 'raised', 'critical'], '') AS grade,
    multiIf(cleared = 1, 'cleared', ended = 1, 'ended', 'open') AS state,
    toUInt8(cleared = 0 AND ended = 0) AS is_open,
    toDateTime64(last_event_time, 3, 'UTC') AS last_event_time
FROM flags FINAL;

-- With it the condition "began in the range, or is open" is told by indexes alone.
ALTER TABLE flags ADD INDEX by_onset onset TYPE minmax GRANULARITY 1;

ALTER TABLE flags MATERIALIZE INDEX by_onset SETTINGS mutations_sync = 2;

-- The flags of an entity, sorted by it. A flag is about the same one in all of its events, so it may be there more than
-- once, and that is all: no FINAL, which would read half of the table.
ALTER TABLE flags MODIFY SETTING deduplicate_merge_projection_mode = 'rebuild';

ALTER TABLE flags ADD PROJECTION of_entity (SELECT entity, onset, flag_id ORDER BY entity, onset, flag_id);

ALTER TABLE flags MATERIALIZE PROJECTION of_entity SETTINGS mutations_sync = 2;

ALTER TABLE flags DROP INDEX by_entity SETTINGS mutations_sync = 2;

CREATE VIEW v_flag_entities AS SELECT entity, onset, flag_id FROM flags;

DROP VIEW v_flags;

-- A flag as it stands: its highest grade, whether it is still open, and the F11 that mutes it: a flag that opens while
-- its platform (or its session) is under one rests on figures that are unknown. Of several the one that began first.
-- A silence is looked up by the days that it covers, one of over eight days by its platform: so a flag meets the few
-- silences near it and not those of three years.
CREATE VIEW v_flags AS
SELECT
    f.flag_id AS flag_id, toString(f.rule) AS rule, toString(f.entity_type) AS entity_type,
    toString(f.entity) AS entity, toString(f.platform_id) AS platform_id, toString(f.category) AS category,
    if(f.detached = 1, '', toString(f.parent_id)) AS parent_id, f.onset AS onset,
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
        flag_id, onset, rule, entity_type, entity, platform_id, category, parent_id, detached, grade_rank, cleared,
        ended, opened_event_time, last_event_time, first_decided_at, finalizeAggregation(figures) AS figures,
        finalizeAggregation(said_zh) AS sentence_zh, finalizeAggregation(said_en) AS sentence_en
    FROM flags FINAL
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
