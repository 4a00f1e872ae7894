"""The committed dashboards: fresh, complete in both languages, and within what is drawn."""

from __future__ import annotations

import json
import re
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from grafana.dashboards import build
from grafana.screen.macros import ALL, Context, expand
from grafana.screen.timerange import resolve
from tests.unit.screen.test_timerange import LATEST, NOW

FILES = {p.name: json.loads(p.read_text("utf-8")) for p in build.FOLDER.glob("*.json")}
PANELS = [(name, panel) for name, board in FILES.items() for panel in board["panels"]]
JS = Path(build.FOLDER).parent / "screen" / "static" / "js"


def _ids(value: Any) -> str:
    return value if isinstance(value, str) else f"panel-{value['id']}"


def test_the_committed_json_is_what_the_definition_makes() -> None:
    assert build.stale() == []


def test_both_languages_have_the_same_panels_in_the_same_places() -> None:
    zh, en = FILES["city_overview.json"], FILES["city_overview.en.json"]
    shape = [
        (p["id"], p["type"], p["gridPos"], p["fieldConfig"]["defaults"]["unit"])
        for p in zh["panels"]
    ]
    assert shape == [
        (p["id"], p["type"], p["gridPos"], p["fieldConfig"]["defaults"]["unit"])
        for p in en["panels"]
    ]
    assert zh["uid"] != en["uid"]


@pytest.mark.parametrize(("name", "panel"), PANELS, ids=_ids)
def test_every_panel_says_what_it_is(name: str, panel: dict[str, Any]) -> None:
    chinese = not name.endswith(".en.json")
    assert panel["title"].strip()
    assert len(panel["description"]) > 10
    assert bool(re.search(r"[\u4e00-\u9fff]", panel["title"] + panel["description"])) == chinese
    defaults = panel["fieldConfig"]["defaults"]
    assert defaults["unit"]
    assert defaults["noValue"] == ("未知" if chinese else "unknown")
    assert panel["datasource"]["uid"] == "${datasource}"
    (target,) = panel["targets"]
    assert target["datasource"] == panel["datasource"]
    assert target["editorType"] == "sql"
    assert target["format"] == (0 if target["queryType"] == "timeseries" else 1)


@pytest.mark.parametrize(("name", "panel"), PANELS, ids=_ids)
def test_every_query_expands_and_reads_views_only(name: str, panel: dict[str, Any]) -> None:
    values = {v["name"]: ALL for v in FILES[name]["templating"]["list"]}
    context = Context(resolve("now-1h", "now", NOW, LATEST), 60, values)
    sql = expand(panel["targets"][0]["rawSql"], context)
    assert "$" not in sql
    assert set(re.findall(r"\bFROM ([a-z_]+)", sql)) <= {
        "v_indicators_cell",
        "v_flags",
        "v_completeness",
    }
    if panel["targets"][0]["format"] == 0:
        assert re.search(r"ORDER BY time(, \w+)?$", sql)


@pytest.mark.parametrize("name", sorted(FILES))
def test_panels_lie_on_the_grid_and_do_not_overlap(name: str) -> None:
    boxes = [p["gridPos"] for p in FILES[name]["panels"]]
    assert all(b["x"] + b["w"] <= 24 for b in boxes)
    for a, b in combinations(boxes, 2):
        apart = (
            a["x"] + a["w"] <= b["x"]
            or b["x"] + b["w"] <= a["x"]
            or a["y"] + a["h"] <= b["y"]
            or b["y"] + b["h"] <= a["y"]
        )
        assert apart, (a, b)
    ids = [p["id"] for p in FILES[name]["panels"]]
    assert len(ids) == len(set(ids))


def test_colours_never_stand_alone() -> None:
    """A coloured value carries a shape or words too."""
    for _, panel in PANELS:
        for override in panel["fieldConfig"]["overrides"]:
            for prop in override["properties"]:
                if prop["id"] != "mappings":
                    continue
                for option in prop["value"][0]["options"].values():
                    if "color" in option:
                        assert re.match(r"[▲◆●] \S", option["text"])


def test_the_page_asks_no_outside_host() -> None:
    page = JS.parent
    for file in [*page.glob("*.html"), *page.glob("css/*.css"), *JS.glob("*.js")]:
        found = set(re.findall(r"https?://[^\s\"'`)]+", file.read_text("utf-8")))
        assert found <= {"http://www.w3.org/2000/svg"}, file.name


def test_scripts_stay_small_modules() -> None:
    for file in JS.glob("*.js"):
        assert len(file.read_text("utf-8").splitlines()) < 300, file.name
