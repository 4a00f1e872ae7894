-- What panels by base or scenario, and the list of sessions, read of a session's minute: a narrow copy of
-- indicators_session whose sorting key begins with the minute. Inserts of later minutes do not overlap earlier ones
-- there, so FINAL reads most parts without merging them; a day that rests for an hour is one part. The columns of the
-- key are the same, and so is what a row replaces: the copy with the highest version is read, whatever comes again or
-- is rewritten. Codecs are the fast ones.
CREATE TABLE session_minutes
(
    minute         DateTime('UTC') CODEC(Delta, ZSTD) COMMENT 'the minute',
    platform_id    LowCardinality(String) COMMENT 'platform',
    category       LowCardinality(String) COMMENT 'category of goods',
    district       LowCardinality(String) COMMENT 'GB/T 2260 code',
    session_id     String CODEC(LZ4) COMMENT 'live session',
    viewers_1m     UInt64 CODEC(T64, LZ4) COMMENT 'I02 latest viewers known in the minute',
    orders_1m      Int64 CODEC(T64, LZ4) COMMENT 'orders in the minute',
    paid_fen_1m    Int64 CODEC(T64, LZ4) COMMENT 'I05 paid GMV in the minute, fen',
    complaints_1m  Int64 CODEC(T64, LZ4) COMMENT 'complaints in the minute',
    complaints_60m Int64 CODEC(T64, LZ4) COMMENT 'complaints in the 60 min that end with the minute',
    version        UInt64 CODEC(T64, LZ4) COMMENT 'that of the row in indicators_session; the highest is read'
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY toDate(minute)
ORDER BY (minute, platform_id, category, district, session_id)
TTL minute + INTERVAL 90 DAY
SETTINGS min_age_to_force_merge_seconds = 3600, min_age_to_force_merge_on_partition_only = 1, ttl_only_drop_parts = 1,
    non_replicated_deduplication_window = 0;

CREATE MATERIALIZED VIEW session_minutes_fill TO session_minutes AS
SELECT
    minute, platform_id, category, district, session_id, viewers_1m, orders_1m, paid_fen_1m, complaints_1m,
    complaints_60m, version
FROM indicators_session;

-- The view above copies already, so that nothing falls between; what is copied twice is there once.
INSERT INTO session_minutes
SELECT
    minute, platform_id, category, district, session_id, viewers_1m, orders_1m, paid_fen_1m, complaints_1m,
    complaints_60m, version
FROM indicators_session;

-- The few figures of v_indicators_session that are read over many sessions, quickly by range of time.
CREATE VIEW v_session_minutes AS SELECT * EXCEPT (version) FROM session_minutes FINAL;
