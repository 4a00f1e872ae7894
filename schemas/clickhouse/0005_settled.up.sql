-- Corrections, and the settled figures: raw rows, each once, without what a correction withdraws.
-- Settled figures are of all rows, late ones too; the indicators of 0002 are provisional.

CREATE TABLE corrections
(
    platform_id     LowCardinality(String) COMMENT 'platform that corrects itself',
    topic           LowCardinality(String) COMMENT 'topic of the correction and of what it corrects',
    kafka_partition UInt16 COMMENT 'partition of both',
    source          LowCardinality(String) COMMENT 'identity: source within the platform',
    epoch           UInt64 COMMENT 'identity: the producer''s epoch',
    sequence        UInt64 COMMENT 'identity: batch number',
    key_id          String COMMENT 'key that signed it; empty is unsigned',
    kind            LowCardinality(String) COMMENT 'batch or session: what it withdraws',
    target_epoch    UInt64 COMMENT 'kind batch: epoch of the batch withdrawn, of the same source',
    target_sequence UInt64 COMMENT 'kind batch: its sequence number',
    target_session  String COMMENT 'kind session: the session',
    target_from     DateTime64(3, 'UTC') COMMENT 'kind session: first event time withdrawn',
    target_to       DateTime64(3, 'UTC') COMMENT 'kind session: event time up to which, exclusive',
    reason          LowCardinality(String) COMMENT 'code of the list of reasons',
    rows_brought    UInt32 COMMENT 'rows that stand in the place of the withdrawn ones',
    sent_time       DateTime64(3, 'UTC') COMMENT 'the source''s clock when it was sealed',
    broker_time     DateTime64(3, 'UTC') COMMENT 'the broker''s LogAppendTime',
    kafka_offset    UInt64 COMMENT 'where it was read: it withdraws only what stands before it',
    stored_at       DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC') COMMENT 'when the engine stored it',
    version         UInt64 COMMENT 'who wrote it; the highest is read'
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (platform_id, topic, kafka_partition, source, epoch, sequence)
TTL toDateTime(broker_time) + INTERVAL 3 YEAR
SETTINGS non_replicated_deduplication_window = 0;

-- For a batch the last correction that names it is enough to know: (platform, source, epoch, sequence).
CREATE VIEW v_withdrawn_batches AS
SELECT
    topic AS w_topic, platform_id AS w_platform, kafka_partition AS w_partition, source AS w_source,
    target_epoch AS w_epoch, target_sequence AS w_sequence,
    max((broker_time, kafka_offset)) AS w_before
FROM corrections FINAL
WHERE kind = 'batch'
GROUP BY w_topic, w_platform, w_partition, w_source, w_epoch, w_sequence;

CREATE VIEW v_withdrawn_sessions AS
SELECT
    topic AS s_topic, platform_id AS s_platform, kafka_partition AS s_partition, target_session AS s_session,
    groupArray((target_from, target_to, broker_time, kafka_offset)) AS s_ranges
FROM corrections FINAL
WHERE kind = 'session'
GROUP BY s_topic, s_platform, s_partition, s_session;

CREATE VIEW v_settled_viewers AS
SELECT r.* EXCEPT (version)
FROM (SELECT * FROM raw_viewers FINAL) AS r
ANY LEFT JOIN (SELECT * FROM v_withdrawn_batches WHERE w_topic = 'telemetry.viewers.v1') AS b
    ON r.platform_id = b.w_platform AND r.kafka_partition = b.w_partition AND r.source = b.w_source
    AND r.epoch = b.w_epoch AND r.sequence = b.w_sequence
ANY LEFT JOIN (SELECT * FROM v_withdrawn_sessions WHERE s_topic = 'telemetry.viewers.v1') AS c
    ON r.platform_id = c.s_platform AND r.kafka_partition = c.s_partition AND r.session_id = c.s_session
WHERE (r.broker_time, r.kafka_offset) >= b.w_before
    AND NOT arrayExists(
        x -> r.event_time >= x.1 AND r.event_time < x.2 AND (r.broker_time, r.kafka_offset) < (x.3, x.4),
        c.s_ranges);

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

-- One row a session and minute that it has samples of. Settled.
CREATE VIEW v_settled_minute_session AS
SELECT
    toDateTime(m, 'UTC') AS minute, platform_id, category, district, session_id,
    any(shop) AS merchant_pid,
    toUInt8(sum(known) > 0) AS active_1m,
    maxIf((at, gauge), known > 0).2 AS viewers_1m,
    sum(n_orders) AS orders_1m, sum(n_paid) AS paid_fen_1m,
    sum(n_refunds) AS refunds_1m, sum(n_refunded) AS refunded_fen_1m,
    intDiv(1000 * sum(gauge), greatest(sum(known), 1)) AS viewer_milliminutes_1m,
    sum(n_clicks) AS clicks_1m, sum(n_interactions) AS interactions_1m,
    sum(n_complaints) AS complaints_1m,
    count() AS rows, sum(is_late) AS late_rows
FROM
(
    SELECT toStartOfMinute(event_time) AS m, platform_id, category, district, session_id,
        merchant_pid AS shop, event_time AS at,
        toInt64(ifNull(viewers, 0)) AS gauge, toInt64(viewers IS NOT NULL) AS known,
        0::Int64 AS n_orders, 0::Int64 AS n_paid, 0::Int64 AS n_refunds, 0::Int64 AS n_refunded,
        toInt64(ifNull(clicks, 0)) AS n_clicks, toInt64(ifNull(interactions, 0)) AS n_interactions,
        0::Int64 AS n_complaints, late AS is_late
    FROM v_settled_viewers
    UNION ALL
    SELECT toStartOfMinute(event_time), platform_id, category, district, session_id, merchant_pid, event_time,
        0, 0, toInt64(orders), paid_fen, toInt64(refunds), refunded_fen, 0, 0, 0, late
    FROM v_settled_orders
    UNION ALL
    SELECT toStartOfMinute(event_time), platform_id, category, district, session_id, merchant_pid, event_time,
        0, 0, 0, 0, 0, 0, 0, 0, toInt64(complaints), late
    FROM v_settled_complaints
)
GROUP BY m, platform_id, category, district, session_id;

-- Settled indicators, for a span of time: v_settled_indicators_session(since = '...', until = '...'). It reads 24 clock
-- hours more, for the longest window. A row for each minute in which a session's sample came, or was due.
CREATE VIEW v_settled_indicators_session AS
SELECT
    platform_id, category, district, session_id, merchant_pid, minute,
    active_1m, viewers_1m,
    orders_1m, orders_5m, orders_15m, orders_60m, paid_fen_1m, paid_fen_5m, paid_fen_15m, paid_fen_60m, viewer_milliminutes_1m, viewer_milliminutes_5m, viewer_milliminutes_15m, viewer_milliminutes_60m, complaints_1m, complaints_5m, complaints_15m, complaints_60m,
    orders_24h, complaints_24h,
    orders_1m / 1 AS i04_orders_per_min_1m, orders_5m / 5 AS i04_orders_per_min_5m, orders_15m / 15 AS i04_orders_per_min_15m, orders_60m / 60 AS i04_orders_per_min_60m,
    if(orders_1m = 0, NULL, paid_fen_1m / (100 * orders_1m)) AS i06_order_value_yuan_1m, if(orders_5m = 0, NULL, paid_fen_5m / (100 * orders_5m)) AS i06_order_value_yuan_5m, if(orders_15m = 0, NULL, paid_fen_15m / (100 * orders_15m)) AS i06_order_value_yuan_15m, if(orders_60m = 0, NULL, paid_fen_60m / (100 * orders_60m)) AS i06_order_value_yuan_60m,
    if(viewer_milliminutes_1m = 0, NULL, 1000000 * orders_1m / viewer_milliminutes_1m) AS i09_orders_per_1000_viewer_min_1m, if(viewer_milliminutes_5m = 0, NULL, 1000000 * orders_5m / viewer_milliminutes_5m) AS i09_orders_per_1000_viewer_min_5m, if(viewer_milliminutes_15m = 0, NULL, 1000000 * orders_15m / viewer_milliminutes_15m) AS i09_orders_per_1000_viewer_min_15m, if(viewer_milliminutes_60m = 0, NULL, 1000000 * orders_60m / viewer_milliminutes_60m) AS i09_orders_per_1000_viewer_min_60m,
    10000 * (complaints_60m + 1) / (orders_60m + 1000) AS i11_complaints_per_10000_1h,
    10000 * (complaints_24h + 1) / (orders_24h + 1000) AS i11_complaints_per_10000_24h
FROM
(
    SELECT platform_id, category, district, session_id, merchant_pid, toDateTime(60 * n, 'UTC') AS minute, active_1m, viewers_1m, due,
        orders AS orders_1m, paid_fen AS paid_fen_1m, viewer_milliminutes AS viewer_milliminutes_1m, complaints AS complaints_1m,
        sum(orders) OVER w5 AS orders_5m, sum(paid_fen) OVER w5 AS paid_fen_5m, sum(viewer_milliminutes) OVER w5 AS viewer_milliminutes_5m, sum(complaints) OVER w5 AS complaints_5m, sum(orders) OVER w15 AS orders_15m, sum(paid_fen) OVER w15 AS paid_fen_15m, sum(viewer_milliminutes) OVER w15 AS viewer_milliminutes_15m, sum(complaints) OVER w15 AS complaints_15m, sum(orders) OVER w60 AS orders_60m, sum(paid_fen) OVER w60 AS paid_fen_60m, sum(viewer_milliminutes) OVER w60 AS viewer_milliminutes_60m, sum(complaints) OVER w60 AS complaints_60m,
        sum(orders) OVER this_hour + sum(orders) OVER hours AS orders_24h, sum(complaints) OVER this_hour + sum(complaints) OVER hours AS complaints_24h
    FROM
    (
        SELECT platform_id, category, district, session_id, any(shop) AS merchant_pid,
            n, intDiv(n, 60) AS hour,
            max(step > 0 OR active = 1 OR orders_1m > 0 OR complaints_1m > 0) AS due,
            max(if(step = 0, active, 0)) AS active_1m, sum(if(step = 0, watching, 0)) AS viewers_1m,
            sum(if(step = 0, orders_1m, 0)) AS orders, sum(if(step = 0, paid_fen_1m, 0)) AS paid_fen, sum(if(step = 0, viewer_milliminutes_1m, 0)) AS viewer_milliminutes, sum(if(step = 0, complaints_1m, 0)) AS complaints
        FROM
        (
            SELECT *, step, merchant_pid AS shop, active_1m AS active, viewers_1m AS watching,
                intDiv(toInt64(toUnixTimestamp(minute)), 60) + step AS n
            FROM (SELECT * FROM v_settled_minute_session WHERE minute >= toStartOfHour({since:DateTime('UTC')}) - INTERVAL 23 HOUR AND minute < {until:DateTime('UTC')})
            ARRAY JOIN range(if(active_1m = 1, 5, 1)) AS step
        )
        GROUP BY platform_id, category, district, session_id, n
    )
    WINDOW
        w5 AS (PARTITION BY platform_id, category, district, session_id ORDER BY n RANGE BETWEEN 4 PRECEDING AND CURRENT ROW), w15 AS (PARTITION BY platform_id, category, district, session_id ORDER BY n RANGE BETWEEN 14 PRECEDING AND CURRENT ROW), w60 AS (PARTITION BY platform_id, category, district, session_id ORDER BY n RANGE BETWEEN 59 PRECEDING AND CURRENT ROW),
        this_hour AS (PARTITION BY platform_id, category, district, session_id, hour ORDER BY n),
        hours AS (PARTITION BY platform_id, category, district, session_id ORDER BY hour RANGE BETWEEN 23 PRECEDING AND 1 PRECEDING)
)
WHERE due > 0 AND minute >= {since:DateTime('UTC')} AND minute < {until:DateTime('UTC')};

-- The same by cell: a row for each minute up to an hour after a sample.
CREATE VIEW v_settled_indicators_cell AS
SELECT
    platform_id, category, district, minute,
    active_1m, viewers_1m,
    orders_1m, orders_5m, orders_15m, orders_60m, paid_fen_1m, paid_fen_5m, paid_fen_15m, paid_fen_60m, viewer_milliminutes_1m, viewer_milliminutes_5m, viewer_milliminutes_15m, viewer_milliminutes_60m, complaints_1m, complaints_5m, complaints_15m, complaints_60m,
    orders_24h, complaints_24h,
    orders_1m / 1 AS i04_orders_per_min_1m, orders_5m / 5 AS i04_orders_per_min_5m, orders_15m / 15 AS i04_orders_per_min_15m, orders_60m / 60 AS i04_orders_per_min_60m,
    if(orders_1m = 0, NULL, paid_fen_1m / (100 * orders_1m)) AS i06_order_value_yuan_1m, if(orders_5m = 0, NULL, paid_fen_5m / (100 * orders_5m)) AS i06_order_value_yuan_5m, if(orders_15m = 0, NULL, paid_fen_15m / (100 * orders_15m)) AS i06_order_value_yuan_15m, if(orders_60m = 0, NULL, paid_fen_60m / (100 * orders_60m)) AS i06_order_value_yuan_60m,
    if(viewer_milliminutes_1m = 0, NULL, 1000000 * orders_1m / viewer_milliminutes_1m) AS i09_orders_per_1000_viewer_min_1m, if(viewer_milliminutes_5m = 0, NULL, 1000000 * orders_5m / viewer_milliminutes_5m) AS i09_orders_per_1000_viewer_min_5m, if(viewer_milliminutes_15m = 0, NULL, 1000000 * orders_15m / viewer_milliminutes_15m) AS i09_orders_per_1000_viewer_min_15m, if(viewer_milliminutes_60m = 0, NULL, 1000000 * orders_60m / viewer_milliminutes_60m) AS i09_orders_per_1000_viewer_min_60m,
    10000 * (complaints_60m + 1) / (orders_60m + 1000) AS i11_complaints_per_10000_1h,
    10000 * (complaints_24h + 1) / (orders_24h + 1000) AS i11_complaints_per_10000_24h
FROM
(
    SELECT platform_id, category, district, toDateTime(60 * n, 'UTC') AS minute, active_1m, viewers_1m, due,
        orders AS orders_1m, paid_fen AS paid_fen_1m, viewer_milliminutes AS viewer_milliminutes_1m, complaints AS complaints_1m,
        sum(orders) OVER w5 AS orders_5m, sum(paid_fen) OVER w5 AS paid_fen_5m, sum(viewer_milliminutes) OVER w5 AS viewer_milliminutes_5m, sum(complaints) OVER w5 AS complaints_5m, sum(orders) OVER w15 AS orders_15m, sum(paid_fen) OVER w15 AS paid_fen_15m, sum(viewer_milliminutes) OVER w15 AS viewer_milliminutes_15m, sum(complaints) OVER w15 AS complaints_15m, sum(orders) OVER w60 AS orders_60m, sum(paid_fen) OVER w60 AS paid_fen_60m, sum(viewer_milliminutes) OVER w60 AS viewer_milliminutes_60m, sum(complaints) OVER w60 AS complaints_60m,
        sum(orders) OVER this_hour + sum(orders) OVER hours AS orders_24h, sum(complaints) OVER this_hour + sum(complaints) OVER hours AS complaints_24h
    FROM
    (
        SELECT platform_id, category, district,
            n, intDiv(n, 60) AS hour, 1 AS due,
            sum(if(step = 0, active, 0)) AS active_1m, sum(if(step = 0, watching, 0)) AS viewers_1m,
            sum(if(step = 0, orders, 0)) AS orders, sum(if(step = 0, paid_fen, 0)) AS paid_fen, sum(if(step = 0, viewer_milliminutes, 0)) AS viewer_milliminutes, sum(if(step = 0, complaints, 0)) AS complaints
        FROM
        (
            SELECT *, step, intDiv(toInt64(toUnixTimestamp(minute)), 60) + step AS n
            FROM
            (
                SELECT platform_id, category, district, minute, sum(active_1m) AS active, sum(viewers_1m) AS watching,
                    sum(orders_1m) AS orders, sum(paid_fen_1m) AS paid_fen, sum(viewer_milliminutes_1m) AS viewer_milliminutes, sum(complaints_1m) AS complaints
                FROM v_settled_minute_session WHERE minute >= toStartOfHour({since:DateTime('UTC')}) - INTERVAL 23 HOUR AND minute < {until:DateTime('UTC')}
                GROUP BY platform_id, category, district, minute
            )
            ARRAY JOIN range(60) AS step
        )
        GROUP BY platform_id, category, district, n
    )
    WINDOW
        w5 AS (PARTITION BY platform_id, category, district ORDER BY n RANGE BETWEEN 4 PRECEDING AND CURRENT ROW), w15 AS (PARTITION BY platform_id, category, district ORDER BY n RANGE BETWEEN 14 PRECEDING AND CURRENT ROW), w60 AS (PARTITION BY platform_id, category, district ORDER BY n RANGE BETWEEN 59 PRECEDING AND CURRENT ROW),
        this_hour AS (PARTITION BY platform_id, category, district, hour ORDER BY n),
        hours AS (PARTITION BY platform_id, category, district ORDER BY hour RANGE BETWEEN 23 PRECEDING AND 1 PRECEDING)
)
WHERE due > 0 AND minute >= {since:DateTime('UTC')} AND minute < {until:DateTime('UTC')};

-- Rows that a correction withdrew (the first that did, where several name a row) or brought.
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

-- The audit of corrections: who withdrew what and why, the sums before and after, and the flags whose windows it
-- touches. before is what the withdrawn rows added up to, after what stands in their place.
CREATE VIEW v_corrections AS
SELECT
    k.platform_id AS platform_id, k.topic AS topic, k.kafka_partition AS kafka_partition, k.source AS source,
    k.epoch AS epoch, k.sequence AS sequence, k.key_id AS key_id, k.kind AS kind,
    k.target_epoch AS target_epoch, k.target_sequence AS target_sequence, k.target_session AS target_session,
    k.target_from AS target_from, k.target_to AS target_to, k.reason AS reason,
    k.sent_time AS sent_time, k.broker_time AS broker_time,
    t.rows_withdrawn AS rows_withdrawn, k.rows_brought AS rows_brought,
    t.before AS before, t.after AS after, t.first_event AS first_event, t.last_event AS last_event,
    f.flag_ids AS flag_ids
FROM (SELECT * FROM corrections FINAL) AS k
LEFT JOIN
(
    SELECT platform_id, topic, kafka_partition, position,
        countIf(side = 'withdrawn') AS rows_withdrawn,
        sumMapIf(measures, side = 'withdrawn') AS before, sumMapIf(measures, side = 'brought') AS after,
        min(at) AS first_event, max(at) AS last_event
    FROM v_correction_rows
    GROUP BY platform_id, topic, kafka_partition, position
) AS t
    ON k.platform_id = t.platform_id AND k.topic = t.topic AND k.kafka_partition = t.kafka_partition
    AND (k.broker_time, k.kafka_offset) = t.position
LEFT JOIN
(
    SELECT c.platform_id AS platform_id, c.topic AS topic, c.kafka_partition AS kafka_partition,
        c.position AS position, groupUniqArray(f.flag_id) AS flag_ids
    FROM
    (
        SELECT platform_id, topic, kafka_partition, position, session, merchant, goods,
            min(at) AS first, max(at) AS last
        FROM v_correction_rows
        GROUP BY platform_id, topic, kafka_partition, position, session, merchant, goods
    ) AS c
    INNER JOIN
    (
        SELECT flag_id, platform_id, entity_type, entity, category, state,
            onset - toIntervalSecond(window_s) AS since, last_event_time AS until
        FROM v_flags
    ) AS f
        ON c.platform_id = f.platform_id
    WHERE c.last >= f.since AND (f.state = 'open' OR c.first <= f.until)
        AND multiIf(
            f.entity_type = 'session', f.entity = c.session,
            f.entity_type = 'merchant', f.entity = c.merchant,
            f.entity_type = 'category', f.category = c.goods,
            true)
    GROUP BY platform_id, topic, kafka_partition, position
) AS f
    ON k.platform_id = f.platform_id AND k.topic = f.topic AND k.kafka_partition = f.kafka_partition
    AND (k.broker_time, k.kafka_offset) = f.position;

-- Whoever looks at a table's comment learns which of the two kinds of figures it holds.
ALTER TABLE indicators_session MODIFY COMMENT 'PROVISIONAL figures: rows that were on time, nothing corrected; settled: v_settled_indicators_session';

ALTER TABLE indicators_cell MODIFY COMMENT 'PROVISIONAL figures: rows that were on time, nothing corrected; settled: v_settled_indicators_cell';
