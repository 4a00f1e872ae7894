-- Roll-ups: hours and Shanghai days, computed again from rows that are there once (docs/adr/0032). Additive columns and a
-- mergeable histogram only, so that an hour adds up to a day and a day to a month. A key that a recomputation does not
-- find any more is written as removed. Insert-time deduplication is off: repeats go by version.

-- Settled, by session: kept as long as the minutes, since it carries pseudonyms.
CREATE TABLE hour_session
(
    hour                DateTime('UTC') CODEC(Delta, ZSTD) COMMENT 'start of the hour',
    platform_id         LowCardinality(String) COMMENT 'platform',
    category            LowCardinality(String) COMMENT 'category of goods',
    district            LowCardinality(String) COMMENT 'GB/T 2260 code',
    session_id          String CODEC(ZSTD) COMMENT 'live session',
    merchant_pid        String CODEC(ZSTD) COMMENT 'pseudonym of the merchant',
    mcn_pid             String CODEC(ZSTD) COMMENT 'pseudonym of the agency; empty is none',
    base_id             LowCardinality(String) COMMENT 'live-commerce base; empty is none',
    scenario            LowCardinality(String) COMMENT 'scenario tag; empty is none',
    session_minutes     Int64 CODEC(T64, ZSTD) COMMENT 'session-minutes with a viewers sample',
    orders              Int64 CODEC(T64, ZSTD) COMMENT 'orders paid',
    paid_fen            Int64 CODEC(T64, ZSTD) COMMENT 'I05 paid GMV, fen',
    refunds             Int64 CODEC(T64, ZSTD) COMMENT 'orders refunded',
    refunded_fen        Int64 CODEC(T64, ZSTD) COMMENT 'amount refunded, fen',
    complaints          Int64 CODEC(T64, ZSTD) COMMENT 'complaints filed',
    clicks              Int64 CODEC(T64, ZSTD) COMMENT 'product clicks',
    interactions        Int64 CODEC(T64, ZSTD) COMMENT 'interactions',
    viewer_milliminutes Int64 CODEC(T64, ZSTD) COMMENT 'viewer-minutes, thousandths',
    rows                Int64 CODEC(T64, ZSTD) COMMENT 'samples of viewers, orders and complaints',
    late_rows           Int64 CODEC(T64, ZSTD) COMMENT 'of these, came after their minute had closed',
    lag                 Array(UInt64) CODEC(ZSTD) COMMENT 'samples by lag from event to broker: 12 counts, upper edges 0.25, 0.5, 1, 2, 5, 10, 20, 60, 120, 600 and 3600 s, then open',
    version             UInt64 CODEC(ZSTD) COMMENT 'clock of the run that computed it, ms; the highest is read',
    removed             UInt8 CODEC(ZSTD) COMMENT '1: the key is no longer there; readers of FINAL do not see it'
)
ENGINE = ReplacingMergeTree(version, removed)
PARTITION BY toDate(hour)
ORDER BY (hour, platform_id, category, district, session_id)
TTL hour + INTERVAL 90 DAY
SETTINGS ttl_only_drop_parts = 1, non_replicated_deduplication_window = 0;

-- By cell, provisional and settled apart. The hour leads the key: whoever reads a span reads that span.
CREATE TABLE hour_cell
(
    hour                DateTime('UTC') CODEC(Delta, ZSTD) COMMENT 'start of the hour',
    settled             UInt8 COMMENT '0: provisional, rows that were on time, nothing corrected; 1: settled, all rows, corrections applied',
    platform_id         LowCardinality(String) COMMENT 'platform',
    category            LowCardinality(String) COMMENT 'category of goods',
    district            LowCardinality(String) COMMENT 'GB/T 2260 code',
    session_minutes     Int64 CODEC(T64, ZSTD) COMMENT 'session-minutes with a viewers sample',
    orders              Int64 CODEC(T64, ZSTD) COMMENT 'orders paid',
    paid_fen            Int64 CODEC(T64, ZSTD) COMMENT 'I05 paid GMV, fen',
    refunds             Int64 CODEC(T64, ZSTD) COMMENT 'orders refunded',
    refunded_fen        Int64 CODEC(T64, ZSTD) COMMENT 'amount refunded, fen',
    complaints          Int64 CODEC(T64, ZSTD) COMMENT 'complaints filed',
    clicks              Int64 CODEC(T64, ZSTD) COMMENT 'product clicks',
    interactions        Int64 CODEC(T64, ZSTD) COMMENT 'interactions',
    viewer_milliminutes Int64 CODEC(T64, ZSTD) COMMENT 'viewer-minutes, thousandths',
    rows                Int64 CODEC(T64, ZSTD) COMMENT 'samples of viewers, orders and complaints',
    late_rows           Int64 CODEC(T64, ZSTD) COMMENT 'of these, came after their minute had closed',
    seen                Int64 CODEC(T64, ZSTD) COMMENT 'I22 session-minutes with a sample; provisional only',
    expected            Int64 CODEC(T64, ZSTD) COMMENT 'I22 session-minutes in which a sample was due; provisional only',
    lag                 Array(UInt64) CODEC(ZSTD) COMMENT 'samples by lag from event to broker: 12 counts, upper edges 0.25, 0.5, 1, 2, 5, 10, 20, 60, 120, 600 and 3600 s, then open',
    version             UInt64 CODEC(ZSTD) COMMENT 'clock of the run that computed it, ms; the highest is read',
    removed             UInt8 CODEC(ZSTD) COMMENT '1: the key is no longer there; readers of FINAL do not see it'
)
ENGINE = ReplacingMergeTree(version, removed)
PARTITION BY toYYYYMM(hour)
ORDER BY (settled, hour, platform_id, category, district)
TTL hour + INTERVAL 2 YEAR
SETTINGS ttl_only_drop_parts = 1, non_replicated_deduplication_window = 0;

CREATE TABLE day_cell
(
    day                 Date COMMENT 'day in Shanghai',
    hours               UInt8 COMMENT 'closed hours of the day that are in the sums; 24 is the whole day',
    settled             UInt8 COMMENT '0: provisional, rows that were on time, nothing corrected; 1: settled, all rows, corrections applied',
    platform_id         LowCardinality(String) COMMENT 'platform',
    category            LowCardinality(String) COMMENT 'category of goods',
    district            LowCardinality(String) COMMENT 'GB/T 2260 code',
    session_minutes     Int64 CODEC(T64, ZSTD) COMMENT 'session-minutes with a viewers sample',
    orders              Int64 CODEC(T64, ZSTD) COMMENT 'orders paid',
    paid_fen            Int64 CODEC(T64, ZSTD) COMMENT 'I05 paid GMV, fen',
    refunds             Int64 CODEC(T64, ZSTD) COMMENT 'orders refunded',
    refunded_fen        Int64 CODEC(T64, ZSTD) COMMENT 'amount refunded, fen',
    complaints          Int64 CODEC(T64, ZSTD) COMMENT 'complaints filed',
    clicks              Int64 CODEC(T64, ZSTD) COMMENT 'product clicks',
    interactions        Int64 CODEC(T64, ZSTD) COMMENT 'interactions',
    viewer_milliminutes Int64 CODEC(T64, ZSTD) COMMENT 'viewer-minutes, thousandths',
    rows                Int64 CODEC(T64, ZSTD) COMMENT 'samples of viewers, orders and complaints',
    late_rows           Int64 CODEC(T64, ZSTD) COMMENT 'of these, came after their minute had closed',
    seen                Int64 CODEC(T64, ZSTD) COMMENT 'I22 session-minutes with a sample; provisional only',
    expected            Int64 CODEC(T64, ZSTD) COMMENT 'I22 session-minutes in which a sample was due; provisional only',
    lag                 Array(UInt64) CODEC(ZSTD) COMMENT 'samples by lag from event to broker: 12 counts, upper edges 0.25, 0.5, 1, 2, 5, 10, 20, 60, 120, 600 and 3600 s, then open',
    version             UInt64 CODEC(ZSTD) COMMENT 'clock of the run that computed it, ms; the highest is read',
    removed             UInt8 CODEC(ZSTD) COMMENT '1: the key is no longer there; readers of FINAL do not see it'
)
ENGINE = ReplacingMergeTree(version, removed)
PARTITION BY toYYYYMM(day)
ORDER BY (settled, day, platform_id, category, district)
TTL day + INTERVAL 2 YEAR
SETTINGS ttl_only_drop_parts = 1, non_replicated_deduplication_window = 0;

-- What the roll-ups have seen: the next run looks at what was stored since.
CREATE TABLE rollup_runs
(
    started_at      DateTime64(3, 'UTC') COMMENT 'the engine''s clock when the run began',
    closed_through  DateTime('UTC') COMMENT 'hours that end by then were closed',
    hours           UInt32 COMMENT 'hours computed'
)
ENGINE = MergeTree
ORDER BY started_at
TTL toDateTime(started_at) + INTERVAL 90 DAY
SETTINGS non_replicated_deduplication_window = 0;

CREATE VIEW v_settled_hour_session AS SELECT * EXCEPT (version, removed) FROM hour_session FINAL;

CREATE VIEW v_hour_cell AS
SELECT
    hour, platform_id, category, district,
    session_minutes, orders, paid_fen, refunds, refunded_fen, complaints, clicks, interactions, viewer_milliminutes, rows, late_rows,
    seen, expected, if(expected = 0, NULL, seen / expected) AS i22_completeness,
    if(orders = 0, NULL, paid_fen / (100 * orders)) AS i06_order_value_yuan,
    if(viewer_milliminutes = 0, NULL, 1000000 * orders / viewer_milliminutes) AS i09_orders_per_1000_viewer_min,
    10000 * (complaints + 1) / (orders + 1000) AS i11_complaints_per_10000,
    lag, if(arraySum(lag) = 0, NULL, [250, 500, 1000, 2000, 5000, 10000, 20000, 60000, 120000, 600000, 3600000, 3600000][
        arrayFirstIndex(x -> x >= 0.95 * arraySum(lag), arrayCumSum(lag))]) AS i22_lag_p95_ms
FROM hour_cell FINAL
WHERE settled = 0;

CREATE VIEW v_settled_hour_cell AS
SELECT
    hour, platform_id, category, district,
    session_minutes, orders, paid_fen, refunds, refunded_fen, complaints, clicks, interactions, viewer_milliminutes, rows, late_rows,
    if(orders = 0, NULL, paid_fen / (100 * orders)) AS i06_order_value_yuan,
    if(viewer_milliminutes = 0, NULL, 1000000 * orders / viewer_milliminutes) AS i09_orders_per_1000_viewer_min,
    10000 * (complaints + 1) / (orders + 1000) AS i11_complaints_per_10000,
    lag, if(arraySum(lag) = 0, NULL, [250, 500, 1000, 2000, 5000, 10000, 20000, 60000, 120000, 600000, 3600000, 3600000][
        arrayFirstIndex(x -> x >= 0.95 * arraySum(lag), arrayCumSum(lag))]) AS i22_lag_p95_ms
FROM hour_cell FINAL
WHERE settled = 1;

CREATE VIEW v_day_cell AS
SELECT
    day, hours, platform_id, category, district,
    session_minutes, orders, paid_fen, refunds, refunded_fen, complaints, clicks, interactions, viewer_milliminutes, rows, late_rows,
    seen, expected, if(expected = 0, NULL, seen / expected) AS i22_completeness,
    if(orders = 0, NULL, paid_fen / (100 * orders)) AS i06_order_value_yuan,
    if(viewer_milliminutes = 0, NULL, 1000000 * orders / viewer_milliminutes) AS i09_orders_per_1000_viewer_min,
    10000 * (complaints + 1) / (orders + 1000) AS i11_complaints_per_10000,
    lag, if(arraySum(lag) = 0, NULL, [250, 500, 1000, 2000, 5000, 10000, 20000, 60000, 120000, 600000, 3600000, 3600000][
        arrayFirstIndex(x -> x >= 0.95 * arraySum(lag), arrayCumSum(lag))]) AS i22_lag_p95_ms
FROM day_cell FINAL
WHERE settled = 0;

CREATE VIEW v_settled_day_cell AS
SELECT
    day, hours, platform_id, category, district,
    session_minutes, orders, paid_fen, refunds, refunded_fen, complaints, clicks, interactions, viewer_milliminutes, rows, late_rows,
    if(orders = 0, NULL, paid_fen / (100 * orders)) AS i06_order_value_yuan,
    if(viewer_milliminutes = 0, NULL, 1000000 * orders / viewer_milliminutes) AS i09_orders_per_1000_viewer_min,
    10000 * (complaints + 1) / (orders + 1000) AS i11_complaints_per_10000,
    lag, if(arraySum(lag) = 0, NULL, [250, 500, 1000, 2000, 5000, 10000, 20000, 60000, 120000, 600000, 3600000, 3600000][
        arrayFirstIndex(x -> x >= 0.95 * arraySum(lag), arrayCumSum(lag))]) AS i22_lag_p95_ms
FROM day_cell FINAL
WHERE settled = 1;
