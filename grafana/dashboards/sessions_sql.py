"""SQL over single sessions, bases and scenarios."""

# ruff: noqa: S608 - SQL assembled from constants of this package; nothing a user typed gets here

from __future__ import annotations

from typing import Final

from grafana.dashboards.sql import CLOSED, TIME, WHO, ZONE, cells, indent, named
from grafana.dashboards.steps_sql import BY_HOUR, newest, sessions
from grafana.dashboards.steps_sql import cells as all_cells
from grafana.dashboards.text import Lang
from pipelines.core.catalog import NIGHT_HOURS
from schemas import codes

SESSION: Final = "session_id = ${session:singlequote}"
_SUMS: Final = "peak orders_1m paid_fen_1m complaints_1m"
# The sessions that a tag picks: the dimensions are of the session, not of its minutes.
_PICKED: Final = """INNER JOIN (
    SELECT session_id, {tag} AS tag FROM v_sessions WHERE {tag} != '' AND {chosen}{of}
) AS s ON i.session_id = s.session_id"""
# Each session over the range. Folded before the join: few sessions have many minutes.
_SESSIONS: Final = f"""FROM (
    SELECT session_id, max(s.peak) AS peak, sum(orders_1m) AS orders,
        sum(paid_fen_1m) AS paid_fen, sum(complaints_1m) AS complaints
    FROM {indent(sessions(_SUMS, BY_HOUR)).lstrip()} AS s
    WHERE {indent(WHO).lstrip()}
    GROUP BY session_id
) AS i"""
# Where minutes are joined: a table of these sessions, not of 90 days, to look each minute up in.
_OF_RANGE: Final = f""" AND session_id IN (
        SELECT session_id FROM {indent(sessions("", BY_HOUR), 8).lstrip()}
        WHERE {indent(WHO, 8).lstrip()}
    )"""

BASE_CHOSEN: Final = "$__conditionalAll(base_id IN (${base:singlequote}), $base)"
SCENARIO_CHOSEN: Final = "$__conditionalAll(scenario IN (${scenario:singlequote}), $scenario)"


def _picked(tag: str, of: str = "") -> str:
    chosen = {"base_id": BASE_CHOSEN, "scenario": SCENARIO_CHOSEN}[tag]
    return _PICKED.format(tag=tag, chosen=chosen, of=of)


def _words(tag: str, lang: Lang) -> str:
    return named("tag", codes.SCENARIOS, lang) if tag == "scenario" else "tag"


def tag_table(tag: str) -> str:
    """Each base or scenario over the range."""
    return f"""SELECT tag, uniqExact(i.session_id) AS sessions,
    max(i.peak) AS peak_viewers,
    sum(i.orders) AS orders, sum(i.paid_fen) / 100 AS gmv_yuan,
    sum(i.complaints) AS complaints,
    10000 * (sum(i.complaints) + 1) / (sum(i.orders) + 1000) AS per_10000
{_SESSIONS}
{_picked(tag)}
GROUP BY tag
ORDER BY gmv_yuan DESC, tag
LIMIT 40"""


def tag_lines(tag: str, figure: str, lang: Lang) -> str:
    """A line a base or scenario, the mean of its minutes in each step; the eight largest.

    `figure`: a column of session_hours, summed. Minutes are read once: which lines are the
    largest is told from the sums by point.
    """
    return f"""SELECT time, {_words(tag, lang)} AS name, v AS value
FROM (
    SELECT {TIME} AS time, tag, sum(n) / sum(minutes) AS v
    FROM (
        SELECT *, dense_rank() OVER (ORDER BY total DESC, tag) AS place
        FROM (
            SELECT *, sum(n) OVER (PARTITION BY tag) AS total
            FROM (
                SELECT i.point AS point, tag, sum(i.{figure}) AS n,
                    bitCount(groupBitOr(i.told)) AS minutes
                FROM {indent(sessions(f"told {figure}"), 16).lstrip()} AS i
{indent(_picked(tag, _OF_RANGE), 16)}
                WHERE {indent(WHO, 16).lstrip()}
                GROUP BY point, tag
            )
        )
    )
    WHERE place <= 8
    GROUP BY time, tag
)
ORDER BY time, name"""


def tag_bars(tag: str, lang: Lang) -> str:
    """GMV of the twelve bases or scenarios with the most."""
    return f"""SELECT {_words(tag, lang)} AS name, sum(i.paid_fen) / 100 AS value
{_SESSIONS}
{_picked(tag)}
GROUP BY tag
HAVING value > 0
ORDER BY value DESC, tag
LIMIT 12"""


_DUSK, _DAWN = NIGHT_HOURS
_IS_NIGHT: Final = f"(toHour(minute, {ZONE}) >= {_DUSK} OR toHour(minute, {ZONE}) < {_DAWN})"
#: I20 of the range: the night's share of GMV and orders.
NIGHT: Final = f"""SELECT
    sumIf(paid_fen_1m, night) / nullIf(sum(paid_fen_1m), 0) AS night_gmv,
    sumIf(orders_1m, night) / nullIf(sum(orders_1m), 0) AS night_orders
FROM (
    SELECT paid_fen_1m, orders_1m, {_IS_NIGHT} AS night
{indent(cells("orders_1m paid_fen_1m", BY_HOUR))}
)"""

#: Sessions of the newest closed minute, the most watched first.
NOW: Final = f"""SELECT session_id, platform_id, category, district, viewers_1m AS viewers,
    orders_60m AS orders, paid_fen_60m / 100 AS gmv_yuan, complaints_60m AS complaints
FROM v_indicators_session
WHERE minute = (
    SELECT max(toStartOfHour(minute) + {newest("bitAnd(told, bitNot(open))")})
    FROM {indent(all_cells("told open", BY_HOUR)).lstrip()} WHERE {CLOSED}
  )
  AND {WHO}
ORDER BY viewers DESC, session_id
LIMIT 50"""

DIMENSIONS: Final = f"""SELECT platform_id, category, district, scenario, base_id,
    merchant_pid, streamer_pid, mcn_pid, room_pid, first_seen
FROM v_sessions
WHERE {SESSION}"""

#: The session's own samples, as the platform sent them; unknown viewers are gaps.
SAMPLES: Final = f"""SELECT $__timeInterval(event_time) AS time,
    avg(viewers) AS value, max(unique_viewers) AS unique_so_far
FROM v_viewers
WHERE $__timeFilter(event_time)
  AND {SESSION}
GROUP BY time
ORDER BY time"""

REACTIONS: Final = f"""SELECT $__timeInterval(event_time) AS time,
    sum(clicks) AS product_clicks, sum(interactions) AS all_interactions
FROM v_viewers
WHERE $__timeFilter(event_time)
  AND {SESSION}
GROUP BY time
ORDER BY time"""

SALES: Final = f"""SELECT $__timeInterval(event_time) AS time,
    sum(orders) AS paid_orders, sum(refunds) AS refunded_orders
FROM v_orders
WHERE $__timeFilter(event_time)
  AND {SESSION}
GROUP BY time
ORDER BY time"""

MONEY: Final = f"""SELECT $__timeInterval(event_time) AS time,
    sum(paid_fen) / 100 AS paid_yuan, sum(refunded_fen) / 100 AS refunded_yuan
FROM v_orders
WHERE $__timeFilter(event_time)
  AND {SESSION}
GROUP BY time
ORDER BY time"""

#: The figures of the session over the range: I03, orders, money, I07, complaints.
SUMMARY: Final = f"""SELECT
    v.peak AS peak_viewers, v.people AS unique_viewers,
    o.n AS orders, o.paid / 100 AS gmv_yuan,
    o.n / nullIf(v.people, 0) AS conversion,
    o.refunded / nullIf(o.n, 0) AS refund_share,
    c.n AS complaints
FROM (
    SELECT maxOrNull(viewers) AS peak, maxOrNull(unique_viewers) AS people
    FROM v_viewers WHERE $__timeFilter(event_time) AND {SESSION}
) AS v,
(
    SELECT if(count() = 0, NULL, sum(orders)) AS n, if(count() = 0, NULL, sum(paid_fen)) AS paid,
        sum(refunds) AS refunded
    FROM v_orders WHERE $__timeFilter(event_time) AND {SESSION}
) AS o,
(
    SELECT sum(complaints) AS n
    FROM v_complaints WHERE $__timeFilter(event_time) AND {SESSION}
) AS c"""


def heard(lang: Lang) -> str:
    viewers, orders = ("观看", "订单") if lang == "zh" else ("Viewers", "Orders")
    # 0 a sample came on time, 1 it came late, 2 viewers unknown; no row: nothing came at all.
    return f"""SELECT $__timeInterval(event_time) AS time, topic AS name, max(state) AS value
FROM (
    SELECT event_time, '{viewers}' AS topic, if(late = 1, 1, if(viewers IS NULL, 2, 0)) AS state
    FROM v_viewers WHERE $__timeFilter(event_time) AND {SESSION}
    UNION ALL
    SELECT event_time, '{orders}' AS topic, toUInt8(late = 1) AS state
    FROM v_orders WHERE $__timeFilter(event_time) AND {SESSION}
)
GROUP BY time, name
ORDER BY time, name"""


#: Each complaint row with its identity in Kafka: evidence that can be traced to a batch.
EVIDENCE: Final = f"""SELECT event_time, code, channel, complaints, late, source, epoch,
    kafka_partition, sequence, row, kafka_offset, broker_time
FROM v_complaints
WHERE $__timeFilter(event_time)
  AND {SESSION}
ORDER BY event_time, source, sequence, row
LIMIT 200"""


def session_flags(sentence: str) -> str:
    """Flags of the session, its merchant and its streamer."""
    return f"""SELECT grade, state, onset, entity_type, entity, observed, expected,
    {sentence} AS sentence, flag_id
FROM v_flags
WHERE (onset, flag_id) IN (
    SELECT onset, flag_id
    FROM v_flag_entities
    WHERE onset <= $__toTime AND entity IN (
        SELECT arrayJoin([session_id, merchant_pid, streamer_pid])
        FROM v_sessions WHERE {SESSION}
      )
    GROUP BY onset, flag_id
    ORDER BY onset DESC, flag_id
    LIMIT 50
  )
ORDER BY onset DESC, flag_id"""


#: Sessions to choose from: those with complaints first, then the most watched.
CHOICES: Final = f"""SELECT session_id
FROM {sessions("peak complaints_60m", BY_HOUR)}
GROUP BY session_id
ORDER BY max(complaints_60m) DESC, max(peak) DESC, session_id
LIMIT 60"""
