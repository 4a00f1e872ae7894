"""What a Grafana is started with: fresh, whole, and nothing that only works in a browser."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import yaml

from grafana.dashboards.build import FOLDER
from grafana.provisioning import build
from grafana.provisioning.organisations import COMMISSION, organisations
from grafana.screen.macros import Context, expand
from grafana.screen.timerange import resolve
from tests.unit.screen.test_timerange import LATEST, NOW


def loaded(name: str) -> Any:
    return yaml.safe_load((build.HERE / name).read_text("utf-8"))


def test_the_committed_files_are_what_the_definition_makes() -> None:
    assert build.stale() == []


def test_data_sources_are_those_that_the_dashboards_ask_for() -> None:
    sources = loaded("datasources/livewatch.yaml")["datasources"]
    kinds = {s["type"] for s in sources}
    wanted = {
        panel["datasource"]["type"]
        for path in FOLDER.glob("*/*.json")
        for panel in json.loads(path.read_text("utf-8"))["panels"]
    }
    assert kinds == wanted
    for source in sources:
        for secret in source.get("secureJsonData", {}).values():
            assert re.fullmatch(r"\$[A-Z0-9_]+", secret)


def test_alert_rules_hang_together_and_use_no_variable() -> None:
    (group,) = loaded("alerting/rules.yaml")["groups"]
    sources = {s["uid"] for s in loaded("datasources/livewatch.yaml")["datasources"]}
    assert len({rule["uid"] for rule in group["rules"]}) == len(group["rules"]) >= 4
    for rule in group["rules"]:
        parts = {part["refId"]: part for part in rule["data"]}
        assert rule["condition"] in parts
        for part in parts.values():
            assert part["datasourceUid"] in {*sources, "__expr__"}
            if "expression" in part["model"]:
                assert part["model"]["expression"] in parts
        sql = parts["A"]["model"]["rawSql"]
        assert "conditionalAll" not in sql
        assert "$" not in expand(sql, Context(resolve("now-1h", "now", NOW, LATEST), 60, {}))


def test_every_route_leads_to_a_contact_point() -> None:
    known = {c["name"] for c in loaded("alerting/contact-points.yaml")["contactPoints"]}
    (policy,) = loaded("alerting/policies.yaml")["policies"]
    assert {policy["receiver"], *(r["receiver"] for r in policy["routes"])} == known


def test_each_agency_has_an_organisation_and_a_reader_of_its_own(tmp_path: Path) -> None:
    listed = organisations(["310112", "310115"], ["p-one"])
    build.write(tmp_path, listed)
    text = (tmp_path / "datasources" / "livewatch.yaml").read_text("utf-8")
    sources = [s for s in yaml.safe_load(text)["datasources"] if s["uid"] == "livewatch"]
    assert [s["orgId"] for s in sources] == [1, 2, 3, 4]
    users = [s["jsonData"]["username"] for s in sources]
    assert len(set(users)) == 4
    assert users[0] == COMMISSION.role
    assert users[3] == "livewatch_platform_p-one"
    assert all(s["jsonData"]["defaultDatabase"] == s["jsonData"]["username"] for s in sources[1:])
    # Whoever has rows of its own gets no dashboard that asks for flags.
    for path in (tmp_path / "json" / "own").glob("*/*.json"):
        body = json.loads(path.read_text("utf-8"))
        asked = [t["rawSql"] for p in body["panels"] for t in p["targets"]]
        asked += [m["target"]["rawSql"] for m in body["annotations"].get("list", [])]
        assert not any("v_flag" in sql for sql in asked)
    assert len(list((tmp_path / "json" / "all").glob("zh/*.json"))) == 9
    assert len(list((tmp_path / "json" / "own").glob("zh/*.json"))) == 2
