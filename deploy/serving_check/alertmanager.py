"""The real Alertmanager, with the configuration that is shipped, telling a receiver of ours."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import yaml

from deploy.alertmanager import build
from deploy.errors import StackError
from deploy.stack.process import Child, last_lines
from deploy.stack.settings import HOST

HOW = "Debian, Ubuntu: apt install prometheus-alertmanager"
_NAMES = ("prometheus-alertmanager", "alertmanager")


def program() -> str | None:
    """Where Alertmanager is; None where it is not installed."""
    return next((found for name in _NAMES if (found := shutil.which(name))), None)


def hurried(bridge: str, resolve: str = "10m") -> str:
    """The shipped configuration, its waits cut short and its messages sent to `bridge`; `resolve`
    is how long it keeps an alert that nobody tells again."""
    whole = build.text().replace(build.BRIDGE, bridge)
    config = yaml.safe_load(whole)
    config["global"]["resolve_timeout"] = resolve
    routes = [config["route"], *config["route"]["routes"]]
    for route in routes:
        route |= {"group_wait": "200ms", "group_interval": "1s", "repeat_interval": "1h"}
    return str(yaml.safe_dump(config, allow_unicode=True, sort_keys=False))


class Alertmanager:
    """A process on `port` with its data in `directory`; may be killed and started again."""

    def __init__(self, directory: Path, port: int, config: str) -> None:
        found = program()
        if found is None:
            raise StackError(f"Alertmanager is not installed ({HOW})")
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "alertmanager.yml").write_text(config, "utf-8")
        self.url = f"http://{HOST}:{port}"
        self._log = directory / "alertmanager.log"
        self._argv = [
            found,
            f"--config.file={directory / 'alertmanager.yml'}",
            f"--storage.path={directory / 'data'}",
            f"--web.listen-address={HOST}:{port}",
            "--cluster.listen-address=",
        ]
        self.start()

    def start(self) -> None:
        """Return once it is ready. Raises StackError."""
        self._child = Child(self._argv, dict(os.environ), self._log)
        self._await(self._ready)

    def kill(self) -> None:
        self._child.kill()

    def alerts(self) -> list[dict[str, Any]]:
        """What it has, muted ones included."""
        answer = httpx.get(self.url + "/api/v2/alerts", timeout=5, trust_env=False)
        found: list[dict[str, Any]] = answer.raise_for_status().json()
        return found

    def post(self, alerts: list[dict[str, Any]]) -> None:
        """Tell it, as Prometheus does."""
        url = self.url + "/api/v2/alerts"
        httpx.post(url, json=alerts, timeout=5, trust_env=False).raise_for_status()

    def _ready(self) -> bool:
        try:
            return httpx.get(self.url + "/-/ready", timeout=2, trust_env=False).is_success
        except httpx.HTTPError:
            return False

    def _await(self, done: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 30
        while not done():
            if time.monotonic() > deadline or self._child.exit_code() is not None:
                said = " / ".join(last_lines(self._log, 3))
                self._child.kill()
                raise StackError(f"Alertmanager does not start: {said}")
            time.sleep(0.1)
