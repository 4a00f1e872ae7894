"""Writes the committed dashboard JSON, or with --check says which file is stale."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Final

from grafana.dashboards import city_overview
from grafana.dashboards.model import LANGS, Dashboard

FOLDER: Final = Path(__file__).parent
DASHBOARDS: Final[tuple[Dashboard, ...]] = (city_overview.DASHBOARD,)


def rendered() -> dict[str, str]:
    """File name -> text: `<name>.json` is the Chinese one, `<name>.en.json` the English."""
    files: dict[str, str] = {}
    for dashboard in DASHBOARDS:
        stem = dashboard.uid.replace("-", "_")
        for lang in LANGS:
            name = f"{stem}.json" if lang == "zh" else f"{stem}.en.json"
            body = json.dumps(dashboard.to_json(lang), ensure_ascii=False, indent=2)
            files[name] = body + "\n"
    return files


def stale() -> list[str]:
    """Names of committed files that differ from the definition, or that it no longer makes."""
    wanted = rendered()
    found = {p.name: p.read_text("utf-8") for p in FOLDER.glob("*.json")}
    return sorted(n for n in wanted.keys() | found.keys() if wanted.get(n) != found.get(n))


def main(arguments: list[str]) -> int:
    if "--check" in arguments:
        names = stale()
        for name in names:
            sys.stderr.write(f"{name} is stale: run python -m grafana.dashboards.build\n")
        return 1 if names else 0
    for name, text in rendered().items():
        (FOLDER / name).write_text(text, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
