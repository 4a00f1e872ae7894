-- Indicators of scopes over windows that the wide tables do not have: a row an indicator, scope and five minutes. What
-- each is stands in docs/indicators.md. PROVISIONAL figures; v_settled_indicator_values computes the same ones from the
-- settled rows.
CREATE TABLE indicator_values
(
    minute      DateTime('UTC') CODEC(Delta, ZSTD) COMMENT 'start of the minute that ends the window',
    indicator   LowCardinality(String) COMMENT 'I03 to I20, see docs/indicators.md',
    window      LowCardinality(String) COMMENT 'length of the window: minutes, clock hours, Shanghai days, or the session so far',
    part        LowCardinality(String) COMMENT 'which figure of the indicator: p50, CR10, HHI, a scenario tag or night; empty where there is one',
    scope       LowCardinality(String) COMMENT 'session, category (of a platform), platform or city',
    platform_id LowCardinality(String) COMMENT 'platform; empty for the city',
    category    LowCardinality(String) COMMENT 'category of goods; empty above it',
    session_id  String CODEC(ZSTD) COMMENT 'live session; empty above it',
    value       Nullable(Float64) CODEC(ZSTD) COMMENT 'the indicator; null is unknown or below the minimum volume',
    numerator   Float64 CODEC(ZSTD) COMMENT 'what the value is made of, above the line',
    denominator Float64 CODEC(ZSTD) COMMENT 'what the value is made of, below the line',
    n           UInt64 CODEC(ZSTD) COMMENT 'volume that the minimum is about',
    version     UInt64 CODEC(ZSTD) COMMENT 'who wrote it; the highest is read'
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY toDate(minute)
ORDER BY (indicator, scope, platform_id, category, session_id, window, part, minute)
TTL minute + INTERVAL 90 DAY
SETTINGS ttl_only_drop_parts = 1, non_replicated_deduplication_window = 0;

CREATE VIEW v_indicator_values AS SELECT * EXCEPT (version) FROM indicator_values FINAL;

-- Settled orders and complaints of 29 Shanghai days up to the end of a minute, with what their sessions belong to.
CREATE VIEW v_settled_sales AS
SELECT s.at_minute AS minute, toDate(s.at_minute, 'Asia/Shanghai') AS day, s.platform_id AS platform_id,
    s.category AS category, d.mcn_pid AS mcn_pid, d.scenario AS scenario,
    s.n_orders AS orders, s.n_paid AS paid_fen, s.n_complaints AS complaints
FROM
(
    SELECT at_minute, platform_id, category, session_id, sum(o) AS n_orders, sum(p) AS n_paid, sum(c) AS n_complaints
    FROM
    (
        SELECT toStartOfMinute(event_time) AS at_minute, platform_id, category, session_id,
            toInt64(orders) AS o, paid_fen AS p, 0::Int64 AS c
        FROM v_settled_orders
        WHERE event_time < {at:DateTime('UTC')} + INTERVAL 1 MINUTE AND event_time >= {at:DateTime('UTC')} - INTERVAL 29 DAY
        UNION ALL
        SELECT toStartOfMinute(event_time), platform_id, category, session_id, 0, 0, toInt64(complaints)
        FROM v_settled_complaints
        WHERE event_time < {at:DateTime('UTC')} + INTERVAL 1 MINUTE AND event_time >= {at:DateTime('UTC')} - INTERVAL 29 DAY
    )
    GROUP BY at_minute, platform_id, category, session_id
) AS s
LEFT JOIN (SELECT platform_id, session_id, mcn_pid, scenario FROM v_sessions) AS d
    ON s.platform_id = d.platform_id AND s.session_id = d.session_id;

-- I03, I07 and I08 of the sessions live in the five minutes that end with a minute.
CREATE VIEW v_settled_values_session AS
SELECT indicator, window, '' AS part, 'session' AS scope, platform_id, category, session_id,
    if(isNull(x) OR (indicator = 'I08' AND bottom < 20), NULL, x) AS value, toFloat64(top) AS numerator, toFloat64(bottom) AS denominator,
    toUInt64(if(indicator = 'I08', bottom, 1)) AS n
FROM
(
    SELECT platform_id, category, session_id, f.1 AS indicator, f.2 AS window, f.3 AS x, f.4 AS top, f.5 AS bottom
    FROM
    (
        SELECT platform_id, category, session_id, arrayJoin([
            ('I03', 'session', if(peak = 0, NULL, toFloat64(peak)), peak, 1::Int64),
            ('I07', 'session', if(unique = 0, NULL, 100 * orders / unique), orders, unique),
            ('I08', '15m', if(clicks_15m = 0, NULL, 100 * orders_15m / clicks_15m), orders_15m, clicks_15m)]) AS f
        FROM
        (
        SELECT platform_id, category, session_id,
            max(gauge) AS peak, max(uniques) AS unique, sum(o) AS orders,
            sumIf(o, recent) AS orders_15m, sumIf(c, recent) AS clicks_15m, maxIf(known, fresh) AS live
        FROM
        (
            SELECT platform_id, category, session_id, toInt64(ifNull(viewers, 0)) AS gauge, toInt64(ifNull(unique_viewers, 0)) AS uniques,
                0::Int64 AS o, toInt64(ifNull(clicks, 0)) AS c, toUInt8(viewers IS NOT NULL) AS known,
                event_time >= {at:DateTime('UTC')} - INTERVAL 14 MINUTE AS recent, event_time >= {at:DateTime('UTC')} - INTERVAL 4 MINUTE AS fresh
            FROM v_settled_viewers
            WHERE event_time < {at:DateTime('UTC')} + INTERVAL 1 MINUTE AND event_time >= {at:DateTime('UTC')} - INTERVAL 2 DAY
            UNION ALL
            SELECT platform_id, category, session_id, 0, 0, toInt64(orders), 0, 0,
                event_time >= {at:DateTime('UTC')} - INTERVAL 14 MINUTE, event_time >= {at:DateTime('UTC')} - INTERVAL 4 MINUTE
            FROM v_settled_orders
            WHERE event_time < {at:DateTime('UTC')} + INTERVAL 1 MINUTE AND event_time >= {at:DateTime('UTC')} - INTERVAL 2 DAY
        )
        GROUP BY platform_id, category, session_id
        HAVING live = 1
    )
    )
);

-- What a platform, a category of it, or the city has: every row three times, once for each.
CREATE VIEW v_settled_indicator_values AS
SELECT * FROM v_settled_values_session(at = {at:DateTime('UTC')})
UNION ALL
SELECT 'I03', 'session', 'p50', s.1, s.2, s.3, '',
    arrayElement(arraySort(groupArray(least(if(value > 794328.0, 794328.0, arrayFirst(e -> value <= e, [0.0, 1.0, 2.0, 3.0, 5.0, 8.0, 13.0, 20.0, 32.0, 50.0, 80.0, 126.0, 200.0, 316.0, 500.0, 794.0, 1259.0, 1995.0, 3162.0, 5012.0, 7943.0, 12589.0, 19953.0, 31623.0, 50119.0, 79433.0, 125893.0, 199526.0, 316228.0, 501187.0, 794328.0])), 794328.0))), toUInt32(ceil(count() / 2))),
    0, 0, count()
FROM (SELECT *, arrayJoin([('category', platform_id, category), ('platform', platform_id, ''), ('city', '', '')]) AS s FROM v_settled_values_session(at = {at:DateTime('UTC')}))
WHERE indicator = 'I03' AND value IS NOT NULL
GROUP BY s
UNION ALL
SELECT 'I07', 'session', 'p50', s.1, s.2, s.3, '',
    arrayElement(arraySort(groupArray(least(if(value > 100.0, 100.0, arrayFirst(e -> value <= e, [0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 7.0, 10.0, 15.0, 20.0, 30.0, 50.0, 70.0, 100.0])), 100.0))), toUInt32(ceil(count() / 2))),
    0, 0, count()
FROM (SELECT *, arrayJoin([('category', platform_id, category), ('platform', platform_id, ''), ('city', '', '')]) AS s FROM v_settled_values_session(at = {at:DateTime('UTC')}))
WHERE indicator = 'I07' AND value IS NOT NULL
GROUP BY s
UNION ALL
SELECT 'I08', '15m', '', s.1, s.2, s.3, '', if(sum(clicks_1m) < 20, NULL, 100 * sum(orders_1m) / sum(clicks_1m)),
    toFloat64(sum(orders_1m)), toFloat64(sum(clicks_1m)), toUInt64(sum(clicks_1m))
FROM (SELECT platform_id, category, orders_1m, clicks_1m, arrayJoin([('category', platform_id, category), ('platform', platform_id, ''), ('city', '', '')]) AS s FROM v_settled_minute_session
    WHERE minute > {at:DateTime('UTC')} - INTERVAL 15 MINUTE AND minute <= {at:DateTime('UTC')} AND (orders_1m > 0 OR clicks_1m > 0))
GROUP BY s
UNION ALL
SELECT 'I05', '1d', '', s.1, s.2, s.3, '', sumIf(paid_fen, day = toDate({at:DateTime('UTC')}, 'Asia/Shanghai')) / 100, toFloat64(sumIf(paid_fen, day = toDate({at:DateTime('UTC')}, 'Asia/Shanghai'))), 100, toUInt64(sumIf(orders, day = toDate({at:DateTime('UTC')}, 'Asia/Shanghai')))
FROM (SELECT *, arrayJoin([('category', platform_id, category), ('platform', platform_id, ''), ('city', '', '')]) AS s FROM v_settled_sales(at = {at:DateTime('UTC')}))
GROUP BY s
UNION ALL
SELECT 'I11', '7d', '', s.1, s.2, s.3, '', 10000 * (sumIf(complaints, day > toDate({at:DateTime('UTC')}, 'Asia/Shanghai') - 7) + 1) / (sumIf(orders, day > toDate({at:DateTime('UTC')}, 'Asia/Shanghai') - 7) + 1000),
    toFloat64(sumIf(complaints, day > toDate({at:DateTime('UTC')}, 'Asia/Shanghai') - 7) + 1), toFloat64(sumIf(orders, day > toDate({at:DateTime('UTC')}, 'Asia/Shanghai') - 7) + 1000), toUInt64(sumIf(orders, day > toDate({at:DateTime('UTC')}, 'Asia/Shanghai') - 7))
FROM (SELECT *, arrayJoin([('category', platform_id, category), ('platform', platform_id, ''), ('city', '', '')]) AS s FROM v_settled_sales(at = {at:DateTime('UTC')}))
GROUP BY s
UNION ALL
SELECT 'I12', '24h', '', s.1, s.2, s.3, '',
    if(sum(now) = 0 OR sum(before) = 0 OR sum(some) < 100, NULL,
        arraySum((a, b) -> if(a = 0, 0, a / sum(now) * log2(2 * (a / sum(now)) / (a / sum(now) + b / sum(before))))
            + if(b = 0, 0, b / sum(before) * log2(2 * (b / sum(before)) / (a / sum(now) + b / sum(before)))),
            groupArray(now), groupArray(before)) / 2),
    toFloat64(sum(now)), toFloat64(sum(before)), toUInt64(sum(some))
FROM
(
    SELECT s, category, sumIf(paid_fen, minute >= toStartOfHour({at:DateTime('UTC')}) - INTERVAL 23 HOUR) AS now, sumIf(paid_fen, day < toDate({at:DateTime('UTC')}, 'Asia/Shanghai') AND day >= toDate({at:DateTime('UTC')}, 'Asia/Shanghai') - 28) AS before, sumIf(orders, minute >= toStartOfHour({at:DateTime('UTC')}) - INTERVAL 23 HOUR) AS some
    FROM (SELECT *, arrayJoin([('platform', platform_id, ''), ('city', '', '')]) AS s FROM v_settled_sales(at = {at:DateTime('UTC')}))
    GROUP BY s, category
)
GROUP BY s
UNION ALL
SELECT 'I19', '7d', r.1, s.1, s.2, s.3, '', if(agencies < 3 OR r.3 = 0, NULL, r.4 * r.2 / r.3), r.2, r.3, agencies
FROM
(
    SELECT s, agencies, arrayJoin([('CR10', top, total, 100.), ('HHI', squares, total * total, 10000.)]) AS r
    FROM
    (
    SELECT s, toFloat64(sum(paid)) AS total, toFloat64(arraySum(arraySlice(arrayReverseSort(groupArray(paid)), 1, 10))) AS top,
        sum(toFloat64(paid) * toFloat64(paid)) AS squares, toUInt64(count()) AS agencies
    FROM
    (
        SELECT s, platform_id, mcn_pid, sumIf(paid_fen, mcn_pid != '') AS paid FROM (SELECT *, arrayJoin([('platform', platform_id, ''), ('city', '', '')]) AS s FROM v_settled_sales(at = {at:DateTime('UTC')}))
        WHERE day > toDate({at:DateTime('UTC')}, 'Asia/Shanghai') - 7
        GROUP BY s, platform_id, mcn_pid
    )
    WHERE mcn_pid != '' AND paid > 0
    GROUP BY s
    )
)
UNION ALL
SELECT 'I20', '1d', part, s.1, s.2, s.3, '', if(total = 0 OR some < 1, NULL, 100 * paid / total), toFloat64(paid), toFloat64(total), some
FROM
(
    SELECT s, p.1 AS part, p.2 AS paid, total, some
    FROM
    (
        SELECT s, total, some, arrayJoin(arrayConcat([('night', night)],
            arrayFilter(x -> x.2 > 0, arrayZip(mapKeys(tags), mapValues(tags))))) AS p
        FROM
        (
        SELECT s, sum(paid_fen) AS total, toUInt64(sum(orders)) AS some,
            sumIf(paid_fen, toHour(minute, 'Asia/Shanghai') >= 18 OR toHour(minute, 'Asia/Shanghai') < 2) AS night,
            sumMapIf(map(scenario, paid_fen), scenario != '') AS tags
        FROM (SELECT *, arrayJoin([('platform', platform_id, ''), ('city', '', '')]) AS s FROM v_settled_sales(at = {at:DateTime('UTC')}))
        WHERE day = toDate({at:DateTime('UTC')}, 'Asia/Shanghai')
        GROUP BY s
        )
    )
)
UNION ALL
SELECT 'I10', w.1, '', s.1, s.2, s.3, '', if(w.3 < 20, NULL, 100 * w.2 / w.3), toFloat64(w.2), toFloat64(w.3), toUInt64(w.3)
FROM
(
    SELECT s, arrayJoin([('7d', r7, o7), ('30d', r30, o30)]) AS w
    FROM
    (
        SELECT s, toInt64(sumIf(orders, day > toDate({at:DateTime('UTC')}, 'Asia/Shanghai') - 7)) AS o7, toInt64(sumIf(orders, day > toDate({at:DateTime('UTC')}, 'Asia/Shanghai') - 30)) AS o30,
            toInt64(sumIf(refunds, told AND placed > toDate({at:DateTime('UTC')}, 'Asia/Shanghai') - 7)) AS r7, toInt64(sumIf(refunds, told AND placed > toDate({at:DateTime('UTC')}, 'Asia/Shanghai') - 30)) AS r30
        FROM
        (
            SELECT orders, refunds, arrayJoin([('category', platform_id, category), ('platform', platform_id, ''), ('city', '', '')]) AS s, toDate(event_time, 'Asia/Shanghai') AS day,
                cohort_days IS NOT NULL AND cohort_days <= 30 AS told, day - ifNull(cohort_days, 0) AS placed
            FROM v_settled_orders
            WHERE event_time < {at:DateTime('UTC')} + INTERVAL 1 MINUTE AND event_time >= {at:DateTime('UTC')} - INTERVAL 31 DAY
        )
        GROUP BY s
    )
)
WHERE w.2 > 0
UNION ALL
SELECT 'I18', '7d', '', s.1, s.2, s.3, '', if(due < 20, NULL, 100 * shipped / due), toFloat64(shipped), toFloat64(due), toUInt64(due)
FROM
(
    SELECT arrayJoin([('category', platform_id, category), ('platform', platform_id, ''), ('city', '', '')]) AS s, toInt64(sum(ifNull(due_48h, 0))) AS due, toInt64(sum(ifNull(shipped_48h, 0))) AS shipped
    FROM v_settled_orders
    WHERE event_time < {at:DateTime('UTC')} + INTERVAL 1 MINUTE AND event_time >= {at:DateTime('UTC')} - INTERVAL 8 DAY AND toDate(event_time, 'Asia/Shanghai') > toDate({at:DateTime('UTC')}, 'Asia/Shanghai') - 7
    GROUP BY s
)
WHERE due > 0
UNION ALL
SELECT 'I14', '30d', '', s.1, s.2, s.3, '', if(done < 5, NULL, 100 * fine / done), toFloat64(fine), toFloat64(done), toUInt64(done)
FROM
(
    SELECT arrayJoin([('category', platform_id, category), ('platform', platform_id, ''), ('city', '', '')]) AS s, toInt64(sum(ifNull(closed, 0))) AS done, toInt64(sum(ifNull(resolved, 0))) AS fine
    FROM v_settled_complaints
    WHERE event_time < {at:DateTime('UTC')} + INTERVAL 1 MINUTE AND event_time >= {at:DateTime('UTC')} - INTERVAL 31 DAY AND toDate(event_time, 'Asia/Shanghai') > toDate({at:DateTime('UTC')}, 'Asia/Shanghai') - 30
    GROUP BY s
)
WHERE done > 0
UNION ALL
SELECT 'I13', '7d', q.1, s.1, s.2, s.3, '', if(total < 5, NULL, arrayFirst((e, c) -> c >= q.2 * total, edges, sums) / 60), 0, 0, toUInt64(total)
FROM
(
    SELECT s, arrayJoin([('p50', 0.5), ('p95', 0.95)]) AS q, total, edges, sums
    FROM
    (
        SELECT s, sum(w) AS total, arraySort(groupArray((edge, w))) AS h, h.1 AS edges, arrayCumSum(h.2) AS sums
        FROM
        (
            SELECT arrayJoin([('category', platform_id, category), ('platform', platform_id, ''), ('city', '', '')]) AS s, if(response_minutes > 43200.0, 43200.0, arrayFirst(e -> response_minutes <= e, [5.0, 10.0, 15.0, 30.0, 45.0, 60.0, 90.0, 120.0, 180.0, 240.0, 360.0, 480.0, 720.0, 1440.0, 2880.0, 4320.0, 7200.0, 10080.0, 20160.0, 43200.0])) AS edge, toInt64(sum(ifNull(responded, 0))) AS w
            FROM v_settled_complaints
            WHERE event_time < {at:DateTime('UTC')} + INTERVAL 1 MINUTE AND event_time >= {at:DateTime('UTC')} - INTERVAL 8 DAY AND toDate(event_time, 'Asia/Shanghai') > toDate({at:DateTime('UTC')}, 'Asia/Shanghai') - 7
                AND response_minutes IS NOT NULL
            GROUP BY s, edge
        )
        WHERE w > 0
        GROUP BY s
    )
)
UNION ALL
SELECT 'I16', '1h', 'p95', s.1, s.2, s.3, '', if(total < 20, NULL, arrayFirst((e, c) -> c >= 0.95 * total, edges, sums) / 1000), 0, 0, toUInt64(total)
FROM
(
    SELECT s, sum(w) AS total, arraySort(groupArray((edge, w))) AS h, h.1 AS edges, arrayCumSum(h.2) AS sums
    FROM
    (
        SELECT arrayJoin([('category', platform_id, category), ('platform', platform_id, ''), ('city', '', '')]) AS s, if(latency_ms > 3600000.0, 3600000.0, arrayFirst(e -> latency_ms <= e, [100.0, 200.0, 500.0, 1000.0, 2000.0, 5000.0, 10000.0, 20000.0, 30000.0, 60000.0, 120000.0, 300000.0, 600000.0, 3600000.0])) AS edge, toInt64(sum(reviews)) AS w
        FROM v_settled_reviews
        WHERE event_time < {at:DateTime('UTC')} + INTERVAL 1 MINUTE AND event_time >= toStartOfHour({at:DateTime('UTC')}) AND latency_ms IS NOT NULL
        GROUP BY s, edge
    )
    WHERE w > 0
    GROUP BY s
)
UNION ALL
SELECT 'I15', '5m', '', s.1, s.2, s.3, '', if(live < 5, NULL, 100 * looked / live), toFloat64(looked), toFloat64(live), toUInt64(live)
FROM
(
    SELECT arrayJoin([('category', platform_id, category), ('platform', platform_id, ''), ('city', '', '')]) AS s, toInt64(countIf(shown)) AS live, toInt64(countIf(shown AND reviewed)) AS looked
    FROM
    (
        SELECT platform_id, category, session_id, max(v) AS shown, max(r) AS reviewed
        FROM
        (
            SELECT platform_id, category, session_id, 1 AS v, 0 AS r FROM v_settled_viewers
            WHERE event_time < {at:DateTime('UTC')} + INTERVAL 1 MINUTE AND event_time >= {at:DateTime('UTC')} - INTERVAL 4 MINUTE AND viewers IS NOT NULL
            UNION ALL
            SELECT platform_id, category, session_id, 0, 1 FROM v_settled_reviews
            WHERE event_time < {at:DateTime('UTC')} + INTERVAL 1 MINUTE AND event_time >= {at:DateTime('UTC')} - INTERVAL 4 MINUTE AND reviews > 0
        )
        GROUP BY platform_id, category, session_id
    )
    WHERE platform_id IN (SELECT platform_id FROM v_settled_reviews WHERE event_time < {at:DateTime('UTC')} + INTERVAL 1 MINUTE AND event_time >= {at:DateTime('UTC')} - INTERVAL 2 DAY)
    GROUP BY s
)
WHERE live > 0
UNION ALL
SELECT 'I17', '1d', '', s.1, s.2, s.3, '', if(told < 5, NULL, 100 * sure / told), toFloat64(sure), toFloat64(told), toUInt64(told)
FROM
(
    SELECT arrayJoin([('category', platform_id, category), ('platform', platform_id, ''), ('city', '', '')]) AS s, toInt64(count()) AS told, toInt64(countIf(streamer_certified)) AS sure
    FROM v_sessions
    WHERE first_seen < {at:DateTime('UTC')} + INTERVAL 1 MINUTE AND toDate(first_seen, 'Asia/Shanghai') = toDate({at:DateTime('UTC')}, 'Asia/Shanghai') AND streamer_certified IS NOT NULL
    GROUP BY s
);

ALTER TABLE indicator_values MODIFY COMMENT 'PROVISIONAL figures: rows that were on time, nothing corrected; settled: v_settled_indicator_values';
