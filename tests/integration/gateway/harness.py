"""A gateway as it is run, on a real broker, and a platform that talks to it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx

from deploy.stack.ports import free_run
from producers.gateway.api_keys import ApiKeyFile, new_key
from producers.keys.files import create_key
from schemas.keys import FOR_EVER_MS

PARTITIONS = 4


class RunningGateway:
    """`livewatch-push gateway` as a child process."""

    def __init__(self, directory: Path, bootstrap: str, *arguments: str) -> None:
        self.directory, self.bootstrap = directory, bootstrap
        self.port = free_run(2)
        self.metrics_port = self.port + 1
        self.key_file = directory / "gw.pem"
        self.signer = create_key(self.key_file)
        self.keys = ApiKeyFile(directory / "keys.json")
        self.arguments = list(arguments)
        self.scheme = "https" if "--tls-cert" in arguments else "http"
        self.log = directory / "gateway.log"
        self._process: subprocess.Popen[bytes] | None = None

    def key(self, platform_id: str, **validity: int) -> str:
        """A new API key of a platform."""
        begin, end = validity.get("begin", 0), validity.get("end", FOR_EVER_MS)
        entry, text = new_key(platform_id, "", begin, end)
        self.keys.add(entry)
        return text

    def start(self) -> RunningGateway:
        command = [
            *(sys.executable, "-m", "producers.cli", "gateway", "--key", str(self.key_file)),
            *("--keys", str(self.keys.path), "--spool", str(self.directory / "spool")),
            *("--bootstrap", self.bootstrap, "--port", str(self.port), "--name", "t1"),
            *("--metrics-port", str(self.metrics_port), *self.arguments),
        ]
        env = os.environ | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, env=env)
        deadline = time.monotonic() + 60
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(self.log.read_text()[-2000:])
            time.sleep(0.05)
        return self

    def _answers(self) -> bool:
        try:  # the listener, whatever it speaks
            with httpx.Client(trust_env=False, verify=False) as client:  # noqa: S501
                client.get(f"http://127.0.0.1:{self.metrics_port}/metrics", timeout=2)
                if self.scheme == "https":  # the metrics may be there before the listener
                    socket.create_connection(("127.0.0.1", self.port), 2).close()
                    return True
                return client.get(self.url + "/healthz", timeout=2).status_code == 200
        except (httpx.HTTPError, OSError):
            return False

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}"

    def client(self, key: str | None = None) -> httpx.Client:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        return httpx.Client(base_url=self.url, headers=headers, trust_env=False, timeout=20)

    def metric(self, name: str) -> float:
        url = f"http://127.0.0.1:{self.metrics_port}/metrics"
        lines = httpx.get(url, trust_env=False).text.splitlines()
        mine = [x for x in lines if x.partition(" ")[0].partition("{")[0] == name]
        return sum(float(x.rpartition(" ")[2]) for x in mine)

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(40)

    def end(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self.kill()

    def await_delivery(self, client: httpx.Client, key: str) -> None:
        """Until Kafka has what was sent with this idempotency key."""
        deadline = time.monotonic() + 30
        while client.get(f"/v1/receipts/{key}").json().get("state") != "delivered":
            assert time.monotonic() < deadline
            time.sleep(0.05)


def order(number: int, **changes: Any) -> dict[str, Any]:
    """A good row of orders; its session depends on `number`."""
    return {
        "event_time": int(time.time() * 1000) - 2_000,
        "session_id": f"{number:032x}",
        "room_pid": "0a" * 16,
        "streamer_pid": "0b" * 16,
        "merchant_pid": "0c" * 16,
        "district": "310101",
        "category": "food",
        "orders": number,
        "paid_fen": 100,
        "refunds": 0,
        "refunded_fen": 0,
    } | changes


def orders(first: int, count: int) -> bytes:
    return json.dumps([order(n) for n in range(first, first + count)]).encode()
