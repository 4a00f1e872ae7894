DROP VIEW v_completeness_5m;
DROP VIEW v_completeness;
ALTER TABLE completeness DROP COLUMN skew_high_ms;
ALTER TABLE completeness DROP COLUMN skew_low_ms;
ALTER TABLE completeness DROP COLUMN skew_ms;
CREATE VIEW v_completeness AS SELECT * EXCEPT (version) FROM completeness FINAL;
DROP VIEW v_flags;
DROP VIEW v_silences;
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
