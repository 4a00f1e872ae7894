"""Settings of the process that tells alerts, from the environment (prefix LIVEWATCH_ALERTS_)."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class AlertSettings(BaseSettings):
    """Typed and documented; a wrong value fails at the start with the variable's name.

    Kafka's address is LIVEWATCH_BOOTSTRAP, as for everything else.
    """

    model_config = SettingsConfigDict(env_prefix="LIVEWATCH_ALERTS_", extra="ignore")

    outbox: Path = Field(Path(".livewatch/state/alerts"), description="directory of the outbox")
    receivers: Path | None = Field(None, description="file of webhooks, YAML; none: no webhooks")
    alertmanager: str = Field("", description="http(s)://host:port[,...] of Alertmanager; or none")
    link: str = Field("", description="http(s)://host of the API as people reach it; or none")
    resend_s: float = Field(60.0, ge=0.2, le=600, description="open alerts are told this often")
    timeout_s: float = Field(10.0, gt=0, le=120, description="a receiver must answer within")
    first_retry_s: float = Field(1.0, gt=0, le=3600, description="the first retry waits about so")
    most_retry_s: float = Field(300.0, gt=0, le=86_400, description="and later ones at most")
    give_up_h: float = Field(24.0, gt=0, le=720, description="then it is a dead letter")
    history_h: float = Field(
        24.0, ge=0, le=720, description="of what was flagged before the first start: so much"
    )

    @field_validator("alertmanager")
    @classmethod
    def _addresses(cls, value: str) -> str:
        for one in filter(None, value.split(",")):
            parts = urlsplit(one)
            if parts.scheme not in ("http", "https") or not parts.hostname:
                raise ValueError("must be http://host:port, or several with commas between")
        return value

    @field_validator("link")
    @classmethod
    def _address(cls, value: str) -> str:
        parts = urlsplit(value)
        if value and (parts.scheme not in ("http", "https") or not parts.hostname):
            raise ValueError("must be https://host, or https://host/path")
        return value.rstrip("/")

    def alertmanagers(self) -> list[str]:
        return [one.rstrip("/") for one in self.alertmanager.split(",") if one]
