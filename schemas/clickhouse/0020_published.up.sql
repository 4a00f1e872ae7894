-- Daily figures as agencies and the public may see them (docs/adr/0033): written once a day by `livewatch ops publish`,
-- kept for ever. A day is there when published_days has it; the first run of a day counts, whatever comes after.
CREATE TABLE published_days
(
    day             Date COMMENT 'day in Shanghai',
    run             String COMMENT 'random; rows of this run are the published ones',
    published_at    DateTime64(3, 'UTC') COMMENT 'when; the first of a day counts',
    hours           UInt8 COMMENT 'closed hours of the day that are in the figures; 24 is the whole day'
)
ENGINE = MergeTree
ORDER BY (day, published_at)
SETTINGS non_replicated_deduplication_window = 0;

CREATE TABLE published_cells
(
    day                 Date COMMENT 'day in Shanghai',
    audience            LowCardinality(String) COMMENT 'agency: between agencies; public: for everybody, the association included',
    part                LowCardinality(String) COMMENT 'cell, hour, scenario or code: which table of the day',
    hour                Int8 COMMENT 'hour of the day in Shanghai; -1 is the whole day',
    platform_id         LowCardinality(String) COMMENT 'platform; * is all',
    category            LowCardinality(String) COMMENT 'category of goods; * is all',
    district            LowCardinality(String) COMMENT 'GB/T 2260 code; * is all',
    scenario            LowCardinality(String) COMMENT 'scenario tag, none without one; * is all',
    code                LowCardinality(String) COMMENT 'complaint code; * is all',
    suppressed          UInt8 COMMENT '1: there is a figure, and it is not shown; neither zero nor unknown',
    withheld            Array(LowCardinality(String)) COMMENT 'measures of a shown cell that are not shown by themselves',
    sessions            Nullable(Int64) CODEC(ZSTD) COMMENT 'live sessions; by hour not shown; null is not shown',
    session_minutes     Nullable(Int64) CODEC(ZSTD) COMMENT 'session-minutes with a viewers sample; null is not shown',
    orders              Nullable(Int64) CODEC(ZSTD) COMMENT 'orders paid; null is not shown',
    paid_fen            Nullable(Int64) CODEC(ZSTD) COMMENT 'I05 paid GMV, fen; null is not shown',
    viewer_milliminutes Nullable(Int64) CODEC(ZSTD) COMMENT 'viewer-minutes, thousandths; null is not shown',
    refunds             Nullable(Int64) CODEC(ZSTD) COMMENT 'orders refunded; shown by one dimension only; null is not shown',
    complaints          Nullable(Int64) CODEC(ZSTD) COMMENT 'complaints filed; shown by one dimension only; null is not shown',
    run                 String COMMENT 'run that wrote it'
)
ENGINE = MergeTree
PARTITION BY toYear(day)
ORDER BY (audience, part, day, hour, platform_id, category, district, scenario, code)
SETTINGS non_replicated_deduplication_window = 0;

CREATE VIEW v_published_day AS
SELECT day, category, district, suppressed, withheld, sessions, session_minutes, orders, paid_fen, viewer_milliminutes, refunds, complaints
FROM published_cells
WHERE audience = 'public' AND part = 'cell'
    AND (day, run) IN (SELECT day, argMin(run, published_at) FROM published_days GROUP BY day);

CREATE VIEW v_published_hour AS
SELECT day, hour, category, suppressed, session_minutes, orders, paid_fen, viewer_milliminutes
FROM published_cells
WHERE audience = 'public' AND part = 'hour'
    AND (day, run) IN (SELECT day, argMin(run, published_at) FROM published_days GROUP BY day);

CREATE VIEW v_published_scenario AS
SELECT day, scenario, suppressed, sessions, session_minutes, orders, paid_fen, viewer_milliminutes
FROM published_cells
WHERE audience = 'public' AND part = 'scenario'
    AND (day, run) IN (SELECT day, argMin(run, published_at) FROM published_days GROUP BY day);

CREATE VIEW v_published_code AS
SELECT day, code, suppressed, complaints
FROM published_cells
WHERE audience = 'public' AND part = 'code'
    AND (day, run) IN (SELECT day, argMin(run, published_at) FROM published_days GROUP BY day);

CREATE VIEW v_shared_day AS
SELECT day, platform_id, category, district, suppressed, withheld, sessions, session_minutes, orders, paid_fen, viewer_milliminutes, refunds, complaints
FROM published_cells
WHERE audience = 'agency' AND part = 'cell'
    AND (day, run) IN (SELECT day, argMin(run, published_at) FROM published_days GROUP BY day);

CREATE VIEW v_shared_hour AS
SELECT day, hour, category, suppressed, session_minutes, orders, paid_fen, viewer_milliminutes
FROM published_cells
WHERE audience = 'agency' AND part = 'hour'
    AND (day, run) IN (SELECT day, argMin(run, published_at) FROM published_days GROUP BY day);

CREATE VIEW v_shared_scenario AS
SELECT day, scenario, suppressed, sessions, session_minutes, orders, paid_fen, viewer_milliminutes
FROM published_cells
WHERE audience = 'agency' AND part = 'scenario'
    AND (day, run) IN (SELECT day, argMin(run, published_at) FROM published_days GROUP BY day);

CREATE VIEW v_shared_code AS
SELECT day, code, suppressed, complaints
FROM published_cells
WHERE audience = 'agency' AND part = 'code'
    AND (day, run) IN (SELECT day, argMin(run, published_at) FROM published_days GROUP BY day);
