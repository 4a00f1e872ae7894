-- I21 from the ledger: of the appeals decided in 30 Shanghai days up to a day, that day included, the share that
-- overturned the flag. A decision is written once and never changed, so a day that is over has its final figure.
CREATE VIEW v_ledger_appeals AS
SELECT day, 'I21' AS indicator, '30d' AS window, s.1 AS scope, s.2 AS platform_id, s.3 AS category,
    if(count() < 5, NULL, 100 * countIf(overturned) / count()) AS value,
    toFloat64(countIf(overturned)) AS numerator, toFloat64(count()) AS denominator, count() AS n
FROM
(
    SELECT arrayJoin(arrayMap(i -> decided + i, range(30))) AS day, overturned,
        arrayJoin([('category', platform, goods), ('platform', platform, ''), ('city', '', '')]) AS s
    FROM
    (
        SELECT flag_id,
            anyIf(JSONExtractString(details, 'platform_id'), kind = 'opened') AS platform,
            anyIf(JSONExtractString(details, 'category'), kind = 'opened') AS goods,
            toDate(minIf(at, kind IN ('upheld', 'overturned', 'corrected')), 'Asia/Shanghai') AS decided,
            countIf(kind = 'overturned') > 0 AS overturned
        FROM (SELECT * FROM ledger FINAL)
        GROUP BY flag_id
        HAVING countIf(kind = 'opened') > 0 AND countIf(kind IN ('upheld', 'overturned', 'corrected')) > 0
    )
)
-- A flag of a whole platform has no category, one of the city no platform.
WHERE day <= toDate(now('UTC'), 'Asia/Shanghai') AND (scope = 'city' OR platform_id != '')
    AND (scope != 'category' OR category != '')
GROUP BY day, s;
