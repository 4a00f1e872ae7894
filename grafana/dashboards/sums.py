"""Tables of what a range adds up to, by a dimension of the cells or by a tag of the sessions."""

from __future__ import annotations

from typing import Final, Literal

from grafana.dashboards import labels, panels, sessions_sql, sql
from grafana.dashboards.model import Field, Panel
from grafana.dashboards.text import Text, both

_SUMS: Final = (labels.ORDERS, labels.GMV, labels.COMPLAINTS, labels.RATE)


def by_dimension(
    panel_id: int, dimension: Literal["category", "district"], first: Field, title: Text, more: Text
) -> Panel:
    """`first` shows the column `name`."""
    about = Text(
        "所选时段合计；万单投诉含平滑加数。",
        "Totals over the range; the rate is smoothed as in I11.",
    )
    return panels.table(panel_id, both(sql.totals(dimension)), title, about + more, (first, *_SUMS))


def by_tag(
    panel_id: int, tag: Literal["base_id", "scenario"], first: Field, title: Text, about: Text
) -> Panel:
    """`first` shows the column `tag`."""
    fields = (
        first,
        Field("sessions", Text("场次", "Sessions"), unit="locale", decimals=0, width=80),
        Field("peak_viewers", Text("单场峰值", "Peak"), unit="locale", decimals=0, width=90),
        *_SUMS,
    )
    return panels.table(panel_id, both(sessions_sql.tag_table(tag)), title, about, fields)
