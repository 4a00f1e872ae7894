-- How complete the telemetry is, by source: running totals as of each checkpoint.
CREATE TABLE completeness
(
    minute          DateTime('UTC') CODEC(Delta, ZSTD) COMMENT 'the closed minute after which the totals were taken',
    platform_id     LowCardinality(String) COMMENT 'platform',
    source          LowCardinality(String) COMMENT 'source within the platform',
    topic           LowCardinality(String) COMMENT 'topic',
    kafka_partition UInt16 COMMENT 'partition',
    epoch           UInt64 CODEC(ZSTD) COMMENT 'the producer''s epoch',
    next_sequence   UInt64 CODEC(ZSTD) COMMENT 'all batches below this one have been received',
    gaps            UInt64 CODEC(ZSTD) COMMENT 'batches missing between those received',
    batches         UInt64 CODEC(ZSTD) COMMENT 'batches received, repeats left out',
    rows            UInt64 CODEC(ZSTD) COMMENT 'rows accepted',
    duplicates      UInt64 CODEC(ZSTD) COMMENT 'batches received again and suppressed',
    late_rows       UInt64 CODEC(ZSTD) COMMENT 'rows that came after their minute had closed',
    refused         UInt64 CODEC(ZSTD) COMMENT 'rows sent to the dead-letter topic',
    watermark       DateTime64(3, 'UTC') CODEC(ZSTD) COMMENT 'event time up to which the source says it has sent everything',
    version         UInt64 CODEC(ZSTD) COMMENT 'the highest is read'
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY toDate(minute)
ORDER BY (platform_id, source, topic, kafka_partition, epoch, minute)
TTL minute + INTERVAL 90 DAY
SETTINGS ttl_only_drop_parts = 1, non_replicated_deduplication_window = 0;

CREATE VIEW v_completeness AS SELECT * EXCEPT (version) FROM completeness FINAL;
