"""SQL over complaints as they were filed: by code, channel, merchant."""

# ruff: noqa: S608 - SQL assembled from constants of this package; nothing a user typed gets here

from __future__ import annotations

from typing import Final

from grafana.dashboards.sql import WHO, cells, named
from grafana.dashboards.steps_sql import BY_HOUR
from grafana.dashboards.text import Lang
from schemas import codes

CODE: Final = "$__conditionalAll(code IN (${code:singlequote}), $code)"
CHANNEL: Final = "$__conditionalAll(channel IN (${channel:singlequote}), $channel)"
ANY_FILED: Final = f"FROM v_complaints\nWHERE $__timeFilter(event_time)\n  AND {WHO}"
#: The same on dashboards that have the variables code and channel.
FILED: Final = f"{ANY_FILED}\n  AND {CODE}\n  AND {CHANNEL}"

#: Unknown, not zero, where no telemetry came.
SUMMARY: Final = f"""SELECT
    if(c.orders IS NULL, NULL, f.n) AS complaints,
    if(c.orders IS NULL, NULL, f.public / nullIf(f.n, 0)) AS public_share,
    if(c.orders IS NULL, NULL, f.safety) AS safety,
    10000 * (f.n + 1) / (c.orders + 1000) AS per_10000
FROM (
    SELECT sum(complaints) AS n, sumIf(complaints, channel != 'platform') AS public,
        sumIf(complaints, startsWith(code, 'C06')) AS safety
    {FILED}
) AS f,
(
    SELECT if(count() = 0, NULL, sum(orders_1m)) AS orders
    {cells("orders_1m", BY_HOUR)}
) AS c"""


def bars(by: str, lang: Lang) -> str:
    """Complaints of the range by code or channel, the most frequent first."""
    return f"""SELECT {_words(by, lang)} AS name, sum(complaints) AS value
{FILED}
GROUP BY {by}
ORDER BY value DESC, {by}
LIMIT 24"""


def over_time(by: str, lang: Lang) -> str:
    return f"""SELECT $__timeInterval(event_time) AS time, {_words(by, lang)} AS name,
    sum(complaints) AS value
{FILED}
GROUP BY time, {by}
ORDER BY time, {by}"""


def _words(by: str, lang: Lang) -> str:
    lists = {"code": codes.COMPLAINTS, "channel": codes.CHANNELS, "category": codes.CATEGORIES}
    return named(by, lists[by], lang)


def by_merchant(lang: Lang, filed: str) -> str:
    """Merchants with the most complaints of the range, and what most of theirs are about."""
    return f"""SELECT platform_id, merchant_pid, any(category) AS category,
    sum(n) AS complaints, count() AS codes,
    {named("argMax(code, (n, code))", codes.COMPLAINTS, lang)} AS most,
    max(last_time) AS last_filed, argMax(last_session, (n, code)) AS session_id
FROM (
    SELECT platform_id, merchant_pid, any(category) AS category, code, sum(complaints) AS n,
        max(event_time) AS last_time, argMax(session_id, event_time) AS last_session
    {filed}
    GROUP BY platform_id, merchant_pid, code
)
GROUP BY platform_id, merchant_pid
ORDER BY complaints DESC, platform_id, merchant_pid
LIMIT 50"""


WORST_CELLS: Final = f"""SELECT platform_id, category, district,
    sum(complaints_1m) AS complaints,
    sum(orders_1m) AS orders,
    10000 * (sum(complaints_1m) + 1) / (sum(orders_1m) + 1000) AS per_10000
{cells("orders_1m complaints_1m", BY_HOUR)}
GROUP BY platform_id, category, district
HAVING complaints > 0
ORDER BY complaints DESC, per_10000 DESC, platform_id, category, district
LIMIT 12"""
