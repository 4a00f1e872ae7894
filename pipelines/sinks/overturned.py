"""Which incidents of merchants were overturned: they leave the count of repeat offences (F12).

An incident is a rule on a merchant or one of its sessions on a day of Shanghai
(`core/offences.py`). It is overturned when each of its flags of grade raised or above is.
"""

from __future__ import annotations

from pipelines.core.offences import NO_OFFENCE, Incident
from pipelines.sinks.warehouse import Warehouse

DAYS = 31
OVERTURNED = (
    "SELECT DISTINCT flag_id FROM ledger WHERE kind = 'overturned' "
    "AND at >= now64() - INTERVAL 400 DAY"
)
HELD = (
    "SELECT DISTINCT flag_id FROM ledger WHERE kind = 'held' "
    "AND position(entry_id, ':parent:') > 0 AND at >= now64() - INTERVAL 400 DAY "
    "AND flag_id NOT IN (SELECT flag_id FROM ledger WHERE kind = 'level')"
)
"""Flags of which another was told in their stead: nobody decides on them."""
INCIDENTS = """
SELECT rule, toInt64(day), platform_id, merchant
FROM
(
    SELECT f.flag_id AS flag_id, f.rule AS rule, f.platform_id AS platform_id,
        toDate(f.onset, 'Asia/Shanghai') AS day,
        if(f.entity_type = 'merchant', f.entity, s.merchant_pid) AS merchant
    FROM
    (
        SELECT DISTINCT flag_id, rule, platform_id, onset, entity_type, entity FROM flag_events
        WHERE onset >= (SELECT max(onset) FROM flag_events) - INTERVAL %(days)s DAY
            AND grade IN ('raised', 'critical') AND event IN ('opened', 'escalated')
            AND (parent_id = ''
                OR entity_type = 'merchant' AND startsWith(parent_id, 'F01:session/'))
            AND flag_id NOT IN %(held)s AND rule NOT IN %(none)s
            AND entity_type IN ('session', 'merchant')
    ) AS f
    LEFT JOIN
    (
        SELECT platform_id, session_id, merchant_pid FROM v_sessions
        WHERE session_id IN (SELECT entity FROM flag_events
            WHERE onset >= (SELECT max(onset) FROM flag_events) - INTERVAL %(days)s DAY
                AND entity_type = 'session')
    ) AS s ON s.platform_id = f.platform_id AND s.session_id = f.entity
)
WHERE merchant != ''
GROUP BY rule, day, platform_id, merchant
HAVING countIf(flag_id NOT IN %(ids)s) = 0
"""
"""In event time: a city may run ahead of or behind the clock of the ledger."""


async def overturned(warehouse: Warehouse) -> frozenset[Incident]:
    """Of the last 31 days in which there were flags. Waits for ClickHouse."""
    ids = [str(row[0]) for row in await warehouse.query(OVERTURNED, {})]
    if not ids:
        return frozenset()
    held = ["", *(str(row[0]) for row in await warehouse.query(HELD, {}))]
    bound = {"ids": ids, "held": held, "days": DAYS, "none": sorted(NO_OFFENCE)}
    rows = await warehouse.query(INCIDENTS, bound)
    return frozenset(Incident(str(r), int(d), str(p), str(m)) for r, d, p, m in rows)
