"""SQL over flags: as they stand, and how many there were."""

# ruff: noqa: S608 - SQL assembled from constants of this package; nothing a user typed gets here

from __future__ import annotations

from typing import Final

from grafana.dashboards.labels import ENTITY_TYPES
from grafana.dashboards.model import Label
from grafana.dashboards.sql import CATEGORY, PLATFORM, transformed
from grafana.dashboards.text import Lang, Text

# Flags know no district; a platform-level flag has no category and shows under every one.
FLAG_FILTER: Final = f"""{PLATFORM}
  AND (category = '' OR {CATEGORY})"""


def _chosen(condition: str, first: str, limit: int) -> str:
    """Only the flags that come first of those of which `condition` holds: chosen in v_flag_keys,
    so that words, figures and what mutes them are read of these alone."""
    return f"""(onset, flag_id) IN (
    SELECT onset, flag_id
    FROM v_flag_keys
    WHERE {condition}
    ORDER BY {first}
    LIMIT {limit}
  )"""


_BEGAN: Final = f"""onset >= $__fromTime AND onset <= $__toTime
  AND {FLAG_FILTER}"""
_WITHIN: Final = f"""onset <= $__toTime AND (onset >= $__fromTime OR is_open = 1)
  AND {FLAG_FILTER}"""
_GRAVEST: Final = "state = 'open' DESC, grade_rank DESC, onset DESC, flag_id"
_NEWEST: Final = "onset DESC, flag_id"
# Where no telemetry came there is nothing to judge: the number of flags is unknown, not zero.
_HEARD: Final = """WITH (
    SELECT 1 FROM v_indicators_cell WHERE $__timeFilter(minute) LIMIT 1
) AS heard"""

OPEN_FLAGS: Final = f"""{_HEARD}
SELECT
    if(heard = 1, countIf(grade = 'critical'), NULL) AS critical,
    if(heard = 1, countIf(grade = 'raised'), NULL) AS raised,
    if(heard = 1, countIf(grade = 'watch'), NULL) AS watch
FROM v_flag_keys
WHERE is_open = 1 AND onset <= $__toTime
  AND {FLAG_FILTER}"""

#: What became of the flags that began in the range.
OUTCOMES: Final = f"""{_HEARD}
SELECT
    if(heard = 1, count(), NULL) AS opened,
    if(heard = 1, countIf(state = 'open'), NULL) AS still_open,
    if(heard = 1, countIf(muted = 1), NULL) AS muted_flags,
    quantileExactOrNull(0.5)(dateDiff('millisecond', onset, opened_event_time) / 60000)
        AS minutes_to_flag
FROM v_flags
WHERE {_BEGAN}"""

OPENED_OVER_TIME: Final = f"""SELECT $__timeInterval(onset) AS time, grade, count() AS value
FROM v_flag_keys
WHERE {_BEGAN}
GROUP BY time, grade
ORDER BY time, grade"""


def _rows(columns: str, order: str, limit: int) -> str:
    """Flags that began in the range or are still open: the first in an order."""
    return f"""SELECT {columns}
FROM v_flags
WHERE {_chosen(_WITHIN, order, limit)}
ORDER BY {order}"""


def flags(sentence: str) -> str:
    """Flags that began in the range or are still open, the gravest open ones first."""
    return _rows(
        f"""grade, state, onset, platform_id, entity_type, entity, observed, expected,
    {sentence} AS sentence, flag_id""",
        _GRAVEST,
        100,
    )


def evidence(lang: Lang) -> str:
    """What crossed what, for each flag, and the flag that mutes it."""
    return _rows(
        f"""rule, grade, state, muted, onset, opened_event_time, last_event_time,
    entity_type, entity, observed, expected, exposure, score, threshold,
    window_s / 60 AS window_min, sentence_{lang} AS sentence, flag_id""",
        _NEWEST,
        200,
    )


def by_rule(names: dict[str, tuple[str, str]], lang: Lang) -> str:
    """Flags that began in the range, by rule."""
    words = tuple(
        Label(code, Text(f"{code} {zh}", f"{code} {en}")) for code, (zh, en) in names.items()
    )
    return f"""SELECT {transformed("rule", words, lang)} AS name, count() AS value
FROM v_flag_keys
WHERE {_BEGAN}
GROUP BY rule
ORDER BY value DESC, rule"""


def course(lang: Lang) -> str:
    """The grade that a flag had in each step of the panel; no row where there was none."""
    kinds = transformed("entity_type", ENTITY_TYPES, lang)
    return f"""WITH chosen AS (
    SELECT flag_id, entity_type, entity, onset, grade_rank, state, last_event_time
    FROM v_flag_keys
    WHERE {_WITHIN}
    ORDER BY {_GRAVEST}
    LIMIT 12
)
SELECT time, name, max(rank) AS value
FROM (
    SELECT
        arrayJoin(arrayMap(
            n -> toStartOfInterval(toDateTime($__fromTime), INTERVAL $__interval_s second)
                + toIntervalSecond(n * $__interval_s),
            range(toUInt32(ceil(dateDiff('second', $__fromTime, $__toTime) / $__interval_s)) + 1)
        )) AS time,
        concat({kinds}, ' ', if(length(entity) = 32, left(entity, 8), entity)) AS name,
        if(time + toIntervalSecond($__interval_s) > onset
            AND (state = 'open' OR time <= last_event_time), grade_rank, 0) AS rank
    FROM chosen
)
WHERE rank > 0
GROUP BY time, name
ORDER BY time, name"""


def marks(lang: Lang) -> str:
    """Annotations: where flags of grade raised and above began."""
    return f"""SELECT onset AS time, if(state = 'open', $__toTime, last_event_time) AS timeEnd,
    sentence_{lang} AS text, grade AS tags
FROM v_flags
WHERE {_chosen(f"grade_rank >= 2 AND {_BEGAN}", "onset, flag_id", 30)}
ORDER BY time, flag_id"""
