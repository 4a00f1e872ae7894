"""SQL that several panels share.

Conventions the screen and the tests rely on: the time column is called `time`; a figure
has its own name where every cell of the minute is closed, and `provisional` (or the name
with `_provisional`) where at least one is still open. The provisional part starts at the
last closed point, so that its dashed line joins on.
"""

# ruff: noqa: S608 - SQL assembled from constants of this module; nothing a user typed gets here

from __future__ import annotations

from typing import Final

# $__conditionalAll is the plugin's front-end macro: the condition, or 1=1 when "All" is chosen.
PLATFORM: Final = "$__conditionalAll(platform_id IN (${platform:singlequote}), $platform)"
CATEGORY: Final = "$__conditionalAll(category IN (${category:singlequote}), $category)"
DISTRICT: Final = "$__conditionalAll(district IN (${district:singlequote}), $district)"

CELLS: Final = f"""FROM v_indicators_cell
WHERE $__timeFilter(minute)
  AND {PLATFORM}
  AND {CATEGORY}
  AND {DISTRICT}"""


def indent(sql: str, by: int = 4) -> str:
    pad = " " * by
    return "\n".join(pad + line for line in sql.splitlines())


def by_platform(value: str) -> str:
    """One line a platform: `value` is an aggregate over the cells of a platform's minute."""
    per_minute = f"""SELECT minute, platform_id, min(closed) AS all_closed, {value} AS v
{CELLS}
GROUP BY minute, platform_id"""
    return f"""SELECT time, platform_id,
    if(is_closed = 1, v_avg, NULL) AS value,
    if(is_closed = 0 OR next_closed = 0, v_avg, NULL) AS provisional
FROM (
    SELECT time, platform_id, v_avg, is_closed,
        leadInFrame(is_closed, 1, 1) OVER (
            PARTITION BY platform_id ORDER BY time
            ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
        ) AS next_closed
    FROM (
        SELECT $__timeInterval(minute) AS time, platform_id,
            avg(v) AS v_avg, min(all_closed) AS is_closed
        FROM (
{indent(per_minute, 12)}
        )
        GROUP BY time, platform_id
    )
)
ORDER BY time, platform_id"""


#: name -> aggregate over all cells of one minute
CITY_FIGURES: Final[dict[str, str]] = {
    "sessions": "sum(active_1m)",
    "viewers": "sum(viewers_1m)",
    "orders_per_min": "sum(orders_1m)",
    "gmv_yuan": "sum(paid_fen_5m) / 100",
    "complaints_per_10000": "10000 * (sum(complaints_60m) + 1) / (sum(orders_60m) + 1000)",
    "completeness": "if(sum(expected_5m) = 0, NULL, sum(seen_5m) / sum(expected_5m))",
}


def city() -> str:
    """All city figures by time. The stat panels share this text, so it runs once for all."""
    inner = ",\n    ".join(f"{expr} AS {name}_v" for name, expr in CITY_FIGURES.items())
    outer = ",\n    ".join(
        f"argMaxOrNullIf({name}_v, minute, all_closed = 1) AS {name},\n    "
        f"argMaxOrNullIf({name}_v, minute, all_closed = 0) AS {name}_provisional"
        for name in CITY_FIGURES
    )
    per_minute = f"""SELECT minute, min(closed) AS all_closed,
    {inner}
{CELLS}
GROUP BY minute"""
    return f"""SELECT $__timeInterval(minute) AS time,
    {outer}
FROM (
{indent(per_minute)}
)
GROUP BY time
ORDER BY time"""


AS_OF: Final = f"""SELECT
    maxOrNullIf(minute, all_closed = 1) AS closed_minute,
    maxOrNull(minute) AS latest_minute
FROM (
    SELECT minute, min(closed) AS all_closed
{indent(CELLS)}
    GROUP BY minute
)"""

# Flags know no district; a platform-level flag has no category and shows under every one.
_FLAG_FILTER: Final = f"""{PLATFORM}
  AND (category = '' OR {CATEGORY})"""

# Where no telemetry came there is nothing to judge: the number of flags is unknown, not zero.
OPEN_FLAGS: Final = f"""WITH (
    SELECT 1 FROM v_indicators_cell WHERE $__timeFilter(minute) LIMIT 1
) AS heard
SELECT
    if(heard = 1, countIf(grade = 'critical'), NULL) AS critical,
    if(heard = 1, countIf(grade = 'raised'), NULL) AS raised,
    if(heard = 1, countIf(grade = 'watch'), NULL) AS watch
FROM v_flags
WHERE state = 'open' AND onset <= $__toTime
  AND {_FLAG_FILTER}"""


def flags(sentence: str) -> str:
    """Flags that began in the range or are still open, the gravest open ones first."""
    return f"""SELECT grade, state, onset, platform_id, entity_type, entity, observed, expected,
    {sentence} AS sentence, flag_id
FROM v_flags
WHERE onset <= $__toTime AND (state = 'open' OR onset >= $__fromTime)
  AND {_FLAG_FILTER}
ORDER BY state = 'open' DESC, grade_rank DESC, onset DESC, flag_id
LIMIT 100"""


WORST_CELLS: Final = f"""SELECT platform_id, category, district,
    sum(complaints_1m) AS complaints,
    sum(orders_1m) AS orders,
    10000 * (sum(complaints_1m) + 1) / (sum(orders_1m) + 1000) AS per_10000
{CELLS}
GROUP BY platform_id, category, district
HAVING complaints > 0
ORDER BY complaints DESC, per_10000 DESC, platform_id, category, district
LIMIT 12"""

# Running totals: the newest of each partition and epoch, then summed. Looks a day back from
# the end of the range, not only into it, so that a source gone silent stays in the list.
COMPLETENESS: Final = f"""SELECT platform_id, source,
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
            FROM v_completeness
            WHERE minute >= $__toTime - INTERVAL 1 DAY AND minute <= $__toTime
              AND {PLATFORM}
            GROUP BY platform_id, source, topic, kafka_partition, epoch
        )
        GROUP BY platform_id, source, topic, kafka_partition
    )
    GROUP BY platform_id, source
)
ORDER BY status = 'complete', platform_id, source"""
