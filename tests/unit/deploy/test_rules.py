"""The tests of the Prometheus rules can fail: every threshold and every `for` is moved."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

DEPLOYED = Path(__file__).parents[3] / "deploy/prometheus"
pytestmark = pytest.mark.skipif(
    shutil.which("promtool") is None,
    reason="promtool is not installed (Debian, Ubuntu: apt install prometheus)",
)
#: A figure that decides: not the length of a range, not a part of a name, not "nothing at all".
FIGURE = re.compile(r"(?<![\w.\[{-])-?(?!0(?![.\d]))\d+(?:\.\d+)?(?![\w.\]])")
SECONDS = {"h": 3600, "m": 60, "s": 1}


def moved(expression: str, which: int, factor: float) -> str:
    """With the figure number `which` multiplied; as it is where there are fewer."""
    spans = list(FIGURE.finditer(expression))
    if which >= len(spans):
        return expression
    at = spans[which]
    return f"{expression[: at.start()]}{float(at.group()) * factor:g}{expression[at.end() :]}"


def held(rule: dict[str, Any], factor: float) -> dict[str, Any]:
    """With its `for` multiplied."""
    parts = re.findall(r"(\d+)([hms])", rule.get("for", ""))
    seconds = sum(int(number) * SECONDS[unit] for number, unit in parts)
    return rule | {"for": f"{round(seconds * factor)}s"} if seconds else rule


def survivors(folder: Path, change: Callable[[dict[str, Any]], dict[str, Any]]) -> set[str]:
    """Alerts that were changed, all at once, and whose tests did not notice."""
    changed = set()
    for file in (DEPLOYED / "rules").glob("*.yml"):
        told = yaml.safe_load(file.read_text("utf-8"))
        for group in told["groups"]:
            new = [change(rule) for rule in group["rules"]]
            changed |= {a["alert"] for a, b in zip(group["rules"], new, strict=True) if a != b}
            group["rules"] = new
        path = folder / "rules" / file.name
        path.parent.mkdir(exist_ok=True)
        path.write_text(yaml.safe_dump(told, allow_unicode=True), "utf-8")
    shutil.copytree(DEPLOYED / "tests", folder / "tests")
    argv = ["promtool", "test", "rules", str(folder / "tests/thresholds.yml")]
    done = subprocess.run(argv, capture_output=True, text=True)
    assert changed
    return changed - set(re.findall(r'alertname=\\?"(\w+)', done.stdout + done.stderr))


@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize("factor", [0.8, 1.25])
def test_a_threshold_that_is_moved_is_noticed(tmp_path: Path, which: int, factor: float) -> None:
    def change(rule: dict[str, Any]) -> dict[str, Any]:
        return rule | {"expr": moved(rule["expr"], which, factor)}

    assert survivors(tmp_path, change) == set()


@pytest.mark.parametrize("factor", [0.5, 2])
def test_a_wait_that_is_moved_is_noticed(tmp_path: Path, factor: float) -> None:
    assert survivors(tmp_path, lambda rule: held(rule, factor)) == set()


def test_a_comparison_that_is_turned_is_noticed(tmp_path: Path) -> None:
    def change(rule: dict[str, Any]) -> dict[str, Any]:
        turned = str.maketrans("<>", "><")
        return rule | {"expr": rule["expr"].translate(turned).replace("== 0", "!= 0")}

    assert survivors(tmp_path, change) == set()


def test_figures_are_seen() -> None:
    assert moved("a_5m{x='p9'} > 0.05 * rate(b[5m]) and c < -30", 0, 2).startswith(
        "a_5m{x='p9'} > 0.1 *"
    )
    assert moved("rate(b[5m]) > 0 and c < -30", 0, 2) == "rate(b[5m]) > 0 and c < -60"
