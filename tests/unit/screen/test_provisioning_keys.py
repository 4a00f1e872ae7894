"""Provisioning as Grafana's own reader takes it: names of keys, lengths, durations, dollar signs.

Keys are those of the types in grafana/grafana, pkg/services/provisioning (`*_types.go`, `types.go`)
and, for routes, the Route of pkg/services/ngalert/api/tooling/definitions. A key that is not among
them is read by nobody, and Grafana does not say so.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from grafana.provisioning import build
from grafana.provisioning.organisations import organisations

KEYS = {
    "datasources": "orgId uid name type access url user database basicAuth basicAuthUser "
    "withCredentials isDefault correlations jsonData secureJsonData editable",
    "providers": "orgId name type folder folderUid editable allowUiUpdates disableDeletion "
    "updateIntervalSeconds options",
    "groups": "orgId name folder interval rules",
    "rules": "uid title condition data dashboardUid panelId noDataState execErrState for "
    "keepFiringFor missing_series_evals_to_resolve annotations labels isPaused "
    "notification_settings record",
    "data": "refId queryType relativeTimeRange datasourceUid model",
    "contactPoints": "orgId name receivers",
    "receivers": "uid type settings disableResolveMessage",
    "policies": "orgId receiver group_by match match_re matchers object_matchers "
    "mute_time_intervals active_time_intervals continue routes group_wait group_interval "
    "repeat_interval",
}
KEYS["routes"] = KEYS["policies"].replace("orgId ", "")
DURATION = re.compile(r"\d+(ms|s|m|h|d|w|y)")
UID = re.compile(r"[a-zA-Z0-9_-]{1,40}")


@pytest.fixture(params=["committed", "for more"])
def files(request: pytest.FixtureRequest, tmp_path: Path) -> list[Any]:
    folder = build.HERE
    if request.param == "for more":
        folder = tmp_path
        build.write(folder, organisations(["310112", "310115"], ["p-one"]))
    found = [yaml.safe_load(path.read_text("utf-8")) for path in sorted(folder.glob("*/*.yaml"))]
    assert len(found) == 5
    return found


def listed(found: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """(name of the list, entry) at every depth that Grafana gives a type to."""
    if not isinstance(found, dict):
        return
    for name, entries in found.items():
        if name in KEYS and isinstance(entries, list):
            for entry in entries:
                yield name, entry
                yield from listed(entry)


def test_every_key_is_one_that_grafana_reads(files: list[Any]) -> None:
    entries = [pair for document in files for pair in listed(document)]
    assert {name for name, _ in entries} == set(KEYS)
    for name, entry in entries:
        assert set(entry) <= set(KEYS[name].split()), name
    assert all(document["apiVersion"] == 1 for document in files)


def test_uids_and_durations_are_as_grafana_takes_them(files: list[Any]) -> None:
    for name, entry in (pair for document in files for pair in listed(document)):
        for key in ("uid", "folderUid"):
            assert key not in entry or UID.fullmatch(entry[key]), (name, entry[key])
        for key in ("interval", "for", "group_wait", "group_interval", "repeat_interval"):
            assert key not in entry or DURATION.fullmatch(entry[key]), (name, entry[key])
        if name == "rules":
            assert entry["noDataState"] in ("NoData", "Alerting", "OK", "KeepLast")
            assert entry["execErrState"] in ("Error", "Alerting", "OK", "KeepLast")
            assert len(entry["title"]) <= 190


def strings(found: Any) -> Iterator[str]:
    if isinstance(found, str):
        yield found
    elif isinstance(found, dict):
        for key, value in found.items():
            # A rule's model is stored as it is written: macros need no second dollar there.
            yield from () if key == "model" else strings(value)
    elif isinstance(found, list):
        for value in found:
            yield from strings(value)


def test_a_dollar_is_a_variable_of_the_environment(files: list[Any]) -> None:
    """Anything else after a dollar Grafana replaces by nothing."""
    for text in (text for document in files for text in strings(document)):
        assert "$" not in text or re.fullmatch(r"\$LIVEWATCH_[A-Z0-9_]+", text), text
