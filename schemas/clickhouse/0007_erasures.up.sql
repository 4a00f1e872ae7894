-- What was erased, by whom and why: append-only. The workers read it when they take a partition
-- over, so that a record of before the erasure, read again, brings nothing back.
CREATE TABLE erasures
(
    erasure_id   String COMMENT 'random',
    platform_id  LowCardinality(String) COMMENT 'platform whose data is erased',
    session_id   String COMMENT 'live session; empty is all of the platform',
    before       DateTime('UTC') COMMENT 'event time below which data is erased; a whole minute',
    erased_at    DateTime64(3, 'UTC') COMMENT 'when it was asked for',
    erased_by    String COMMENT 'who asked for it',
    reason       String COMMENT 'why',
    tool         String COMMENT 'version of the program'
)
ENGINE = MergeTree
ORDER BY (erased_at, erasure_id)
TTL toDateTime(erased_at) + INTERVAL 3 YEAR
SETTINGS non_replicated_deduplication_window = 0;
