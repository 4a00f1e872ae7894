"""The committed dashboards: fresh, complete in both languages, and within what is drawn."""

from __future__ import annotations

import copy
import json
import re
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

from grafana.dashboards import build
from grafana.screen.macros import ALL, Context, expand
from grafana.screen.timerange import resolve
from schemas import codes
from tests.unit.screen.test_timerange import LATEST, NOW

FILES = {
    f"{p.parent.name}/{p.name}": json.loads(p.read_text("utf-8"))
    for p in sorted(build.FOLDER.glob("*/*.json"))
}
PANELS = [(name, panel) for name, board in FILES.items() for panel in board["panels"]]
UIDS = {board["uid"] for board in FILES.values()}
JS = build.FOLDER.parents[1] / "screen" / "static" / "js"
CHINESE = re.compile(r"[\u4e00-\u9fff]")
UNITS = {
    "locale", "none", "percentunit", "currencyCNY", "dateTimeAsIso", "s", "m", "h", "rps", "cps",
    "bytes", "string", "time:YYYY-MM-DD",
}  # fmt: skip
VIEWS = re.compile(r"\b(?:FROM|JOIN) ([a-z_0-9]+)")
#: What WITH calls a query.
NAMED = re.compile(r"(\w+) AS \(\s*SELECT")


def _where(name: str, panel: dict[str, Any]) -> str:
    return f"{name} panel {panel['id']} ({panel['title']})"


def test_the_committed_json_is_what_the_definition_makes() -> None:
    assert build.stale() == []


def test_there_are_nine_in_both_languages_with_the_same_panels_in_the_same_places() -> None:
    chinese = [n.removeprefix("zh/") for n in FILES if n.startswith("zh/")]
    assert len(chinese) == 9
    for name in chinese:
        zh, en = FILES[f"zh/{name}"], FILES[f"en/{name}"]
        assert zh["uid"] + "-en" == en["uid"]
        shapes = [
            [
                (p["id"], p["type"], p["gridPos"], p["fieldConfig"]["defaults"]["unit"])
                for p in board["panels"]
            ]
            for board in (zh, en)
        ]
        assert shapes[0] == shapes[1]
        named = [[v["name"] for v in board["templating"]["list"]] for board in (zh, en)]
        assert named[0] == named[1]


def test_grafana_s_own_types_read_and_write_them_back() -> None:
    """The round trip through the Foundation SDK loses nothing but the plugin's annotations."""
    register_default_plugins()
    for name, board in FILES.items():
        wanted = copy.deepcopy(board)
        read = json.loads(json.dumps(Dashboard.from_json(copy.deepcopy(board)), cls=JSONEncoder))
        for mark in [*read["annotations"].get("list", []), *wanted["annotations"].get("list", [])]:
            mark.pop("target")
        for found, panel in zip(read["panels"], wanted["panels"], strict=True):
            # Reading fills in what a table or a heatmap has by default.
            if "custom" not in panel["fieldConfig"]["defaults"]:
                found["fieldConfig"]["defaults"].pop("custom", None)
        assert read == wanted, name


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_every_panel_says_what_it_is(lang: str) -> None:
    for name, panel in PANELS:
        if not name.startswith(lang):
            continue
        where = _where(name, panel)
        assert panel["title"].strip(), where
        assert len(panel["description"]) > 5, where
        assert bool(CHINESE.search(panel["title"] + panel["description"])) == (lang == "zh"), where
        defaults = panel["fieldConfig"]["defaults"]
        assert defaults["unit"] in UNITS, where
        assert defaults["noValue"] == ("未知" if lang == "zh" else "unknown"), where
        assert panel["datasource"]["uid"] in ("${datasource}", "${prometheus}"), where
        for target in panel["targets"]:
            assert target["datasource"] == panel["datasource"], where


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_every_word_is_in_the_reader_s_language(lang: str) -> None:
    """Column titles, labels, links and variables, too; codes and ids are neither."""
    for name, board in FILES.items():
        if not name.startswith(lang):
            continue
        words = [board["title"], board["description"]]
        words += [v["label"] for v in board["templating"]["list"]]
        words += [m["name"] for m in board["annotations"].get("list", [])]
        for panel in board["panels"]:
            for override in panel["fieldConfig"]["overrides"]:
                found = {p["id"]: p["value"] for p in override["properties"]}
                words += [found[k] for k in ("displayName",) if k in found]
                words += [link["title"] for link in found.get("links", [])]
                words += _called(found.get("mappings", []))
            words += _called(panel["fieldConfig"]["defaults"]["mappings"])
            legends = [target.get("legendFormat", "") for target in panel["targets"]]
            words += [legend for legend in legends if legend and "{{" not in legend]
        wrong = [w for w in words if bool(CHINESE.search(w)) != (lang == "zh")]
        assert wrong == [], name


def _called(mappings: list[dict[str, Any]]) -> list[str]:
    """What codes are called; a pattern leaves words as they are."""
    coded = [mapping["options"] for mapping in mappings if mapping["type"] == "value"]
    return [option["text"] for options in coded for option in options.values()]


def test_queries_expand_read_views_only_and_carry_no_comment() -> None:
    for name, panel in PANELS:
        for target in panel["targets"]:
            if "rawSql" not in target:
                continue
            where = _where(name, panel)
            assert target["editorType"] == "sql", where
            assert target["format"] == (0 if target["queryType"] == "timeseries" else 1), where
            # The plugin strips comments before it expands macros, so there are none to differ on.
            assert not re.search(r"--|/\*|#", target["rawSql"]), where
            sql = expand(target["rawSql"], _context(FILES[name]))
            assert "$" not in sql, where
            tables = set(VIEWS.findall(sql)) - set(NAMED.findall(sql))
            assert all(t.startswith("v_") for t in tables), (where, tables)
            if panel["type"] in ("timeseries", "heatmap", "state-timeline"):
                assert target["format"] == 0, where
                assert re.search(r"ORDER BY time(, \w+)?$", sql), where


def test_macros_are_split_the_same_by_the_plugin_that_knows_no_quotes() -> None:
    """Its front end counts parentheses and commas wherever they are, also inside a literal."""
    for name, panel in PANELS:
        for target in panel["targets"]:
            sql = target.get("rawSql", "")
            for start in [m.end() for m in re.finditer(r"\$__\w+(?=\()", sql)]:
                depth = 0
                for end in range(start, len(sql)):
                    depth += {"(": 1, ")": -1}.get(sql[end], 0)
                    if depth == 0:
                        break
                quoted = re.findall(r"'[^']*'", sql[start:end])
                assert not any(set(text) & set("(),") for text in quoted), _where(name, panel)


def _context(board: dict[str, Any]) -> Context:
    values = {v["name"]: ALL if v["includeAll"] else "x" for v in board["templating"]["list"]}
    return Context(resolve("now-1h", "now", NOW, LATEST), 60, values)


def test_annotations_expand() -> None:
    for board in FILES.values():
        for mark in board["annotations"].get("list", []):
            assert "$" not in expand(mark["target"]["rawSql"], _context(board))


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
    filled: dict[int, int] = {}
    for box in boxes:
        filled[box["y"]] = filled.get(box["y"], 0) + box["w"]
    assert set(filled.values()) == {24}
    ids = [p["id"] for p in FILES[name]["panels"]]
    assert len(ids) == len(set(ids))


def test_links_lead_to_dashboards_and_variables_that_exist() -> None:
    found = 0
    for name, panel in PANELS:
        for override in panel["fieldConfig"]["overrides"]:
            for prop in override["properties"]:
                if prop["id"] != "links":
                    continue
                for link in prop["value"]:
                    found += 1
                    uid, query = link["url"].removeprefix("/d/").split("?")
                    assert uid in UIDS, _where(name, panel)
                    assert uid.endswith("-en") == name.startswith("en/")
                    (board,) = [b for b in FILES.values() if b["uid"] == uid]
                    known = {v["name"] for v in board["templating"]["list"]}
                    asked = re.findall(r"var-(\w+)=", query)
                    assert asked
                    assert set(asked) <= known
    assert found > 20


def test_custom_variables_are_the_code_lists() -> None:
    lists = {
        "category": codes.CATEGORIES, "district": codes.DISTRICTS, "scenario": codes.SCENARIOS,
        "code": codes.COMPLAINTS, "channel": codes.CHANNELS,
    }  # fmt: skip
    for board in FILES.values():
        for variable in board["templating"]["list"]:
            if variable["type"] == "custom":
                values = [o["value"] for o in variable["options"]]
                assert values == ["$__all", *lists[variable["name"]].names]
                # Grafana splits the query at commas.
                assert variable["query"].count(",") == len(values) - 2


def test_no_value_can_be_typed_into_a_variable() -> None:
    for board in FILES.values():
        for variable in board["templating"]["list"]:
            assert variable["type"] == "datasource" or variable["allowCustomValue"] is False


def test_colours_never_stand_alone() -> None:
    """A coloured value carries a shape or words too."""
    for _, panel in PANELS:
        mappings = [*panel["fieldConfig"]["defaults"]["mappings"]]
        for override in panel["fieldConfig"]["overrides"]:
            for prop in override["properties"]:
                mappings += prop["value"] if prop["id"] == "mappings" else []
        for mapping in mappings:
            if mapping["type"] == "regex":
                assert re.fullmatch(r"/\^[▲◆●○]/", mapping["options"]["pattern"])
                continue
            for option in mapping["options"].values():
                if "color" in option:
                    assert re.match(r"[▲◆●○] \S", option["text"])


def test_the_page_asks_no_outside_host() -> None:
    page = JS.parent
    for file in [*page.glob("*.html"), *page.glob("css/*.css"), *JS.glob("*.js")]:
        found = set(re.findall(r"https?://[^\s\"'`)]+", file.read_text("utf-8")))
        assert found <= {"http://www.w3.org/2000/svg"}, file.name


def test_scripts_stay_small_modules() -> None:
    for file in JS.glob("*.js"):
        assert len(file.read_text("utf-8").splitlines()) < 300, file.name


def test_the_page_knows_every_kind_of_panel() -> None:
    drawn = set(re.findall(r'(?:"([\w-]+)"|(\w+))(?::|,)', _draw_table()))
    kinds = {p["type"] for _, p in PANELS}
    assert kinds <= {a or b for a, b in drawn}


def _draw_table() -> str:
    text = Path(JS / "main.js").read_text("utf-8")
    return text.split("const DRAW = {")[1].split("}")[0].strip() + ","
