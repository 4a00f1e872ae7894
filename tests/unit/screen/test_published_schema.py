"""Every committed dashboard against the JSON schema that Grafana publishes."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator

from tests.unit.screen.test_dashboards import FILES, PANELS

FIXTURES = Path(__file__).parents[2] / "fixtures" / "grafana"
#: Grafana's types of panel -> their schema's file
KINDS = {
    "stat": "stat",
    "timeseries": "timeseries",
    "table": "table",
    "barchart": "barchart",
    "state-timeline": "statetimeline",
    "heatmap": "heatmap",
}


def published(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FIXTURES / f"{name}.jsonschema.json").read_text("utf-8"))
    return found


def dashboards() -> Draft7Validator:
    schema = published("dashboard")
    # "Anything" of the original definition (CUE's _) is published as an object; these are no
    # objects in any dashboard of Grafana's own: a field's name, a unit, a number of decimals.
    schema["definitions"]["MatcherConfig"]["properties"]["options"] = {}
    schema["definitions"]["DynamicConfigValue"]["properties"]["value"] = {}
    return Draft7Validator(schema)


def wrong(validator: Draft7Validator, found: Any) -> list[str]:
    return [f"{error.json_path}: {error.message[:200]}" for error in validator.iter_errors(found)]


@pytest.mark.parametrize("name", sorted(FILES))
def test_a_dashboard_is_as_published(name: str) -> None:
    assert wrong(dashboards(), FILES[name]) == []


def parts(panel: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    yield "Options", panel["options"]
    if custom := panel["fieldConfig"]["defaults"].get("custom"):
        yield "FieldConfig", custom


@pytest.mark.parametrize("kind", KINDS)
def test_a_panel_s_options_are_those_of_its_kind(kind: str) -> None:
    schema = published(KINDS[kind])
    ours = [panel for _, panel in PANELS if panel["type"] == kind]
    assert ours
    for panel in ours:
        for name, found in parts(panel):
            one = schema | {"$ref": f"#/definitions/{name}"}
            assert wrong(Draft7Validator(one), found) == [], (panel["title"], name)


def unknown_field(board: dict[str, Any]) -> None:
    board["panles"] = []


def no_version(board: dict[str, Any]) -> None:
    del board["schemaVersion"]


def words_for_a_width(board: dict[str, Any]) -> None:
    board["panels"][0]["gridPos"]["w"] = "wide"


def unknown_cursor(board: dict[str, Any]) -> None:
    board["graphTooltip"] = 7


@pytest.mark.parametrize("spoil", [unknown_field, no_version, words_for_a_width, unknown_cursor])
def test_what_grafana_does_not_know_is_found(spoil: Callable[[dict[str, Any]], None]) -> None:
    board = copy.deepcopy(next(iter(FILES.values())))
    spoil(board)
    assert wrong(dashboards(), board)
