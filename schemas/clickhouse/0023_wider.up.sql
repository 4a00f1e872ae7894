-- Of a session's flag the one of its merchant, else of its cell, under the same rule and open at the same time. Both are
-- decided by other processes than the session's own, so the stream cannot name it. Of several the one that began last.
CREATE VIEW v_flag_wider AS
SELECT s.flag_id AS flag_id, argMax(w.flag_id, (w.type = 'merchant', w.since, w.flag_id)) AS wider_id
FROM
(
    SELECT f.flag_id AS flag_id, f.rule AS rule, f.platform AS platform, f.since AS since, f.until AS until,
        arrayJoin([('merchant', d.merchant_pid), ('cell', concat(f.platform, '/', d.category, '/', d.district))]) AS above
    FROM
    (
        SELECT flag_id, any(rule) AS rule, any(platform_id) AS platform, any(entity) AS session, min(onset) AS since,
            if(countIf(event IN ('cleared', 'ended')) > 0, maxIf(event_time, event IN ('cleared', 'ended')),
                toDateTime64('2100-01-01 00:00:00', 3, 'UTC')) AS until
        FROM flag_events
        WHERE entity_type = 'session'
        GROUP BY flag_id
    ) AS f
    INNER JOIN
    (
        SELECT platform_id, session_id, merchant_pid, category, district FROM v_sessions
        WHERE session_id IN (SELECT entity FROM flag_events WHERE entity_type = 'session')
    ) AS d ON d.platform_id = f.platform AND d.session_id = f.session
) AS s
INNER JOIN
(
    SELECT flag_id, any(rule) AS rule, any(platform_id) AS platform, any(entity_type) AS type, any(entity) AS entity,
        min(onset) AS since,
        if(countIf(event IN ('cleared', 'ended')) > 0, maxIf(event_time, event IN ('cleared', 'ended')),
            toDateTime64('2100-01-01 00:00:00', 3, 'UTC')) AS until
    FROM flag_events
    WHERE entity_type IN ('merchant', 'cell')
    GROUP BY flag_id
) AS w ON w.rule = s.rule AND w.platform = s.platform AND w.type = s.above.1 AND w.entity = s.above.2
WHERE w.since <= s.until AND s.since <= w.until
GROUP BY s.flag_id;
