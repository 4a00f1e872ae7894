"""What an operator types finds the local stack where nothing else is said."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from typer.testing import CliRunner

from deploy import cli
from deploy.stack import here


@pytest.mark.parametrize(
    "line",
    [
        "migrate --help",
        "topics --help",
        "alerts status --help",
        "report --help",
        "calibrate --help",
    ],
)
def test_a_command_of_a_page_looks_for_it(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[str] = []
    monkeypatch.setattr(cli, "use_local_stack", lambda: looked.append(line))
    done = CliRunner().invoke(cli.app, line.split())
    assert done.exit_code == 0
    assert looked


def test_a_key_is_registered_where_the_stack_s_workers_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = tmp_path / "home" / "secrets" / "keys.json"
    registry.parent.mkdir(parents=True)
    registry.write_text('{"version": 1, "keys": [], "delegations": []}')
    document = tmp_path / "p01.json"
    public = Ed25519PrivateKey.generate().public_key().public_bytes_raw().hex()
    document.write_text(json.dumps({"owner": "platform/p01", "public_key": public}))
    told = {name: value for name, value in os.environ.items() if "LIVEWATCH" not in name}
    monkeypatch.setattr(os, "environ", told | {"LIVEWATCH_HOME": str(tmp_path / "home")})
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(cli.app, ["keys", "register", str(document)])
    assert done.exit_code == 0, done.output
    assert str(registry) in done.output
    assert public in registry.read_text()


def test_the_outbox_is_the_stack_s_and_what_is_set_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "environ", {"LIVEWATCH_HOME": str(tmp_path)})
    here.use_local_stack()
    assert os.environ["LIVEWATCH_ALERTS_OUTBOX"] == str(tmp_path / "state" / "alerts")
    monkeypatch.setattr(os, "environ", {"LIVEWATCH_BOOTSTRAP": "kafka:9092"})
    here.use_local_stack()
    assert os.environ == {"LIVEWATCH_BOOTSTRAP": "kafka:9092"}
