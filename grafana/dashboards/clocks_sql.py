"""SQL over how complaints are handled: first answers and closures, as platforms told them."""

from __future__ import annotations

from typing import Final

from grafana.dashboards.complaints_sql import FILED

_TOLD: Final = "response_minutes IS NOT NULL AND responded > 0"


def _quantile(share: str) -> str:
    """Of the hours to the first answer, each complaint once; null where none was told."""
    return (
        f"quantileExactWeightedIfOrNull({share})"
        f"(assumeNotNull(response_minutes), assumeNotNull(responded), {_TOLD}) / 60"
    )


#: I13 and I14 over the range; null where no platform told.
HANDLED: Final = f"""SELECT
    {_quantile("0.5")} AS p50_h,
    {_quantile("0.95")} AS p95_h,
    sum(resolved) / nullIf(sum(closed), 0) AS resolved_share
{FILED}"""

RESPONSE: Final = f"""SELECT $__timeInterval(event_time) AS time, platform_id,
    quantileExactWeighted(0.95)(assumeNotNull(response_minutes), assumeNotNull(responded)) / 60
        AS value
{FILED}
  AND {_TOLD}
GROUP BY time, platform_id
ORDER BY time, platform_id"""

BY_PLATFORM: Final = f"""SELECT platform_id, sum(complaints) AS complaints,
    sum(responded) AS answered, sum(closed) AS closed_complaints,
    sum(resolved) AS resolved_complaints,
    sum(resolved) / nullIf(sum(closed), 0) AS resolved_share,
    {_quantile("0.5")} AS p50_h,
    {_quantile("0.95")} AS p95_h
{FILED}
GROUP BY platform_id
ORDER BY complaints DESC, platform_id"""
