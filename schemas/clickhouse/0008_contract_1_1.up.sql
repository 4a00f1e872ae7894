-- Contract 1.1: reviews, and what orders, complaints and sessions say more. Null, or empty, is not told.

CREATE TABLE raw_reviews
(
    event_time      DateTime64(3, 'UTC') CODEC(Delta, ZSTD) COMMENT 'when the sample was taken',
    platform_id     LowCardinality(String) COMMENT 'platform that sent it',
    category        LowCardinality(String) COMMENT 'category of goods',
    district        LowCardinality(String) COMMENT 'GB/T 2260 code',
    session_id      String CODEC(ZSTD) COMMENT 'live session',
    merchant_pid    String CODEC(ZSTD) COMMENT 'pseudonym of the merchant',
    mode            LowCardinality(String) COMMENT 'who reviewed: machine, human or both',
    outcome         LowCardinality(String) COMMENT 'what it led to: passed, warned or interrupted',
    reviews         UInt32 CODEC(ZSTD) COMMENT 'reviews since the last sample',
    latency_ms      Nullable(UInt32) CODEC(ZSTD) COMMENT 'time to the outcome of each review of the row, ms; null is not told',
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

ALTER TABLE raw_orders ADD COLUMN cohort_days Nullable(UInt16) CODEC(ZSTD) COMMENT 'age in days of the orders that the refunds belong to; null is not told' AFTER refunded_fen;

ALTER TABLE raw_orders ADD COLUMN due_48h Nullable(UInt32) CODEC(ZSTD) COMMENT 'orders whose 48 h for shipping ended since the last sample' AFTER cohort_days;

ALTER TABLE raw_orders ADD COLUMN shipped_48h Nullable(UInt32) CODEC(ZSTD) COMMENT 'of these, shipped within 48 h' AFTER due_48h;

ALTER TABLE raw_orders ADD COLUMN vouchers_redeemed Nullable(UInt32) CODEC(ZSTD) COMMENT 'vouchers redeemed since the last sample' AFTER shipped_48h;

ALTER TABLE raw_complaints ADD COLUMN responded Nullable(UInt32) CODEC(ZSTD) COMMENT 'complaints first answered since the last sample' AFTER complaints;

ALTER TABLE raw_complaints ADD COLUMN response_minutes Nullable(UInt32) CODEC(ZSTD) COMMENT 'time from filing to first answer of each of these, minutes' AFTER responded;

ALTER TABLE raw_complaints ADD COLUMN resolved Nullable(UInt32) CODEC(ZSTD) COMMENT 'of those closed, resolved' AFTER response_minutes;

ALTER TABLE raw_complaints ADD COLUMN closed Nullable(UInt32) CODEC(ZSTD) COMMENT 'complaints closed since the last sample' AFTER resolved;

ALTER TABLE sessions ADD COLUMN venue_id LowCardinality(String) COMMENT 'shopping district; empty is none' AFTER scenario;

ALTER TABLE sessions ADD COLUMN origin_region LowCardinality(String) COMMENT 'GB/T 2260 code of the province of origin; empty is not told' AFTER venue_id;

ALTER TABLE sessions ADD COLUMN brand_type LowCardinality(String) COMMENT 'kind of brand; empty is not told' AFTER origin_region;

ALTER TABLE sessions ADD COLUMN streamer_tier LowCardinality(String) COMMENT 'tier of the streamer; empty is not told' AFTER brand_type;

ALTER TABLE sessions ADD COLUMN streamer_certified Nullable(UInt8) COMMENT '1: the streamer holds a certificate; null is not told' AFTER streamer_tier;

DROP VIEW v_orders;

CREATE VIEW v_orders AS SELECT * EXCEPT (version) FROM raw_orders FINAL;

DROP VIEW v_complaints;

CREATE VIEW v_complaints AS SELECT * EXCEPT (version) FROM raw_complaints FINAL;

DROP VIEW v_sessions;

CREATE VIEW v_sessions AS SELECT * EXCEPT (version) FROM sessions FINAL;

CREATE VIEW v_reviews AS SELECT * EXCEPT (version) FROM raw_reviews FINAL;

DROP VIEW v_settled_orders;

CREATE VIEW v_settled_orders AS
SELECT r.* EXCEPT (version)
FROM (SELECT * FROM raw_orders FINAL) AS r
ANY LEFT JOIN (SELECT * FROM v_withdrawn_batches WHERE w_topic = 'telemetry.orders.v1') AS b
    ON r.platform_id = b.w_platform AND r.kafka_partition = b.w_partition AND r.source = b.w_source
    AND r.epoch = b.w_epoch AND r.sequence = b.w_sequence
ANY LEFT JOIN (SELECT * FROM v_withdrawn_sessions WHERE s_topic = 'telemetry.orders.v1') AS c
    ON r.platform_id = c.s_platform AND r.kafka_partition = c.s_partition AND r.session_id = c.s_session
WHERE (r.broker_time, r.kafka_offset) >= b.w_before
    AND NOT arrayExists(
        x -> r.event_time >= x.1 AND r.event_time < x.2 AND (r.broker_time, r.kafka_offset) < (x.3, x.4),
        c.s_ranges);

DROP VIEW v_settled_complaints;

CREATE VIEW v_settled_complaints AS
SELECT r.* EXCEPT (version)
FROM (SELECT * FROM raw_complaints FINAL) AS r
ANY LEFT JOIN (SELECT * FROM v_withdrawn_batches WHERE w_topic = 'telemetry.complaints.v1') AS b
    ON r.platform_id = b.w_platform AND r.kafka_partition = b.w_partition AND r.source = b.w_source
    AND r.epoch = b.w_epoch AND r.sequence = b.w_sequence
ANY LEFT JOIN (SELECT * FROM v_withdrawn_sessions WHERE s_topic = 'telemetry.complaints.v1') AS c
    ON r.platform_id = c.s_platform AND r.kafka_partition = c.s_partition AND r.session_id = c.s_session
WHERE (r.broker_time, r.kafka_offset) >= b.w_before
    AND NOT arrayExists(
        x -> r.event_time >= x.1 AND r.event_time < x.2 AND (r.broker_time, r.kafka_offset) < (x.3, x.4),
        c.s_ranges);

CREATE VIEW v_settled_reviews AS
SELECT r.* EXCEPT (version)
FROM (SELECT * FROM raw_reviews FINAL) AS r
ANY LEFT JOIN (SELECT * FROM v_withdrawn_batches WHERE w_topic = 'telemetry.reviews.v1') AS b
    ON r.platform_id = b.w_platform AND r.kafka_partition = b.w_partition AND r.source = b.w_source
    AND r.epoch = b.w_epoch AND r.sequence = b.w_sequence
ANY LEFT JOIN (SELECT * FROM v_withdrawn_sessions WHERE s_topic = 'telemetry.reviews.v1') AS c
    ON r.platform_id = c.s_platform AND r.kafka_partition = c.s_partition AND r.session_id = c.s_session
WHERE (r.broker_time, r.kafka_offset) >= b.w_before
    AND NOT arrayExists(
        x -> r.event_time >= x.1 AND r.event_time < x.2 AND (r.broker_time, r.kafka_offset) < (x.3, x.4),
        c.s_ranges);

DROP VIEW v_correction_rows;

CREATE VIEW v_correction_rows AS
SELECT platform_id, topic, kafka_partition, position, 'withdrawn' AS side, at, session, merchant, goods, measures
FROM
(
    SELECT platform_id, topic, kafka_partition, r_source, r_epoch, r_sequence, r_row,
        min(w.position) AS position, any(w.at) AS at, any(w.session) AS session, any(w.merchant) AS merchant,
        any(w.goods) AS goods, any(w.measures) AS measures
    FROM
    (
    SELECT k.platform_id AS platform_id, k.topic AS topic, k.kafka_partition AS kafka_partition, r.source AS r_source, r.epoch AS r_epoch, r.sequence AS r_sequence, r.row AS r_row,
        r.event_time AS at, r.session_id AS session, r.merchant_pid AS merchant, r.category AS goods, map('viewers', toInt64(ifNull(r.viewers, 0)), 'clicks', toInt64(ifNull(r.clicks, 0)), 'interactions', toInt64(ifNull(r.interactions, 0))) AS measures, (k.broker_time, k.kafka_offset) AS position
    FROM (SELECT * FROM raw_viewers FINAL) AS r
    INNER JOIN (SELECT * FROM corrections FINAL WHERE topic = 'telemetry.viewers.v1' AND kind = 'batch') AS k
        ON r.platform_id = k.platform_id AND r.kafka_partition = k.kafka_partition AND r.source = k.source AND r.epoch = k.target_epoch AND r.sequence = k.target_sequence
    WHERE (r.broker_time, r.kafka_offset) < (k.broker_time, k.kafka_offset)
    UNION ALL
    SELECT k.platform_id AS platform_id, k.topic AS topic, k.kafka_partition AS kafka_partition, r.source AS r_source, r.epoch AS r_epoch, r.sequence AS r_sequence, r.row AS r_row,
        r.event_time AS at, r.session_id AS session, r.merchant_pid AS merchant, r.category AS goods, map('viewers', toInt64(ifNull(r.viewers, 0)), 'clicks', toInt64(ifNull(r.clicks, 0)), 'interactions', toInt64(ifNull(r.interactions, 0))) AS measures, (k.broker_time, k.kafka_offset) AS position
    FROM (SELECT * FROM raw_viewers FINAL) AS r
    INNER JOIN (SELECT * FROM corrections FINAL WHERE topic = 'telemetry.viewers.v1' AND kind = 'session') AS k
        ON r.platform_id = k.platform_id AND r.kafka_partition = k.kafka_partition AND r.session_id = k.target_session
    WHERE (r.broker_time, r.kafka_offset) < (k.broker_time, k.kafka_offset) AND r.event_time >= k.target_from AND r.event_time < k.target_to
    UNION ALL
    SELECT k.platform_id AS platform_id, k.topic AS topic, k.kafka_partition AS kafka_partition, r.source AS r_source, r.epoch AS r_epoch, r.sequence AS r_sequence, r.row AS r_row,
        r.event_time AS at, r.session_id AS session, r.merchant_pid AS merchant, r.category AS goods, map('orders', toInt64(ifNull(r.orders, 0)), 'paid_fen', toInt64(ifNull(r.paid_fen, 0)), 'refunds', toInt64(ifNull(r.refunds, 0)), 'refunded_fen', toInt64(ifNull(r.refunded_fen, 0)), 'due_48h', toInt64(ifNull(r.due_48h, 0)), 'shipped_48h', toInt64(ifNull(r.shipped_48h, 0)), 'vouchers_redeemed', toInt64(ifNull(r.vouchers_redeemed, 0))) AS measures, (k.broker_time, k.kafka_offset) AS position
    FROM (SELECT * FROM raw_orders FINAL) AS r
    INNER JOIN (SELECT * FROM corrections FINAL WHERE topic = 'telemetry.orders.v1' AND kind = 'batch') AS k
        ON r.platform_id = k.platform_id AND r.kafka_partition = k.kafka_partition AND r.source = k.source AND r.epoch = k.target_epoch AND r.sequence = k.target_sequence
    WHERE (r.broker_time, r.kafka_offset) < (k.broker_time, k.kafka_offset)
    UNION ALL
    SELECT k.platform_id AS platform_id, k.topic AS topic, k.kafka_partition AS kafka_partition, r.source AS r_source, r.epoch AS r_epoch, r.sequence AS r_sequence, r.row AS r_row,
        r.event_time AS at, r.session_id AS session, r.merchant_pid AS merchant, r.category AS goods, map('orders', toInt64(ifNull(r.orders, 0)), 'paid_fen', toInt64(ifNull(r.paid_fen, 0)), 'refunds', toInt64(ifNull(r.refunds, 0)), 'refunded_fen', toInt64(ifNull(r.refunded_fen, 0)), 'due_48h', toInt64(ifNull(r.due_48h, 0)), 'shipped_48h', toInt64(ifNull(r.shipped_48h, 0)), 'vouchers_redeemed', toInt64(ifNull(r.vouchers_redeemed, 0))) AS measures, (k.broker_time, k.kafka_offset) AS position
    FROM (SELECT * FROM raw_orders FINAL) AS r
    INNER JOIN (SELECT * FROM corrections FINAL WHERE topic = 'telemetry.orders.v1' AND kind = 'session') AS k
        ON r.platform_id = k.platform_id AND r.kafka_partition = k.kafka_partition AND r.session_id = k.target_session
    WHERE (r.broker_time, r.kafka_offset) < (k.broker_time, k.kafka_offset) AND r.event_time >= k.target_from AND r.event_time < k.target_to
    UNION ALL
    SELECT k.platform_id AS platform_id, k.topic AS topic, k.kafka_partition AS kafka_partition, r.source AS r_source, r.epoch AS r_epoch, r.sequence AS r_sequence, r.row AS r_row,
        r.event_time AS at, r.session_id AS session, r.merchant_pid AS merchant, r.category AS goods, map('complaints', toInt64(ifNull(r.complaints, 0)), 'responded', toInt64(ifNull(r.responded, 0)), 'resolved', toInt64(ifNull(r.resolved, 0)), 'closed', toInt64(ifNull(r.closed, 0))) AS measures, (k.broker_time, k.kafka_offset) AS position
    FROM (SELECT * FROM raw_complaints FINAL) AS r
    INNER JOIN (SELECT * FROM corrections FINAL WHERE topic = 'telemetry.complaints.v1' AND kind = 'batch') AS k
        ON r.platform_id = k.platform_id AND r.kafka_partition = k.kafka_partition AND r.source = k.source AND r.epoch = k.target_epoch AND r.sequence = k.target_sequence
    WHERE (r.broker_time, r.kafka_offset) < (k.broker_time, k.kafka_offset)
    UNION ALL
    SELECT k.platform_id AS platform_id, k.topic AS topic, k.kafka_partition AS kafka_partition, r.source AS r_source, r.epoch AS r_epoch, r.sequence AS r_sequence, r.row AS r_row,
        r.event_time AS at, r.session_id AS session, r.merchant_pid AS merchant, r.category AS goods, map('complaints', toInt64(ifNull(r.complaints, 0)), 'responded', toInt64(ifNull(r.responded, 0)), 'resolved', toInt64(ifNull(r.resolved, 0)), 'closed', toInt64(ifNull(r.closed, 0))) AS measures, (k.broker_time, k.kafka_offset) AS position
    FROM (SELECT * FROM raw_complaints FINAL) AS r
    INNER JOIN (SELECT * FROM corrections FINAL WHERE topic = 'telemetry.complaints.v1' AND kind = 'session') AS k
        ON r.platform_id = k.platform_id AND r.kafka_partition = k.kafka_partition AND r.session_id = k.target_session
    WHERE (r.broker_time, r.kafka_offset) < (k.broker_time, k.kafka_offset) AND r.event_time >= k.target_from AND r.event_time < k.target_to
    UNION ALL
    SELECT k.platform_id AS platform_id, k.topic AS topic, k.kafka_partition AS kafka_partition, r.source AS r_source, r.epoch AS r_epoch, r.sequence AS r_sequence, r.row AS r_row,
        r.event_time AS at, r.session_id AS session, r.merchant_pid AS merchant, r.category AS goods, map('reviews', toInt64(ifNull(r.reviews, 0))) AS measures, (k.broker_time, k.kafka_offset) AS position
    FROM (SELECT * FROM raw_reviews FINAL) AS r
    INNER JOIN (SELECT * FROM corrections FINAL WHERE topic = 'telemetry.reviews.v1' AND kind = 'batch') AS k
        ON r.platform_id = k.platform_id AND r.kafka_partition = k.kafka_partition AND r.source = k.source AND r.epoch = k.target_epoch AND r.sequence = k.target_sequence
    WHERE (r.broker_time, r.kafka_offset) < (k.broker_time, k.kafka_offset)
    UNION ALL
    SELECT k.platform_id AS platform_id, k.topic AS topic, k.kafka_partition AS kafka_partition, r.source AS r_source, r.epoch AS r_epoch, r.sequence AS r_sequence, r.row AS r_row,
        r.event_time AS at, r.session_id AS session, r.merchant_pid AS merchant, r.category AS goods, map('reviews', toInt64(ifNull(r.reviews, 0))) AS measures, (k.broker_time, k.kafka_offset) AS position
    FROM (SELECT * FROM raw_reviews FINAL) AS r
    INNER JOIN (SELECT * FROM corrections FINAL WHERE topic = 'telemetry.reviews.v1' AND kind = 'session') AS k
        ON r.platform_id = k.platform_id AND r.kafka_partition = k.kafka_partition AND r.session_id = k.target_session
    WHERE (r.broker_time, r.kafka_offset) < (k.broker_time, k.kafka_offset) AND r.event_time >= k.target_from AND r.event_time < k.target_to
    ) AS w
    GROUP BY platform_id, topic, kafka_partition, r_source, r_epoch, r_sequence, r_row
)
UNION ALL
SELECT platform_id, topic, kafka_partition, position, 'brought', at, session, merchant, goods, measures
FROM
(
    SELECT k.platform_id AS platform_id, k.topic AS topic, k.kafka_partition AS kafka_partition,
        (k.broker_time, k.kafka_offset) AS position, r.event_time AS at, r.session_id AS session, r.merchant_pid AS merchant, r.category AS goods, map('viewers', toInt64(ifNull(r.viewers, 0)), 'clicks', toInt64(ifNull(r.clicks, 0)), 'interactions', toInt64(ifNull(r.interactions, 0))) AS measures
    FROM (SELECT * FROM raw_viewers FINAL) AS r
    INNER JOIN (SELECT * FROM corrections FINAL WHERE topic = 'telemetry.viewers.v1') AS k
        ON r.platform_id = k.platform_id AND r.kafka_partition = k.kafka_partition AND r.source = k.source
        AND r.epoch = k.epoch AND r.sequence = k.sequence
    UNION ALL
    SELECT k.platform_id AS platform_id, k.topic AS topic, k.kafka_partition AS kafka_partition,
        (k.broker_time, k.kafka_offset) AS position, r.event_time AS at, r.session_id AS session, r.merchant_pid AS merchant, r.category AS goods, map('orders', toInt64(ifNull(r.orders, 0)), 'paid_fen', toInt64(ifNull(r.paid_fen, 0)), 'refunds', toInt64(ifNull(r.refunds, 0)), 'refunded_fen', toInt64(ifNull(r.refunded_fen, 0)), 'due_48h', toInt64(ifNull(r.due_48h, 0)), 'shipped_48h', toInt64(ifNull(r.shipped_48h, 0)), 'vouchers_redeemed', toInt64(ifNull(r.vouchers_redeemed, 0))) AS measures
    FROM (SELECT * FROM raw_orders FINAL) AS r
    INNER JOIN (SELECT * FROM corrections FINAL WHERE topic = 'telemetry.orders.v1') AS k
        ON r.platform_id = k.platform_id AND r.kafka_partition = k.kafka_partition AND r.source = k.source
        AND r.epoch = k.epoch AND r.sequence = k.sequence
    UNION ALL
    SELECT k.platform_id AS platform_id, k.topic AS topic, k.kafka_partition AS kafka_partition,
        (k.broker_time, k.kafka_offset) AS position, r.event_time AS at, r.session_id AS session, r.merchant_pid AS merchant, r.category AS goods, map('complaints', toInt64(ifNull(r.complaints, 0)), 'responded', toInt64(ifNull(r.responded, 0)), 'resolved', toInt64(ifNull(r.resolved, 0)), 'closed', toInt64(ifNull(r.closed, 0))) AS measures
    FROM (SELECT * FROM raw_complaints FINAL) AS r
    INNER JOIN (SELECT * FROM corrections FINAL WHERE topic = 'telemetry.complaints.v1') AS k
        ON r.platform_id = k.platform_id AND r.kafka_partition = k.kafka_partition AND r.source = k.source
        AND r.epoch = k.epoch AND r.sequence = k.sequence
    UNION ALL
    SELECT k.platform_id AS platform_id, k.topic AS topic, k.kafka_partition AS kafka_partition,
        (k.broker_time, k.kafka_offset) AS position, r.event_time AS at, r.session_id AS session, r.merchant_pid AS merchant, r.category AS goods, map('reviews', toInt64(ifNull(r.reviews, 0))) AS measures
    FROM (SELECT * FROM raw_reviews FINAL) AS r
    INNER JOIN (SELECT * FROM corrections FINAL WHERE topic = 'telemetry.reviews.v1') AS k
        ON r.platform_id = k.platform_id AND r.kafka_partition = k.kafka_partition AND r.source = k.source
        AND r.epoch = k.epoch AND r.sequence = k.sequence
);
