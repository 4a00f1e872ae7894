-- Flags as they stand, kept as a table: three years of events are too many to fold at every look of a dashboard.
-- The id of a flag names its onset, so (onset, flag_id) is one flag.
-- Every column is the same however often an event is inserted, in whatever order: a replay changes nothing.
--
-- It differs from folding `flag_events FINAL` in one case only: where a rewrite of an event after a crash (same flag,
-- event and grade, a higher version) says something else. FINAL forgets the older row, this table keeps the extremes
-- of both: the earlier opened_event_time and first_decided_at, the later last_event_time, and the figures of the row
-- with the later event_time, of equal ones the higher version.
CREATE TABLE flags
(
    flag_id           String COMMENT 'entity, rule and onset',
    rule              SimpleAggregateFunction(any, LowCardinality(String)) COMMENT 'F01 is the complaint spike',
    entity_type       SimpleAggregateFunction(any, LowCardinality(String)) COMMENT 'session, merchant, category or platform',
    entity            SimpleAggregateFunction(any, String) COMMENT 'its id; a category is platform/category',
    platform_id       SimpleAggregateFunction(any, LowCardinality(String)) COMMENT 'platform',
    category          SimpleAggregateFunction(any, LowCardinality(String)) COMMENT 'category of goods; empty at platform level',
    parent_id         SimpleAggregateFunction(max, String) COMMENT 'flag of the wider rise that explains this one; empty is none',
    onset             DateTime64(3, 'UTC') COMMENT 'start of the bin in which it began',
    grade_rank        SimpleAggregateFunction(max, UInt8) COMMENT 'highest grade so far: 1 watch, 2 raised, 3 critical',
    cleared           SimpleAggregateFunction(max, UInt8) COMMENT '1 when it was cleared',
    ended             SimpleAggregateFunction(max, UInt8) COMMENT '1 when its series ended',
    opened_event_time SimpleAggregateFunction(min, DateTime64(3, 'UTC')) COMMENT 'event time of its first event',
    last_event_time   SimpleAggregateFunction(max, DateTime64(3, 'UTC')) COMMENT 'event time of its latest event',
    over_event_time   SimpleAggregateFunction(max, DateTime64(3, 'UTC')) COMMENT 'event time at which it was cleared or ended; 1970 where it is open',
    first_decided_at  SimpleAggregateFunction(min, DateTime64(3, 'UTC')) COMMENT 'clock time of the first decision',
    figures           AggregateFunction(argMax, Tuple(Float64, Float64, Float64, UInt32, Float64, Float64), Tuple(DateTime64(3, 'UTC'), UInt64)) COMMENT 'observed, expected, exposure, window_s, score and threshold of the last opening or escalation',
    said_zh           AggregateFunction(argMax, String, Tuple(DateTime64(3, 'UTC'), UInt64)) COMMENT 'its explanation in Chinese',
    said_en           AggregateFunction(argMax, String, Tuple(DateTime64(3, 'UTC'), UInt64)) COMMENT 'its explanation in English',
    INDEX by_flag flag_id TYPE bloom_filter(0.001) GRANULARITY 1,
    INDEX by_entity entity TYPE bloom_filter(0.001) GRANULARITY 1
)
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(onset)
ORDER BY (onset, flag_id)
TTL toDateTime(onset) + INTERVAL 3 YEAR
-- Small granules, since a look takes some hundred flags of millions; a month that rests becomes one part.
SETTINGS index_granularity = 512, min_age_to_force_merge_seconds = 3600, min_age_to_force_merge_on_partition_only = 1,
    non_replicated_deduplication_window = 0;

CREATE MATERIALIZED VIEW flags_fill TO flags AS
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

-- The few flags that mute others (F11), apart: each look at flags asks for all of them.
CREATE TABLE silences
(
    flag_id         String COMMENT 'entity, rule and onset',
    silent_platform SimpleAggregateFunction(any, LowCardinality(String)) COMMENT 'platform that is silent, or of the session that is',
    silent_type     SimpleAggregateFunction(any, LowCardinality(String)) COMMENT 'platform or session',
    silent_entity   SimpleAggregateFunction(any, String) COMMENT 'its id',
    onset           DateTime64(3, 'UTC') COMMENT 'start of the bin in which it began',
    over_event_time SimpleAggregateFunction(max, DateTime64(3, 'UTC')) COMMENT 'event time at which it was cleared or ended; 1970 where it is open'
)
ENGINE = AggregatingMergeTree
PARTITION BY toYear(onset)
ORDER BY (onset, flag_id)
TTL toDateTime(onset) + INTERVAL 3 YEAR
SETTINGS min_age_to_force_merge_seconds = 3600, min_age_to_force_merge_on_partition_only = 1,
    non_replicated_deduplication_window = 0;

CREATE MATERIALIZED VIEW silences_fill TO silences AS
SELECT
    flag_id, any(platform_id) AS silent_platform, any(entity_type) AS silent_type, any(entity) AS silent_entity, onset,
    maxIf(event_time, event IN ('cleared', 'ended')) AS over_event_time
FROM flag_events
WHERE rule = 'F11'
GROUP BY flag_id, onset;

-- What was there before. The views above fill already, so that nothing falls between; twice does no harm.
INSERT INTO flags SETTINGS insert_deduplicate = 0, optimize_aggregation_in_order = 1
SELECT
    flag_id, any(rule), any(entity_type), any(entity), any(platform_id), any(category), max(parent_id), onset,
    max(toUInt8(transform(grade, ['watch', 'raised', 'critical'], [1, 2, 3], 0))),
    max(toUInt8(event = 'cleared')), max(toUInt8(event = 'ended')), min(event_time), max(event_time),
    maxIf(event_time, event IN ('cleared', 'ended')), min(decided_at),
    argMaxStateIf((observed, expected, exposure, window_s, score, threshold), (event_time, version), event IN ('opened', 'escalated')),
    argMaxStateIf(sentence_zh, (event_time, version), event IN ('opened', 'escalated')),
    argMaxStateIf(sentence_en, (event_time, version), event IN ('opened', 'escalated'))
FROM (SELECT * FROM flag_events FINAL)
GROUP BY flag_id, onset;

INSERT INTO silences SETTINGS insert_deduplicate = 0
SELECT
    flag_id, any(platform_id), any(entity_type), any(entity), onset,
    maxIf(event_time, event IN ('cleared', 'ended'))
FROM (SELECT * FROM flag_events FINAL)
WHERE rule = 'F11'
GROUP BY flag_id, onset;

DROP VIEW v_silences;

-- F11, by platform: from onset to its end (2100 where it is still open).
CREATE VIEW v_silences AS
SELECT
    flag_id, toLowCardinality(toString(silent_platform)) AS silent_platform,
    toLowCardinality(toString(silent_type)) AS silent_type, toString(silent_entity) AS silent_entity, onset AS since,
    if(over_event_time = toDateTime64(0, 3, 'UTC'), toDateTime64('2100-01-01 00:00:00', 3, 'UTC'),
        toDateTime64(over_event_time, 3, 'UTC')) AS until
FROM silences FINAL;

-- To choose flags by what never changes in their life, without folding it: a flag may be there several times. Where
-- maybe_open is 0 in any row it is over; a look at v_flags, which is exact, follows.
CREATE VIEW v_flag_keys AS
SELECT onset, flag_id, rule, entity, platform_id, category, grade_rank, toUInt8(cleared = 0 AND ended = 0) AS maybe_open
FROM flags;

DROP VIEW v_flags;

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

-- The file of a flag is found in the ledger by its id, and by the time of its opening.
ALTER TABLE ledger ADD INDEX by_flag flag_id TYPE bloom_filter(0.0001) GRANULARITY 1;

ALTER TABLE ledger ADD INDEX by_time at TYPE minmax GRANULARITY 1;

ALTER TABLE ledger MATERIALIZE INDEX by_flag SETTINGS mutations_sync = 2;

ALTER TABLE ledger MATERIALIZE INDEX by_time SETTINGS mutations_sync = 2;
