-- Where the newest row of each lane, and of each long window, is to be found: the newest is then read of an hour, or of
-- two days, and not by way of all rows of the range. Only that there is a row is noted, and what is noted again is there
-- once; the rows themselves are read of completeness and indicator_values, so a rewrite needs nothing here.

-- The lanes of which an hour has a row.
CREATE TABLE completeness_lanes
(
    hour            DateTime('UTC') CODEC(Delta, ZSTD) COMMENT 'start of the hour',
    platform_id     LowCardinality(String) COMMENT 'platform',
    source          LowCardinality(String) COMMENT 'source within the platform',
    topic           LowCardinality(String) COMMENT 'topic',
    kafka_partition UInt16 COMMENT 'partition',
    epoch           UInt64 CODEC(ZSTD) COMMENT 'the producer''s epoch'
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(hour)
ORDER BY (hour, platform_id, source, topic, kafka_partition, epoch)
TTL hour + INTERVAL 90 DAY
SETTINGS non_replicated_deduplication_window = 0;

CREATE MATERIALIZED VIEW completeness_lanes_fill TO completeness_lanes AS
SELECT DISTINCT toStartOfHour(minute) AS hour, platform_id, source, topic, kafka_partition, epoch
FROM completeness;

-- The view above notes already, so that nothing falls between; what is noted twice is there once.
INSERT INTO completeness_lanes
SELECT DISTINCT toStartOfHour(minute), platform_id, source, topic, kafka_partition, epoch
FROM completeness;

CREATE VIEW v_completeness_lanes AS SELECT * FROM completeness_lanes;

-- The long windows of platforms of which a day has a value, unknown ones included.
CREATE TABLE indicator_days
(
    day         Date COMMENT 'day, UTC',
    platform_id LowCardinality(String) COMMENT 'platform',
    indicator   LowCardinality(String) COMMENT 'I03 to I20, see docs/indicators.md',
    window      LowCardinality(String) COMMENT 'length of the window',
    part        LowCardinality(String) COMMENT 'which figure of the indicator; empty where there is one'
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(day)
ORDER BY (day, platform_id, indicator, window, part)
TTL day + INTERVAL 90 DAY
SETTINGS non_replicated_deduplication_window = 0;

CREATE MATERIALIZED VIEW indicator_days_fill TO indicator_days AS
SELECT DISTINCT toDate(minute) AS day, platform_id, indicator, window, part
FROM indicator_values
WHERE scope = 'platform';

INSERT INTO indicator_days
SELECT DISTINCT toDate(minute), platform_id, indicator, window, part
FROM indicator_values
WHERE scope = 'platform';

CREATE VIEW v_indicator_days AS SELECT * FROM indicator_days;
