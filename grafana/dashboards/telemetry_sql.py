"""SQL over completeness: what came, what is missing, who has fallen silent."""

# ruff: noqa: S608 - SQL assembled from constants of this package; nothing a user typed gets here

from __future__ import annotations

from typing import Final

from grafana.dashboards.sql import CLOSED, PLATFORM, TIME, cells, indent
from grafana.dashboards.steps_sql import BY_HOUR
from grafana.dashboards.steps_sql import cells as all_cells

_LANE: Final = "platform_id, source, topic, kafka_partition, epoch"
_LATELY: Final = "toStartOfHour($__toTime - INTERVAL 1 HOUR)"


def _totals(condition: str) -> str:
    return f"""SELECT {_LANE}, minute, batches, gaps, rows, late_rows, refused, duplicates,
    watermark
FROM v_completeness
WHERE {condition}
  AND {PLATFORM}"""


# The newest totals of a day are in the last hour or two, save those of lanes that were silent in
# the whole hour before: only of these is the day read.
_DAY: Final = f"""{_totals(f"minute >= {_LATELY} AND minute <= $__toTime")}
UNION ALL
{_totals(f"minute >= $__toTime - INTERVAL 1 DAY AND minute < {_LATELY}")}
  AND ({_LANE}) IN (
    SELECT {_LANE}
    FROM v_completeness_lanes
    WHERE hour >= toStartOfHour($__toTime - INTERVAL 1 DAY) AND hour <= $__toTime
    GROUP BY {_LANE}
    HAVING countIf(hour = {_LATELY}) = 0
  )"""

# Running totals: the newest of each partition and epoch, then summed. Looks a day back from
# the end of the range, not only into it, so that a source gone silent stays in the list.
SOURCES: Final = f"""SELECT platform_id, source,
    multiIf(complete_to < max(complete_to) OVER () - INTERVAL 5 MINUTE, 'silent',
        gaps > 0, 'gaps', 'complete') AS status,
    batches / nullIf(batches + gaps, 0) AS received,
    gaps, rows, late_rows, refused, duplicates, complete_to
FROM (
    SELECT platform_id, source,
        sum(l_batches) AS batches, sum(l_gaps) AS gaps, sum(l_rows) AS rows,
        sum(l_late) AS late_rows, sum(l_refused) AS refused, sum(l_duplicates) AS duplicates,
        min(l_watermark) AS complete_to
    FROM (
        SELECT platform_id, source, topic, kafka_partition,
            sum(e_batches) AS l_batches, sum(e_gaps) AS l_gaps, sum(e_rows) AS l_rows,
            sum(e_late) AS l_late, sum(e_refused) AS l_refused,
            sum(e_duplicates) AS l_duplicates, max(e_watermark) AS l_watermark
        FROM (
            SELECT platform_id, source, topic, kafka_partition, epoch,
                argMax(batches, minute) AS e_batches, argMax(gaps, minute) AS e_gaps,
                argMax(rows, minute) AS e_rows, argMax(late_rows, minute) AS e_late,
                argMax(refused, minute) AS e_refused,
                argMax(duplicates, minute) AS e_duplicates,
                argMax(watermark, minute) AS e_watermark
            FROM (
{indent(_DAY, 16)}
            )
            GROUP BY platform_id, source, topic, kafka_partition, epoch
        )
        GROUP BY platform_id, source, topic, kafka_partition
    )
    GROUP BY platform_id, source
)
ORDER BY status = 'complete', platform_id, source"""

#: 0 complete, 1 batches missing, 2 silent for five minutes or more; no row: nothing known.
STATES: Final = f"""SELECT $__timeInterval(minute) AS time, source,
    if(max(behind_s) >= 300, 2, if(max(missing) > 0, 1, 0)) AS value
FROM (
    SELECT minute, concat(platform_id, ' ', source) AS source,
        gaps AS missing, dateDiff('second', watermark, minute + INTERVAL 1 MINUTE) AS behind_s
    FROM v_completeness_source
    WHERE $__timeFilter(minute)
      AND {PLATFORM}
)
GROUP BY time, source
ORDER BY time, source"""

_SEEN: Final = "told open seen_1m expected_1m"
COMPLETENESS: Final = f"""SELECT time, platform_id, sum(seen) / nullIf(sum(due), 0) AS value
FROM (
    SELECT {TIME} AS time, platform_id, seen_1m AS seen, expected_1m AS due
    FROM {indent(all_cells(_SEEN)).lstrip()}
    WHERE {CLOSED}
      AND {PLATFORM}
)
GROUP BY time, platform_id
ORDER BY time, platform_id"""

LAG: Final = f"""SELECT {TIME} AS time, platform_id, max(lag_ms) / 1000 AS value
{cells("told open lag_ms")} AND {CLOSED}
GROUP BY time, platform_id
ORDER BY time, platform_id"""

HEAT: Final = f"""SELECT {TIME} AS time, platform_id AS name,
    sum(seen_1m) / nullIf(sum(expected_1m), 0) AS value
FROM {all_cells(_SEEN)}
WHERE {CLOSED}
  AND {PLATFORM}
GROUP BY time, platform_id
ORDER BY time, platform_id"""


_BEGIN: Final = "toStartOfFiveMinutes($__fromTime)"
_END: Final = "toStartOfFiveMinutes($__toTime) + INTERVAL 5 MINUTE"
_SPANS: Final = f"""FROM v_completeness_5m
WHERE span >= {_BEGIN} AND span < {_END}
  AND {PLATFORM}"""


def rate(share: str) -> str:
    """A share of the telemetry by platform, worst source first to speak for it."""
    return f"""SELECT toStartOfInterval(span, INTERVAL greatest($__interval_s, 300) second) AS time,
    platform_id, max({share}) AS value
{_SPANS}
GROUP BY time, platform_id
ORDER BY time, platform_id"""


SKEW: Final = f"""SELECT platform_id, source, skew_low_s, skew_high_s
FROM (
    SELECT platform_id, source, min(skew_low_ms) / 1000 AS skew_low_s,
        max(skew_high_ms) / 1000 AS skew_high_s
    FROM v_completeness_source
    WHERE $__timeFilter(minute)
      AND {PLATFORM}
    GROUP BY platform_id, source
)
ORDER BY greatest(abs(skew_low_s), abs(skew_high_s)) DESC, platform_id, source
LIMIT 20"""

#: Every figure over the range: the numbers that a regulator answers for.
QUALITY: Final = f"""SELECT
    sum(seen_1m) / nullIf(sum(expected_1m), 0) AS completeness,
    quantileExactOrNullArray(0.95)(lags) / 1000 AS lag_s
{cells(f"{_SEEN} lags", BY_HOUR)} AND {CLOSED}"""

LOST: Final = f"""SELECT sum(gaps) / nullIf(sum(batches) + sum(gaps), 0) AS gap_share,
    sum(late_rows) / nullIf(sum(rows), 0) AS late_share,
    sum(refused) / nullIf(sum(rows) + sum(refused), 0) AS refused_share,
    sum(duplicates) / nullIf(sum(batches) + sum(duplicates), 0) AS duplicate_share
{_SPANS}"""

#: Alerts a day over the range against the budget (raised 10, critical 1). Every alert counts:
#: without appeals nobody knows which were false, so this is an upper bound of the false rate.
BUDGET: Final = f"""WITH (
    SELECT 1 FROM v_indicators_cell WHERE $__timeFilter(minute) LIMIT 1
) AS heard,
greatest(dateDiff('second', $__fromTime, $__toTime) / 86400, 1) AS days
SELECT
    if(heard = 1, countIf(grade_rank >= 2) / days, NULL) AS raised_per_day,
    if(heard = 1, countIf(grade_rank >= 3) / days, NULL) AS critical_per_day,
    if(heard = 1, countIf(grade_rank >= 1) / days, NULL) AS watch_per_day
FROM v_flag_keys
WHERE rule = 'F01' AND onset >= $__toTime - toIntervalSecond(days * 86400) AND onset <= $__toTime
  AND {PLATFORM}"""

DAILY: Final = f"""SELECT toStartOfInterval(onset, INTERVAL 1 DAY, 'Asia/Shanghai') AS day, grade,
    count() AS flags, countIf(muted = 1) AS muted_flags,
    avg(dateDiff('millisecond', onset, opened_event_time)) / 60000 AS minutes_to_flag
FROM v_flags
WHERE rule = 'F01' AND onset >= $__toTime - INTERVAL 30 DAY AND onset <= $__toTime
  AND {PLATFORM}
GROUP BY day, grade
ORDER BY day DESC, grade
LIMIT 60"""
