"""SQL over the indicators of long windows, five minutes apart, and over reviews."""

# ruff: noqa: S608 - SQL assembled from constants of this package; nothing a user typed gets here

from __future__ import annotations

from typing import Final

from grafana.dashboards.model import Label
from grafana.dashboards.sessions_sql import SESSION
from grafana.dashboards.sql import PLATFORM, WHO, named, transformed
from grafana.dashboards.text import Lang, Text
from pipelines.core.catalog import CATALOG, LONG
from schemas import codes

_OF_PLATFORMS: Final = f"""FROM v_indicator_values
WHERE $__timeFilter(minute)
  AND scope = 'platform'
  AND {PLATFORM}"""

# Days of the range with the newest value: the last two, since all of the last may come after it.
# Told apart from the days alone, by which partitions are left unread.
_LAST_DAYS: Final = f"""
    SELECT (platform_id, indicator, window, part, day) AS last
    FROM v_indicator_days
    WHERE day >= toDate($__fromTime) AND day <= toDate($__toTime)
      AND {PLATFORM}
    GROUP BY platform_id, indicator, window, part, day
    ORDER BY day DESC
    LIMIT 2 BY platform_id, indicator, window, part
"""

_LONG: Final = tuple(one for one in CATALOG.values() if one.table == LONG)
_UNITS_ZH: Final = {
    "%": "%", "viewers": "人", "yuan": "元", "per 10,000 orders": "每万单", "bits": "比特",
    "h": "小时", "s": "秒", "% (CR10), points (HHI)": "%（CR10）、点（HHI）",
}  # fmt: skip


def by_platform(indicator: str, window: str, part: str = "", scale: int = 1) -> str:
    """A line a platform; unknown, not zero, where there were too few to tell."""
    return f"""SELECT $__timeInterval(minute) AS time, platform_id, avg(value) / {scale} AS value
{_OF_PLATFORMS}
  AND indicator = '{indicator}'
  AND window = '{window}'
  AND part = '{part}'
GROUP BY time, platform_id
ORDER BY time, platform_id"""


def newest(lang: Lang) -> str:
    """Each indicator of each platform as it was last told, unknown included."""
    names = tuple(Label(one.id, Text(one.zh, one.en)) for one in _LONG)
    units = tuple(Label(one.id, Text(_UNITS_ZH[one.unit], one.unit)) for one in _LONG)
    return f"""SELECT platform_id, indicator, {transformed("indicator", names, lang)} AS name,
    {_part(lang)} AS part_name, window, newest.1 AS value,
    {transformed("indicator", units, lang)} AS unit, newest.2 AS volume, told_at
FROM (
    SELECT platform_id, indicator, window, part, argMax((value, n), minute) AS newest,
        max(minute) AS told_at
    {_OF_PLATFORMS}
      AND (platform_id, indicator, window, part, toDate(minute)) IN ({_LAST_DAYS})
      AND toDate(minute) IN (SELECT last.5 FROM ({_LAST_DAYS}))
    GROUP BY platform_id, indicator, window, part
)
ORDER BY platform_id, indicator, window, part
LIMIT 200"""


def _part(lang: Lang) -> str:
    night = Label("night", Text("夜间", "Night"))
    tags = tuple(Label(code, Text(zh, en)) for code, (zh, en) in codes.SCENARIOS.names.items())
    return transformed("part", (night, *tags), lang)


def tag_shares(lang: Lang) -> str:
    """I20 of all chosen platforms together: what each tag, and the night, is of their GMV."""
    return f"""WITH chosen AS (
    SELECT platform_id, part, argMax(numerator, minute) AS paid,
        argMax(denominator, minute) AS whole
    {_OF_PLATFORMS}
      AND indicator = 'I20'
    GROUP BY platform_id, part
)
SELECT {_part(lang)} AS name,
    sum(paid) / (SELECT nullIf(sum(whole), 0) FROM chosen WHERE part = 'night') AS value
FROM chosen
GROUP BY part
HAVING value > 0
ORDER BY value DESC, part
LIMIT 16"""


def acted_on(lang: Lang) -> str:
    """Of 1,000 reviews of a category, those that led to a warning or an interruption."""
    return f"""SELECT {named("category", codes.CATEGORIES, lang)} AS name,
    1000 * sumIf(reviews, outcome != 'passed') / sum(reviews) AS value
FROM v_reviews
WHERE $__timeFilter(event_time)
  AND {WHO}
GROUP BY category
HAVING value > 0
ORDER BY value DESC, category
LIMIT 12"""


def of_session(lang: Lang) -> str:
    """Reviews of the session by what they led to."""
    return f"""SELECT $__timeInterval(event_time) AS time,
    {named("outcome", codes.REVIEW_OUTCOMES, lang)} AS name, sum(reviews) AS value
FROM v_reviews
WHERE $__timeFilter(event_time)
  AND {SESSION}
GROUP BY time, outcome
ORDER BY time, outcome"""
