-- Hours of cells and of sessions, kept: over days, minutes are too many to add up at every look (ADR 0041).
-- `livewatch ops rollup` computes them. An hour that any minute was inserted of since, and one that lies only partly
-- in the range, is read by the minute; so what is read is always exact. pipelines/warehouse/hour_columns.py says what
-- the columns are of.
CREATE TABLE hour_notes
(
    minutes  LowCardinality(String) COMMENT 'the table whose minutes these are',
    hour     DateTime('UTC') COMMENT 'start of the hour',
    touched  SimpleAggregateFunction(max, DateTime64(6, 'UTC')) COMMENT 'clock time of the last insert of a minute of this hour',
    computed SimpleAggregateFunction(max, DateTime64(6, 'UTC')) COMMENT 'clock time at which the hour was computed last; 1970 is never'
)
ENGINE = AggregatingMergeTree
ORDER BY (minutes, hour)
TTL hour + INTERVAL 90 DAY
SETTINGS non_replicated_deduplication_window = 0;

CREATE MATERIALIZED VIEW cell_hours_touch TO hour_notes AS
SELECT 'indicators_cell' AS minutes, toStartOfHour(minute) AS hour, max(now64(6, 'UTC')) AS touched
FROM indicators_cell
GROUP BY hour;

CREATE MATERIALIZED VIEW session_hours_touch TO hour_notes AS
SELECT 'session_minutes' AS minutes, toStartOfHour(minute) AS hour, max(now64(6, 'UTC')) AS touched
FROM session_minutes
GROUP BY hour;

-- The views above note already, so that nothing falls between.
INSERT INTO hour_notes (minutes, hour, touched)
SELECT 'indicators_cell', toStartOfHour(minute) AS hour, now64(6, 'UTC')
FROM indicators_cell
GROUP BY hour;

INSERT INTO hour_notes (minutes, hour, touched)
SELECT 'session_minutes', toStartOfHour(minute) AS hour, now64(6, 'UTC')
FROM session_minutes
GROUP BY hour;

-- What one run computed of an hour stands beside what others did: the note says whose rows are read. So a run that is
-- cut off, or another at the same time, leaves nothing that counts, and nothing of before.
CREATE TABLE cell_hours
(
    minute         DateTime('UTC') CODEC(Delta, ZSTD) COMMENT 'start of the hour',
    platform_id    LowCardinality(String) COMMENT 'platform',
    category       LowCardinality(String) COMMENT 'category of goods',
    district       LowCardinality(String) COMMENT 'GB/T 2260 code',
    closed         UInt8 COMMENT '1: all its minutes are closed',
    told           UInt64 CODEC(LZ4) COMMENT 'minutes that have a row, as bits',
    open           UInt64 CODEC(LZ4) COMMENT 'minutes still open, as bits',
    heard          UInt64 CODEC(LZ4) COMMENT 'minutes with an active session, as bits',
    active_1m      UInt64 CODEC(T64, LZ4) COMMENT 'active sessions, summed over its minutes',
    viewers_1m     UInt64 CODEC(T64, LZ4) COMMENT 'viewers, summed over its minutes',
    orders_1m      Int64 CODEC(T64, LZ4) COMMENT 'orders',
    paid_fen_1m    Int64 CODEC(T64, LZ4) COMMENT 'paid GMV, fen',
    complaints_1m  Int64 CODEC(T64, LZ4) COMMENT 'complaints',
    seen_1m        Int64 CODEC(T64, LZ4) COMMENT 'session-minutes seen, of closed minutes',
    expected_1m    Int64 CODEC(T64, LZ4) COMMENT 'session-minutes due, of closed minutes',
    seen_5m        Int64 CODEC(T64, LZ4) COMMENT 'session-minutes seen in 5 min, summed over its minutes',
    expected_5m    Int64 CODEC(T64, LZ4) COMMENT 'session-minutes due in 5 min, summed over its minutes',
    orders_known   Int64 CODEC(T64, LZ4) COMMENT 'orders of known minutes, those in which the platform had an active session',
    complaints_known Int64 CODEC(T64, LZ4) COMMENT 'complaints of known minutes',
    paid_fen_5m    Int64 CODEC(T64, LZ4) COMMENT 'paid GMV of 5 min, fen, summed over known minutes',
    orders_5m      Int64 CODEC(T64, LZ4) COMMENT 'orders of 5 min, summed over known minutes',
    viewer_milliminutes_5m Int64 CODEC(T64, LZ4) COMMENT 'viewer-minutes of 5 min, thousandths, summed over known minutes',
    orders_60m     Int64 CODEC(T64, LZ4) COMMENT 'orders of 60 min, summed over known minutes',
    paid_fen_60m   Int64 CODEC(T64, LZ4) COMMENT 'paid GMV of 60 min, fen, summed over known minutes',
    complaints_60m Int64 CODEC(T64, LZ4) COMMENT 'complaints of 60 min, summed over known minutes',
    orders_24h     Int64 CODEC(T64, LZ4) COMMENT 'orders of 24 clock hours, summed over known minutes',
    complaints_24h Int64 CODEC(T64, LZ4) COMMENT 'complaints of 24 clock hours, summed over known minutes',
    lag_ms         Nullable(Float64) CODEC(LZ4) COMMENT 'the highest lag p95 of a closed minute, ms',
    lags           Array(Float64) CODEC(ZSTD) COMMENT 'the lag p95 of each closed minute that has one, ms, sorted',
    computed       DateTime64(6, 'UTC') CODEC(ZSTD) COMMENT 'clock time of the run that computed it'
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(minute)
ORDER BY (minute, computed, platform_id, category, district)
TTL minute + INTERVAL 90 DAY
SETTINGS non_replicated_deduplication_window = 0;

CREATE TABLE session_hours
(
    minute         DateTime('UTC') CODEC(Delta, ZSTD) COMMENT 'start of the hour',
    platform_id    LowCardinality(String) COMMENT 'platform',
    category       LowCardinality(String) COMMENT 'category of goods',
    district       LowCardinality(String) COMMENT 'GB/T 2260 code',
    session_id     String CODEC(LZ4) COMMENT 'live session',
    told           UInt64 CODEC(LZ4) COMMENT 'minutes that have a row, as bits',
    peak           UInt64 CODEC(T64, LZ4) COMMENT 'viewers of the minute with the most',
    viewers_1m     UInt64 CODEC(T64, LZ4) COMMENT 'viewers, summed over its minutes',
    orders_1m      Int64 CODEC(T64, LZ4) COMMENT 'orders',
    paid_fen_1m    Int64 CODEC(T64, LZ4) COMMENT 'paid GMV, fen',
    complaints_1m  Int64 CODEC(T64, LZ4) COMMENT 'complaints',
    complaints_60m Int64 CODEC(T64, LZ4) COMMENT 'the most complaints in 60 min at any of its minutes',
    computed       DateTime64(6, 'UTC') CODEC(ZSTD) COMMENT 'clock time of the run that computed it'
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(minute)
ORDER BY (minute, computed, platform_id, category, district, session_id)
TTL minute + INTERVAL 90 DAY
SETTINGS non_replicated_deduplication_window = 0;

-- When each hour was touched and computed. It names nobody: every reader may see it.
CREATE VIEW v_hours AS
SELECT minutes, hour, max(n.touched) AS touched, max(n.computed) AS computed
FROM hour_notes AS n
GROUP BY minutes, hour;

-- What all runs have computed; rows whose `computed` is not that of their hour in v_hours do not count.
CREATE VIEW v_cell_hours AS SELECT * FROM cell_hours;

CREATE VIEW v_session_hours AS SELECT * FROM session_hours;
