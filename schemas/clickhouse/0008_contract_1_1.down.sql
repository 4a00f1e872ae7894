ALTER TABLE raw_orders DROP COLUMN cohort_days;

ALTER TABLE raw_orders DROP COLUMN due_48h;

ALTER TABLE raw_orders DROP COLUMN shipped_48h;

ALTER TABLE raw_orders DROP COLUMN vouchers_redeemed;

ALTER TABLE raw_complaints DROP COLUMN responded;

ALTER TABLE raw_complaints DROP COLUMN response_minutes;

ALTER TABLE raw_complaints DROP COLUMN resolved;

ALTER TABLE raw_complaints DROP COLUMN closed;

ALTER TABLE sessions DROP COLUMN venue_id;

ALTER TABLE sessions DROP COLUMN origin_region;

ALTER TABLE sessions DROP COLUMN brand_type;

ALTER TABLE sessions DROP COLUMN streamer_tier;

ALTER TABLE sessions DROP COLUMN streamer_certified;

DROP VIEW v_orders;

CREATE VIEW v_orders AS SELECT * EXCEPT (version) FROM raw_orders FINAL;

DROP VIEW v_complaints;

CREATE VIEW v_complaints AS SELECT * EXCEPT (version) FROM raw_complaints FINAL;

DROP VIEW v_sessions;

CREATE VIEW v_sessions AS SELECT * EXCEPT (version) FROM sessions FINAL;

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
        r.event_time AS at, r.session_id AS session, r.merchant_pid AS merchant, r.category AS goods, map('orders', toInt64(ifNull(r.orders, 0)), 'paid_fen', toInt64(ifNull(r.paid_fen, 0)), 'refunds', toInt64(ifNull(r.refunds, 0)), 'refunded_fen', toInt64(ifNull(r.refunded_fen, 0))) AS measures, (k.broker_time, k.kafka_offset) AS position
    FROM (SELECT * FROM raw_orders FINAL) AS r
    INNER JOIN (SELECT * FROM corrections FINAL WHERE topic = 'telemetry.orders.v1' AND kind = 'batch') AS k
        ON r.platform_id = k.platform_id AND r.kafka_partition = k.kafka_partition AND r.source = k.source AND r.epoch = k.target_epoch AND r.sequence = k.target_sequence
    WHERE (r.broker_time, r.kafka_offset) < (k.broker_time, k.kafka_offset)
    UNION ALL
    SELECT k.platform_id AS platform_id, k.topic AS topic, k.kafka_partition AS kafka_partition, r.source AS r_source, r.epoch AS r_epoch, r.sequence AS r_sequence, r.row AS r_row,
        r.event_time AS at, r.session_id AS session, r.merchant_pid AS merchant, r.category AS goods, map('orders', toInt64(ifNull(r.orders, 0)), 'paid_fen', toInt64(ifNull(r.paid_fen, 0)), 'refunds', toInt64(ifNull(r.refunds, 0)), 'refunded_fen', toInt64(ifNull(r.refunded_fen, 0))) AS measures, (k.broker_time, k.kafka_offset) AS position
    FROM (SELECT * FROM raw_orders FINAL) AS r
    INNER JOIN (SELECT * FROM corrections FINAL WHERE topic = 'telemetry.orders.v1' AND kind = 'session') AS k
        ON r.platform_id = k.platform_id AND r.kafka_partition = k.kafka_partition AND r.session_id = k.target_session
    WHERE (r.broker_time, r.kafka_offset) < (k.broker_time, k.kafka_offset) AND r.event_time >= k.target_from AND r.event_time < k.target_to
    UNION ALL
    SELECT k.platform_id AS platform_id, k.topic AS topic, k.kafka_partition AS kafka_partition, r.source AS r_source, r.epoch AS r_epoch, r.sequence AS r_sequence, r.row AS r_row,
        r.event_time AS at, r.session_id AS session, r.merchant_pid AS merchant, r.category AS goods, map('complaints', toInt64(ifNull(r.complaints, 0))) AS measures, (k.broker_time, k.kafka_offset) AS position
    FROM (SELECT * FROM raw_complaints FINAL) AS r
    INNER JOIN (SELECT * FROM corrections FINAL WHERE topic = 'telemetry.complaints.v1' AND kind = 'batch') AS k
        ON r.platform_id = k.platform_id AND r.kafka_partition = k.kafka_partition AND r.source = k.source AND r.epoch = k.target_epoch AND r.sequence = k.target_sequence
    WHERE (r.broker_time, r.kafka_offset) < (k.broker_time, k.kafka_offset)
    UNION ALL
    SELECT k.platform_id AS platform_id, k.topic AS topic, k.kafka_partition AS kafka_partition, r.source AS r_source, r.epoch AS r_epoch, r.sequence AS r_sequence, r.row AS r_row,
        r.event_time AS at, r.session_id AS session, r.merchant_pid AS merchant, r.category AS goods, map('complaints', toInt64(ifNull(r.complaints, 0))) AS measures, (k.broker_time, k.kafka_offset) AS position
    FROM (SELECT * FROM raw_complaints FINAL) AS r
    INNER JOIN (SELECT * FROM corrections FINAL WHERE topic = 'telemetry.complaints.v1' AND kind = 'session') AS k
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
        (k.broker_time, k.kafka_offset) AS position, r.event_time AS at, r.session_id AS session, r.merchant_pid AS merchant, r.category AS goods, map('orders', toInt64(ifNull(r.orders, 0)), 'paid_fen', toInt64(ifNull(r.paid_fen, 0)), 'refunds', toInt64(ifNull(r.refunds, 0)), 'refunded_fen', toInt64(ifNull(r.refunded_fen, 0))) AS measures
    FROM (SELECT * FROM raw_orders FINAL) AS r
    INNER JOIN (SELECT * FROM corrections FINAL WHERE topic = 'telemetry.orders.v1') AS k
        ON r.platform_id = k.platform_id AND r.kafka_partition = k.kafka_partition AND r.source = k.source
        AND r.epoch = k.epoch AND r.sequence = k.sequence
    UNION ALL
    SELECT k.platform_id AS platform_id, k.topic AS topic, k.kafka_partition AS kafka_partition,
        (k.broker_time, k.kafka_offset) AS position, r.event_time AS at, r.session_id AS session, r.merchant_pid AS merchant, r.category AS goods, map('complaints', toInt64(ifNull(r.complaints, 0))) AS measures
    FROM (SELECT * FROM raw_complaints FINAL) AS r
    INNER JOIN (SELECT * FROM corrections FINAL WHERE topic = 'telemetry.complaints.v1') AS k
        ON r.platform_id = k.platform_id AND r.kafka_partition = k.kafka_partition AND r.source = k.source
        AND r.epoch = k.epoch AND r.sequence = k.sequence
);

DROP VIEW v_settled_reviews;

DROP VIEW v_reviews;

DROP TABLE raw_reviews;
