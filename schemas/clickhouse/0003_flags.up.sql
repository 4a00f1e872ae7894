-- Flags: one row an event of a flag's life (opened, escalated, cleared, or ended with its series). Written once per
-- event and never changed; a rewrite after a crash has the same key and the same content.
CREATE TABLE flag_events
(
    flag_id      String COMMENT 'entity, rule and onset',
    event        LowCardinality(String) COMMENT 'opened, escalated, cleared, or ended with its series',
    grade        LowCardinality(String) COMMENT 'watch, raised or critical, as of this event',
    rule         LowCardinality(String) COMMENT 'F01 is the complaint spike',
    entity_type  LowCardinality(String) COMMENT 'session, merchant, category or platform',
    entity       String COMMENT 'its id; a category is platform/category',
    platform_id  LowCardinality(String) COMMENT 'platform',
    category     LowCardinality(String) COMMENT 'category of goods; empty at platform level',
    parent_id    String COMMENT 'flag of the wider rise that explains this one; empty is none',
    onset        DateTime64(3, 'UTC') COMMENT 'start of the bin in which it began',
    event_time   DateTime64(3, 'UTC') COMMENT 'event time of the decision',
    decided_at   DateTime64(3, 'UTC') COMMENT 'clock time of the decision',
    observed     Float64 COMMENT 'complaints in the window',
    expected     Float64 COMMENT 'complaints expected in the window',
    exposure     Float64 COMMENT 'orders that the expectation rests on',
    window_s     UInt32 COMMENT 'length of the window, seconds',
    score        Float64 COMMENT 'log odds of a raised rate',
    threshold    Float64 COMMENT 'log odds that the grade asks for',
    rule_version LowCardinality(String) COMMENT 'version of the rule',
    sentence_zh  String COMMENT 'explanation in Chinese',
    sentence_en  String COMMENT 'explanation in English',
    version      UInt64 COMMENT 'who wrote it; the highest is read'
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMM(onset)
ORDER BY (flag_id, event, grade)
TTL toDateTime(onset) + INTERVAL 3 YEAR
SETTINGS non_replicated_deduplication_window = 0;

CREATE VIEW v_flag_events AS SELECT * EXCEPT (version) FROM flag_events FINAL;

-- A flag as it stands: its highest grade, and whether it is still open.
CREATE VIEW v_flags AS
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
GROUP BY e.flag_id;
