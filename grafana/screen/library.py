"""The committed dashboards: the only queries that the screen can run."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib import resources
from typing import Any, Final

from grafana.dashboards.model import LANGS, Json, Lang
from grafana.screen.errors import BadRequestError, NotFoundError

#: Versions of Grafana's classic dashboard schema that the screen has been tested to draw.
SCHEMA_VERSIONS: Final = frozenset({41})
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}


class UnknownDashboardVersionError(ValueError):
    """A dashboard file is of a schema version that the screen does not draw."""


@dataclass(frozen=True)
class Query:
    """A panel's query as committed, macros unexpanded."""

    panel: int
    sql: str
    max_points: int
    min_step_s: int


class Library:
    """Dashboards by uid and language; `<name>.json` is Chinese, `<name>.en.json` English."""

    def __init__(self, files: dict[str, Json]) -> None:
        self._boards: dict[str, dict[Lang, Json]] = {}
        for name in sorted(n for n in files if not n.endswith(".en.json")):
            english = files.get(name.removesuffix(".json") + ".en.json", files[name])
            for board in (files[name], english):
                if board.get("schemaVersion") not in SCHEMA_VERSIONS:
                    raise UnknownDashboardVersionError(
                        f"{name}: schemaVersion {board.get('schemaVersion')} is not one of "
                        f"{sorted(SCHEMA_VERSIONS)}"
                    )
            self._boards[files[name]["uid"]] = {"zh": files[name], "en": english}

    @classmethod
    def committed(cls) -> Library:
        folder = resources.files("grafana.dashboards")
        found = (f for f in folder.iterdir() if f.name.endswith(".json"))
        return cls({f.name: json.loads(f.read_text("utf-8")) for f in found})

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
                return Query(
                    panel=candidate["id"],
                    sql=candidate["targets"][0]["rawSql"],
                    max_points=candidate.get("maxDataPoints", 400),
                    min_step_s=_duration(candidate.get("interval", "1s")),
                )
        raise NotFoundError("unknown_panel", "没有这个图表。", "There is no such panel.")

    def variables(self, uid: str, lang: Lang) -> list[Json]:
        """The template variables that a reader chooses; the data source is the screen's own."""
        listed: list[Json] = self.board(uid, lang)["templating"]["list"]
        return [v for v in listed if v["type"] != "datasource"]


def language(text: str) -> Lang:
    for lang in LANGS:
        if text == lang:
            return lang
    raise BadRequestError("unknown_language", "语言只有 zh 和 en。", "The languages are zh and en.")


def _duration(text: str) -> int:
    return int(text[:-1]) * _SECONDS[text[-1]]
