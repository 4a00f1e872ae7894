"""Writes the committed dashboard JSON, or with --check says which file is stale."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Final

from grafana.dashboards.boards import (
    category_scenario,
    city_overview,
    complaints,
    data_quality,
    district_base,
    flags_appeals,
    pipeline_health,
    platform,
    session_detail,
)
from grafana.dashboards.model import Dashboard
from grafana.dashboards.render import render
from grafana.dashboards.text import LANGS

FOLDER: Final = Path(__file__).parent / "json"
DASHBOARDS: Final[tuple[Dashboard, ...]] = (
    city_overview.DASHBOARD,
    platform.DASHBOARD,
    district_base.DASHBOARD,
    category_scenario.DASHBOARD,
    complaints.DASHBOARD,
    flags_appeals.DASHBOARD,
    session_detail.DASHBOARD,
    data_quality.DASHBOARD,
    pipeline_health.DASHBOARD,
)


def rendered() -> dict[str, str]:
    """File -> text: `zh/NN_<name>.json` and `en/NN_<name>.json`, numbered in order of use."""
    files: dict[str, str] = {}
    for number, dashboard in enumerate(DASHBOARDS, 1):
        name = f"{number:02d}_{dashboard.uid.replace('-', '_')}.json"
        for lang in LANGS:
            body = json.dumps(render(dashboard, lang), ensure_ascii=False, indent=1)
            files[f"{lang}/{name}"] = body + "\n"
    return files


def stale() -> list[str]:
    """Names of committed files that differ from the definition, or that it no longer makes."""
    wanted = rendered()
    found = {f"{p.parent.name}/{p.name}": p.read_text("utf-8") for p in FOLDER.glob("*/*.json")}
    return sorted(n for n in wanted.keys() | found.keys() if wanted.get(n) != found.get(n))


def main(arguments: list[str]) -> int:
    if "--check" in arguments:
        names = stale()
        for name in names:
            sys.stderr.write(f"{name} is stale: run python -m grafana.dashboards.build\n")
        return 1 if names else 0
    wanted = rendered()
    for old in FOLDER.glob("*/*.json"):
        old.unlink()
    for name, text in wanted.items():
        path = FOLDER / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
