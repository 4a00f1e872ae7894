"""What the trials share: rows, the parties with their keys, and the gateway as a child process."""

from __future__ import annotations

import os
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

from deploy.errors import StackError
from deploy.stack.ports import free_run
from deploy.stack.process import Child, last_lines
from producers.gateway.api_keys import ApiKeyFile, new_key
from producers.keys.files import create_key, delegate
from schemas.keys import FOR_EVER_MS, KeyRegistry, PublicKey, save_registry
from schemas.signing import Signer

OWN, OTHER = "p01", "p02"
_START_S = 60.0


def order(number: int) -> dict[str, Any]:
    """A good row of orders that is known again by `paid_fen`."""
    return {
        "event_time": int(time.time() * 1000) - 1_000,
        "session_id": f"{number % 97 + 1:032x}",
        "room_pid": "0a" * 16,
        "streamer_pid": "0b" * 16,
        "mcn_pid": None,
        "merchant_pid": "0c" * 16,
        "base_id": None,
        "district": "310101",
        "category": "food",
        "scenario": None,
        "orders": 1,
        "paid_fen": number,
        "refunds": 0,
        "refunded_fen": 0,
    }


class Parties:
    """Two platforms and a gateway to which both delegate; and those who may not sign for p02."""

    def __init__(self, directory: Path, registry: Path) -> None:
        directory.mkdir(parents=True)
        self.directory = directory
        self.own = create_key(directory / "own.pem")
        self.other = create_key(directory / "other.pem")
        self.gateway = create_key(directory / "gateway.pem")
        self.stranger = create_key(directory / "stranger.pem")
        self.revoked = create_key(directory / "revoked.pem")
        self.expired = create_key(directory / "expired.pem")
        self.undelegated = create_key(directory / "undelegated.pem")
        save_registry(registry, self._registry())

    def _registry(self) -> KeyRegistry:
        now = int(time.time() * 1000)

        def key(signer: Signer, owner: str, end: int = FOR_EVER_MS, gone: int = FOR_EVER_MS) -> Any:
            return PublicKey(owner, signer.public_key.hex(), 0, end, gone)

        registry = KeyRegistry()
        for entry in (
            key(self.own, f"platform/{OWN}"),
            key(self.other, f"platform/{OTHER}"),
            key(self.gateway, "gateway/gw-1"),
            key(self.revoked, f"platform/{OTHER}", gone=now),
            key(self.expired, f"platform/{OTHER}", end=now),
            key(self.undelegated, "gateway/gw-2"),
        ):
            registry = registry.with_key(entry)
        for signer, platform_id in ((self.own, OWN), (self.other, OTHER)):
            registry = registry.with_delegation(delegate(signer, platform_id, self.gateway.key_id))
        return registry


class GatewayProcess:
    """`livewatch-push gateway`, that may be killed and started again."""

    def __init__(self, directory: Path, key: Path, bootstrap: str) -> None:
        self.port = free_run(1)
        self.keys = ApiKeyFile(directory / "api-keys.json")
        self._log = directory / "gateway.log"
        self._argv = [
            *(sys.executable, "-m", "producers.cli", "gateway", "--key", str(key)),
            *("--keys", str(self.keys.path), "--spool", str(directory / "gateway-spool")),
            *("--bootstrap", bootstrap, "--port", str(self.port), "--name", "check"),
        ]
        self._child = self._start()

    def api_key(self, platform_id: str, begin_ms: int = 0, end_ms: int = FOR_EVER_MS) -> str:
        entry, text = new_key(platform_id, "", begin_ms, end_ms)
        self.keys.add(entry)
        return text

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def kill(self) -> None:
        """SIGKILL, as a crash does it; then a new process on the same spool."""
        self._child.kill()
        self._child = self._start()

    def stop(self) -> None:
        """Raises StackError when it does not end in order."""
        import signal

        self._child.signal(signal.SIGTERM)
        if self._child.wait(60) != 0:
            self.end()
            raise StackError("the gateway did not end in order: " + self._said())

    def end(self) -> None:
        if self._child.exit_code() is None:
            self._child.kill()

    def _start(self) -> Child:
        env = {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
        child = Child(self._argv, env, self._log)
        deadline = time.monotonic() + _START_S
        while not self._answers():
            if child.exit_code() is not None or time.monotonic() > deadline:
                child.kill()
                raise StackError("the gateway did not start: " + self._said())
            time.sleep(0.05)
        return child

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/healthz", timeout=2) as reply:  # noqa: S310
                return bool(reply.status == 200)
        except OSError:
            return False

    def _said(self) -> str:
        return " / ".join(last_lines(self._log, 3))
