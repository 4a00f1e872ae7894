"""The committed dashboards: the only queries that the screen can run."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib import resources
from typing import Any, Final

from grafana.dashboards.text import LANGS, Json, Lang
from grafana.screen.errors import BadRequestError, NotFoundError

#: Versions of Grafana's classic dashboard schema that the screen has been tested to draw.
SCHEMA_VERSIONS: Final = frozenset({41})
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}


class UnknownDashboardVersionError(ValueError):
    """A dashboard file is of a schema version that the screen does not draw."""


@dataclass(frozen=True)
class Query:
    """A panel's query as committed, macros unexpanded; `prom` where it is for Prometheus."""

    panel: int
    sql: str
    max_points: int
    min_step_s: int
    prom: tuple[dict[str, Any], ...] = ()


class Library:
    """Dashboards by uid and language, in the order of their files.

    `files` are `zh/NN_name.json` and `en/NN_name.json`; both of a name go by the Chinese uid.
    """

    def __init__(self, files: dict[str, Json]) -> None:
        self._boards: dict[str, dict[Lang, Json]] = {}
        for name in sorted(n.removeprefix("zh/") for n in files if n.startswith("zh/")):
            boards: dict[Lang, Json] = {lang: files[f"{lang}/{name}"] for lang in LANGS}
            for board in boards.values():
                if board.get("schemaVersion") not in SCHEMA_VERSIONS:
                    raise UnknownDashboardVersionError(
                        f"{name}: schemaVersion {board.get('schemaVersion')} is not one of "
                        f"{sorted(SCHEMA_VERSIONS)}"
                    )
            self._boards[boards["zh"]["uid"]] = boards

    @classmethod
    def committed(cls) -> Library:
        folder = resources.files("grafana.dashboards").joinpath("json")
        return cls(
            {
                f"{lang}/{found.name}": json.loads(found.read_text("utf-8"))
                for lang in LANGS
                for found in folder.joinpath(lang).iterdir()
                if found.name.endswith(".json")
            }
        )

    def listing(self) -> list[dict[str, Any]]:
        return [
            {"uid": uid, "title": {lang: boards[lang]["title"] for lang in LANGS}}
            for uid, boards in self._boards.items()
        ]

    def board(self, uid: str, lang: Lang) -> Json:
        if uid not in self._boards:
            raise NotFoundError(
                "unknown_dashboard", "没有这个仪表盘。", "There is no such dashboard."
            )
        return self._boards[uid][lang]

    def query(self, uid: str, lang: Lang, panel: str) -> Query:
        for candidate in self.board(uid, lang)["panels"]:
            if str(candidate["id"]) == panel:
                return _query(candidate)
        raise NotFoundError("unknown_panel", "没有这个图表。", "There is no such panel.")

    def queries(self, uid: str, lang: Lang) -> list[Query]:
        """Every panel's."""
        return [_query(panel) for panel in self.board(uid, lang)["panels"]]

    def annotations(self, uid: str, lang: Lang) -> list[Json]:
        listed: list[Json] = self.board(uid, lang)["annotations"].get("list", [])
        return listed

    def variables(self, uid: str, lang: Lang) -> list[Json]:
        """The template variables that a reader chooses; the data source is the screen's own."""
        listed: list[Json] = self.board(uid, lang)["templating"].get("list", [])
        return [v for v in listed if v["type"] != "datasource"]


def language(text: str) -> Lang:
    for lang in LANGS:
        if text == lang:
            return lang
    raise BadRequestError("unknown_language", "语言只有 zh 和 en。", "The languages are zh and en.")


def _query(panel: Json) -> Query:
    targets = panel["targets"]
    sql = targets[0].get("rawSql", "")
    return Query(
        panel=panel["id"],
        sql=sql,
        max_points=panel.get("maxDataPoints", 400),
        min_step_s=_duration(panel.get("interval", "1s")),
        prom=() if sql else tuple(targets),
    )


def _duration(text: str) -> int:
    return int(text[:-1]) * _SECONDS[text[-1]]
