"""Writes Grafana's provisioning folder: for the commission as committed, for more by option.

python -m grafana.provisioning.build --out DIR --district 310112 --platform p01
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import yaml

from grafana.dashboards.text import LANGS, Json
from grafana.provisioning import alerting
from grafana.provisioning.organisations import COMMISSION, Organisation, organisations
from grafana.screen.library import Library

HERE: Final = Path(__file__).parent
_HEAD: Final = "# Made by `python -m grafana.provisioning.build` from what stands beside it.\n"
#: Where the container or package of Grafana finds the dashboards' JSON.
MOUNT: Final = "/etc/livewatch/dashboards"


def rendered(listed: Sequence[Organisation]) -> dict[str, str]:
    """File -> text, for these organisations."""
    documents: dict[str, Json] = {
        "datasources/livewatch.yaml": {"apiVersion": 1, "datasources": _sources(listed)},
        "dashboards/livewatch.yaml": {"apiVersion": 1, "providers": _providers(listed)},
        "alerting/rules.yaml": {"apiVersion": 1, "groups": [alerting.rules(COMMISSION.id)]},
        "alerting/contact-points.yaml": {
            "apiVersion": 1,
            "contactPoints": [{"orgId": COMMISSION.id, **c} for c in alerting.CONTACTS],
        },
        "alerting/policies.yaml": {"apiVersion": 1, "policies": [alerting.policy(COMMISSION.id)]},
    }
    return {name: _HEAD + _text(document) for name, document in documents.items()}


def _text(document: Any) -> str:
    return yaml.safe_dump(document, allow_unicode=True, sort_keys=False, width=100)


def _sources(listed: Sequence[Organisation]) -> list[Json]:
    found = [_clickhouse(one) for one in listed]
    prometheus = {
        "name": "prometheus",
        "uid": "prometheus",
        "orgId": COMMISSION.id,
        "type": "prometheus",
        "access": "proxy",
        "url": "$LIVEWATCH_PROMETHEUS_URL",
        "editable": False,
    }
    return [*found, prometheus]


def _clickhouse(one: Organisation) -> Json:
    return {
        "name": "livewatch",
        "uid": "livewatch",
        "orgId": one.id,
        "type": "grafana-clickhouse-datasource",
        "access": "proxy",
        "isDefault": True,
        "editable": False,
        "jsonData": {
            "host": "$LIVEWATCH_CLICKHOUSE_HOST",
            "port": 9440,
            "protocol": "native",
            "secure": True,
            "username": one.role,
            "defaultDatabase": "livewatch" if one == COMMISSION else one.role,
            "dialTimeout": "10",
            "queryTimeout": "20",
        },
        "secureJsonData": {"password": f"${one.variable}"},
    }


def _providers(listed: Sequence[Organisation]) -> list[Json]:
    titles = {"zh": "直播电商运行监测", "en": "Live-commerce monitoring"}
    return [
        {
            "name": f"livewatch-{one.id}-{lang}",
            "orgId": one.id,
            "folder": titles[lang],
            "folderUid": f"livewatch-{lang}",
            "type": "file",
            "disableDeletion": True,
            "allowUiUpdates": False,
            "options": {"path": f"{MOUNT}/{'own' if one.boards else 'all'}/{lang}"},
        }
        for one in listed
        for lang in LANGS
    ]


def write(out: Path, listed: Sequence[Organisation]) -> None:
    """Provisioning, and the JSON of the dashboards: all, and those of readers with own rows."""
    for name, text in rendered(listed).items():
        path = out / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    for lang in LANGS:
        for source in sorted((HERE.parent / "dashboards" / "json" / lang).glob("*.json")):
            text = source.read_text("utf-8")
            _copy(out / "json" / "all" / lang / source.name, text)
            if any(board.replace("-", "_") in source.name for board in _own(listed)):
                _copy(out / "json" / "own" / lang / source.name, text)


def _own(listed: Sequence[Organisation]) -> set[str]:
    known = {board["uid"] for board in Library.committed().listing()}
    return {board for one in listed for board in one.boards} & known


def _copy(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")


def stale() -> list[str]:
    """Committed files that differ from what the definition makes for the commission."""
    wanted = rendered([COMMISSION])
    paths = {name: HERE / name for name in wanted}
    found = {n: p.read_text("utf-8") if p.exists() else "" for n, p in paths.items()}
    return sorted(name for name in wanted if wanted[name] != found[name])


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="grafana.provisioning.build", description=__doc__)
    parser.add_argument("--out", type=Path, help="folder for a deployment; else the committed one")
    parser.add_argument("--district", action="append", default=[], help="GB/T 2260 code")
    parser.add_argument("--platform", action="append", default=[], help="platform_id")
    asked = parser.parse_args(arguments)
    try:
        listed = organisations(asked.district, asked.platform)
    except KeyError as error:
        parser.error(f"--district {error.args[0]} is no district of the list")
    if asked.out is None:
        for name, text in rendered([COMMISSION]).items():
            _copy(HERE / name, text)
    else:
        write(asked.out, listed)
    for one in listed:
        sys.stdout.write(f"organisation {one.id}: {one.name.zh} {one.name.en}, {one.variable}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
