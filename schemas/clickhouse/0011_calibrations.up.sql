-- Thresholds set from history: budget, what was measured, and in which period; one row a grade, append-only.
CREATE TABLE calibrations
(
    made_at          DateTime64(3, 'UTC') COMMENT 'when it was measured',
    rule             LowCardinality(String) COMMENT 'F01 is the complaint spike',
    level            LowCardinality(String) COMMENT 'kind of series that it was measured on',
    grade            LowCardinality(String) COMMENT 'watch, raised or critical',
    threshold        Float64 COMMENT 'log odds that the grade asks for',
    budget_per_day   Float64 COMMENT 'false alerts a day that are allowed for the whole city',
    measured_per_day Float64 COMMENT 'alerts a day at the threshold in the period, upheld flags left out',
    period_start     DateTime('UTC') COMMENT 'start of the period in which alerts were counted',
    period_end       DateTime('UTC') COMMENT 'its end',
    series           UInt32 COMMENT 'number of series in it',
    fingerprint      String COMMENT 'of the other parameters of the detector'
)
ENGINE = MergeTree
ORDER BY (rule, level, grade, made_at)
TTL toDateTime(made_at) + INTERVAL 3 YEAR
SETTINGS non_replicated_deduplication_window = 0;

CREATE VIEW v_calibrations AS SELECT * FROM calibrations ORDER BY made_at DESC LIMIT 1 BY rule, level, grade;
