"""The two data sources, each a variable so that one file serves every organisation."""

from __future__ import annotations

from typing import Final

from grafana_foundation_sdk.builders import prometheus
from grafana_foundation_sdk.cog import builder, variants
from grafana_foundation_sdk.models import dashboard as models

from grafana.dashboards.model import Panel
from grafana.dashboards.text import Json, Lang

CLICKHOUSE: Final = models.DataSourceRef(
    type_val="grafana-clickhouse-datasource", uid="${datasource}"
)
PROMETHEUS: Final = models.DataSourceRef(type_val="prometheus", uid="${prometheus}")
#: grafana-clickhouse-datasource that the queries are written for
PLUGIN_VERSION: Final = "4.20.0"


class ClickHouseQuery(variants.Dataquery, builder.Builder[variants.Dataquery]):
    """A query of the ClickHouse plugin; the SDK has no class of its own for it."""

    def __init__(self, sql: str, *, over_time: bool, ref_id: str = "A") -> None:
        self._sql, self._over_time, self._ref_id = sql, over_time, ref_id

    def build(self) -> variants.Dataquery:
        return self

    def to_json(self) -> Json:
        return {
            "refId": self._ref_id,
            "datasource": CLICKHOUSE.to_json(),
            "editorType": "sql",
            "rawSql": self._sql,
            "format": 0 if self._over_time else 1,
            "queryType": "timeseries" if self._over_time else "table",
            "pluginVersion": PLUGIN_VERSION,
        }


def targets(panel: Panel, lang: Lang) -> list[builder.Builder[variants.Dataquery]]:
    """The panel's queries, in order of their reference ids."""
    if panel.sql is not None:
        return [ClickHouseQuery(panel.sql.of(lang), over_time=panel.over_time)]
    made: list[builder.Builder[variants.Dataquery]] = []
    for ref_id, query in zip("ABCDEF", panel.prom, strict=False):
        one = (
            prometheus.Dataquery()
            .ref_id(ref_id)
            .expr(query.expr)
            .legend_format(query.legend.of(lang))
        )
        one.datasource(PROMETHEUS)
        made.append(one.instant() if query.instant else one.range())
    return made
