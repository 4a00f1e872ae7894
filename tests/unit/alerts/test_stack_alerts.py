"""`livewatch up --alerts`: the process is part of the stack when it is asked for."""

from __future__ import annotations

from pathlib import Path

from deploy.stack.cli import arguments_of
from deploy.stack.services import Service, steps
from deploy.stack.settings import StackSettings


def services(settings: StackSettings) -> dict[str, Service]:
    return {one.name: one for step in steps(settings) if isinstance(step, list) for one in step}


def test_only_when_asked_for(tmp_path: Path) -> None:
    assert "alerts" not in services(StackSettings(tmp_path))
    assert "--alerts" not in arguments_of(StackSettings(tmp_path), fresh=False)


def test_hours_and_days_are_kept_up_where_that_is_asked_for(tmp_path: Path) -> None:
    assert "rollups" not in services(StackSettings(tmp_path))
    assert "--no-rollups" in arguments_of(StackSettings(tmp_path), fresh=False)
    settings = StackSettings(tmp_path, rollups=True)
    assert "--rollups" in arguments_of(settings, fresh=False)
    service = services(settings)["rollups"]
    assert service.command()[-2:] == ["--every", "300"]
    assert "LIVEWATCH_CLICKHOUSE_PASSWORD_FILE" in service.env


def test_it_knows_its_outbox_and_its_receivers(tmp_path: Path) -> None:
    settings = StackSettings(tmp_path, alerts=True, alertmanager="http://127.0.0.1:9093")
    env = services(settings)["alerts"].env
    assert env["LIVEWATCH_ALERTS_ALERTMANAGER"] == "http://127.0.0.1:9093"
    assert Path(env["LIVEWATCH_ALERTS_OUTBOX"]).is_relative_to(tmp_path)
    assert "LIVEWATCH_ALERTS_RECEIVERS" not in env
    (tmp_path / "secrets").mkdir(exist_ok=True)
    (tmp_path / "secrets" / "receivers.yml").write_text("receivers: []")
    again = services(settings)["alerts"].env
    assert again["LIVEWATCH_ALERTS_RECEIVERS"].endswith("secrets/receivers.yml")
    arguments = arguments_of(settings, fresh=False)
    assert arguments[arguments.index("--alertmanager") + 1] == "http://127.0.0.1:9093"
