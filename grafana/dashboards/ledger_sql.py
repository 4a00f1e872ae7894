"""SQL over the ledger: levels, acknowledgements, appeals and what became of them."""

# ruff: noqa: S608 - SQL assembled from constants of this package; nothing a user typed gets here

from __future__ import annotations

from typing import Final

from grafana.dashboards.labels import FILE_STATES
from grafana.dashboards.sql import PLATFORM, transformed
from grafana.dashboards.text import Lang

# A file is made of its flag's entries; those of the range are found by the entry that opened them.
_FILES: Final = f"""FROM v_flag_files
WHERE opened_at >= $__fromTime AND opened_at <= $__toTime
  AND flag_id IN (
    SELECT flag_id FROM v_ledger
    WHERE kind = 'opened' AND at >= $__fromTime AND at <= $__toTime
  )
  AND {PLATFORM}"""

#: I21 (by 30 days: v_ledger_appeals) and the times that matter, of the files opened in the range.
SUMMARY: Final = f"""SELECT
    count() AS files,
    countIf(appealed_at IS NOT NULL) AS appeals,
    countIf(decision = 'OVERTURNED') / nullIf(countIf(decision != ''), 0) AS overturned_share,
    quantileExactOrNullIf(0.5)(
        dateDiff('second', assumeNotNull(noticed_at), assumeNotNull(acked_at)) / 60,
        acked_at IS NOT NULL AND noticed_at IS NOT NULL
    ) AS minutes_to_ack
{_FILES}"""

FILES: Final = f"""SELECT flag_id, rule, level, file_state, platform_id, district, opened_at,
    acked_at, appealed_at, decided_at, decision
{_FILES}
ORDER BY opened_at DESC, flag_id
LIMIT 100"""


def states(lang: Lang) -> str:
    """Files by where they stand in their life."""
    return f"""SELECT {transformed("file_state", FILE_STATES, lang)} AS name, count() AS value
{_FILES}
GROUP BY file_state
ORDER BY value DESC, file_state"""
