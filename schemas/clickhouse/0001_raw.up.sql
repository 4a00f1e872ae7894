-- Raw samples, kept 30 days. The identity stands at the end of the sorting key, so that a
-- batch written twice is one batch to every reader of the v_ views.

CREATE TABLE raw_viewers
(
    event_time      DateTime64(3, 'UTC') CODEC(Delta, ZSTD) COMMENT 'when the sample was taken',
    platform_id     LowCardinality(String) COMMENT 'platform that sent it',
    category        LowCardinality(String) COMMENT 'category of goods',
    district        LowCardinality(String) COMMENT 'GB/T 2260 code',
    session_id      String CODEC(ZSTD) COMMENT 'live session',
    merchant_pid    String CODEC(ZSTD) COMMENT 'pseudonym of the merchant',
    viewers         Nullable(UInt32) CODEC(ZSTD) COMMENT 'viewers now; null is unknown',
    unique_viewers  Nullable(UInt32) CODEC(ZSTD) COMMENT 'unique viewers since the start',
    clicks          Nullable(UInt32) CODEC(ZSTD) COMMENT 'product clicks since the last sample',
    interactions    Nullable(UInt32) CODEC(ZSTD) COMMENT 'interactions since the last sample',
    source          LowCardinality(String) COMMENT 'identity: source within the platform',
    epoch           UInt64 CODEC(ZSTD) COMMENT 'identity: the producer''s epoch',
    kafka_partition UInt16 CODEC(ZSTD) COMMENT 'identity: partition',
    sequence        UInt64 CODEC(ZSTD) COMMENT 'identity: batch number within source, epoch and partition',
    row             UInt16 CODEC(ZSTD) COMMENT 'identity: row within the batch',
    late            UInt8 CODEC(ZSTD) COMMENT '1: came after its minute had closed; in settled figures only',
    kafka_offset    UInt64 CODEC(Delta, ZSTD) COMMENT 'where the batch was read',
    broker_time     DateTime64(3, 'UTC') CODEC(Delta, ZSTD) COMMENT 'the broker''s LogAppendTime',
    stored_at       DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC') CODEC(Delta, ZSTD) COMMENT 'when the engine stored it',
    version         UInt64 CODEC(ZSTD) COMMENT 'who wrote it (epoch of the state, then consumer generation); the highest is read',
    INDEX by_broker_time broker_time TYPE minmax GRANULARITY 64
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY toDate(event_time)
ORDER BY (platform_id, category, district, session_id, event_time, source, epoch, kafka_partition, sequence, row)
TTL toDateTime(event_time) + INTERVAL 30 DAY
SETTINGS ttl_only_drop_parts = 1, non_replicated_deduplication_window = 0;

CREATE TABLE raw_orders
(
    event_time      DateTime64(3, 'UTC') CODEC(Delta, ZSTD) COMMENT 'when the sample was taken',
    platform_id     LowCardinality(String) COMMENT 'platform that sent it',
    category        LowCardinality(String) COMMENT 'category of goods',
    district        LowCardinality(String) COMMENT 'GB/T 2260 code',
    session_id      String CODEC(ZSTD) COMMENT 'live session',
    merchant_pid    String CODEC(ZSTD) COMMENT 'pseudonym of the merchant',
    orders          UInt32 CODEC(ZSTD) COMMENT 'orders paid since the last sample',
    paid_fen        Int64 CODEC(ZSTD) COMMENT 'amount paid, fen',
    refunds         UInt32 CODEC(ZSTD) COMMENT 'orders refunded since the last sample',
    refunded_fen    Int64 CODEC(ZSTD) COMMENT 'amount refunded, fen',
    source          LowCardinality(String) COMMENT 'identity: source within the platform',
    epoch           UInt64 CODEC(ZSTD) COMMENT 'identity: the producer''s epoch',
    kafka_partition UInt16 CODEC(ZSTD) COMMENT 'identity: partition',
    sequence        UInt64 CODEC(ZSTD) COMMENT 'identity: batch number within source, epoch and partition',
    row             UInt16 CODEC(ZSTD) COMMENT 'identity: row within the batch',
    late            UInt8 CODEC(ZSTD) COMMENT '1: came after its minute had closed; in settled figures only',
    kafka_offset    UInt64 CODEC(Delta, ZSTD) COMMENT 'where the batch was read',
    broker_time     DateTime64(3, 'UTC') CODEC(Delta, ZSTD) COMMENT 'the broker''s LogAppendTime',
    stored_at       DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC') CODEC(Delta, ZSTD) COMMENT 'when the engine stored it',
    version         UInt64 CODEC(ZSTD) COMMENT 'who wrote it (epoch of the state, then consumer generation); the highest is read',
    INDEX by_broker_time broker_time TYPE minmax GRANULARITY 64
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY toDate(event_time)
ORDER BY (platform_id, category, district, session_id, event_time, source, epoch, kafka_partition, sequence, row)
TTL toDateTime(event_time) + INTERVAL 30 DAY
SETTINGS ttl_only_drop_parts = 1, non_replicated_deduplication_window = 0;

CREATE TABLE raw_complaints
(
    event_time      DateTime64(3, 'UTC') CODEC(Delta, ZSTD) COMMENT 'when the sample was taken',
    platform_id     LowCardinality(String) COMMENT 'platform that sent it',
    category        LowCardinality(String) COMMENT 'category of goods',
    district        LowCardinality(String) COMMENT 'GB/T 2260 code',
    session_id      String CODEC(ZSTD) COMMENT 'live session',
    merchant_pid    String CODEC(ZSTD) COMMENT 'pseudonym of the merchant',
    code            LowCardinality(String) COMMENT 'complaint or report code',
    channel         LowCardinality(String) COMMENT 'where it was filed',
    complaints      UInt32 CODEC(ZSTD) COMMENT 'complaints filed since the last sample',
    source          LowCardinality(String) COMMENT 'identity: source within the platform',
    epoch           UInt64 CODEC(ZSTD) COMMENT 'identity: the producer''s epoch',
    kafka_partition UInt16 CODEC(ZSTD) COMMENT 'identity: partition',
    sequence        UInt64 CODEC(ZSTD) COMMENT 'identity: batch number within source, epoch and partition',
    row             UInt16 CODEC(ZSTD) COMMENT 'identity: row within the batch',
    late            UInt8 CODEC(ZSTD) COMMENT '1: came after its minute had closed; in settled figures only',
    kafka_offset    UInt64 CODEC(Delta, ZSTD) COMMENT 'where the batch was read',
    broker_time     DateTime64(3, 'UTC') CODEC(Delta, ZSTD) COMMENT 'the broker''s LogAppendTime',
    stored_at       DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC') CODEC(Delta, ZSTD) COMMENT 'when the engine stored it',
    version         UInt64 CODEC(ZSTD) COMMENT 'who wrote it (epoch of the state, then consumer generation); the highest is read',
    INDEX by_broker_time broker_time TYPE minmax GRANULARITY 64
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY toDate(event_time)
ORDER BY (platform_id, category, district, session_id, event_time, source, epoch, kafka_partition, sequence, row)
TTL toDateTime(event_time) + INTERVAL 30 DAY
SETTINGS ttl_only_drop_parts = 1, non_replicated_deduplication_window = 0;

-- The session's dimensions, as last told.
CREATE TABLE sessions
(
    session_id    String COMMENT 'live session, random',
    platform_id   LowCardinality(String) COMMENT 'platform',
    room_pid      String COMMENT 'pseudonym of the live room',
    streamer_pid  String COMMENT 'pseudonym of the streamer',
    mcn_pid       String COMMENT 'pseudonym of the agency; empty is none',
    merchant_pid  String COMMENT 'pseudonym of the merchant',
    base_id       LowCardinality(String) COMMENT 'live-commerce base; empty is none',
    district      LowCardinality(String) COMMENT 'GB/T 2260 code',
    category      LowCardinality(String) COMMENT 'category of goods',
    scenario      LowCardinality(String) COMMENT 'scenario tag; empty is none',
    first_seen    DateTime64(3, 'UTC') COMMENT 'event time of the first sample seen',
    version       UInt64 COMMENT 'the highest is read'
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (platform_id, session_id)
TTL toDateTime(first_seen) + INTERVAL 90 DAY
SETTINGS non_replicated_deduplication_window = 0;

CREATE VIEW v_viewers AS SELECT * EXCEPT (version) FROM raw_viewers FINAL;

CREATE VIEW v_orders AS SELECT * EXCEPT (version) FROM raw_orders FINAL;

CREATE VIEW v_complaints AS SELECT * EXCEPT (version) FROM raw_complaints FINAL;

CREATE VIEW v_sessions AS SELECT * EXCEPT (version) FROM sessions FINAL;
