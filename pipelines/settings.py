"""Settings of everything that the regulator runs, from the environment (prefix LIVEWATCH_)."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Typed and documented; a wrong value fails at start with the variable's name."""

    model_config = SettingsConfigDict(env_prefix="LIVEWATCH_", extra="ignore")

    bootstrap: str = Field("127.0.0.1:9092", description="Kafka brokers, host:port[,host:port]")
    partitions: int = Field(8, ge=1, le=1024, description="partitions of each telemetry topic")
    replication: int = Field(1, ge=1, le=9, description="replicas of each topic")
    clickhouse_host: str = Field("127.0.0.1", description="ClickHouse host")
    clickhouse_port: int = Field(9000, ge=1, le=65535, description="its native TCP port")
    clickhouse_user: str = Field("default", description="user that may write")
    clickhouse_password_file: Path | None = Field(None, description="file with the password")
    clickhouse_database: str = Field("livewatch", pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,63}$")
    clickhouse_compression: bool = Field(False, description="LZ4 on the wire to ClickHouse")
    group: str = Field("livewatch", pattern=r"^[a-z0-9-]{1,40}$", description="consumer group")
    keys_file: Path | None = Field(None, description="the registry of public keys, JSON")
    unsigned: Literal["refuse", "accept"] = Field(
        "refuse", description="what happens to batches without a signature"
    )
    calibration_file: Path | None = Field(
        None, description="thresholds of the complaint spike, from livewatch calibrate"
    )
    season_file: Path | None = Field(
        None,
        description="seasonal factors of the complaint spike, from livewatch seasons",
    )
    session_timeout_s: float = Field(
        10.0, ge=1, le=300, description="a worker silent for this long loses its partitions"
    )
    lateness_s: float = Field(120.0, ge=0, le=3600, description="allowed lateness, event time")
    idle_s: float = Field(30.0, ge=1, le=3600, description="a source silent for this long is idle")
    flush_s: float = Field(0.4, gt=0, le=60, description="raw rows are stored this often")
    tick_s: float = Field(1.0, gt=0, le=60, description="detectors look at open minutes this often")
    max_pending_rows: int = Field(
        400_000, ge=1000, description="rows not yet stored, above which reading pauses"
    )

    mailbox_mb: int = Field(
        64, ge=1, le=4096, description="received and not yet folded, above which reading pauses"
    )
    max_ahead_minutes: int = Field(
        30, ge=2, le=600,
        description="orders or viewers wait when this far ahead of the other, event time; "
        "complaints when four times as far",
    )  # fmt: skip

    policy_file: Path | None = Field(None, description="the routing policy; the shipped one")
    accounts_file: Path = Field(Path("accounts.json"), description="named accounts and their roles")
    api_requests_per_s: float = Field(
        20.0, gt=0, le=10_000, description="requests a second of one account or address"
    )
    proxy_address: str = Field("", description="address of a trusted OIDC proxy; none")
    proxy_secret_file: Path | None = Field(None, description="what the proxy proves itself by")

    @property
    def ledger_id(self) -> str:
        """Transactional id that all who append to the ledger share: their fence."""
        return f"{self.group}-ledger"

    @field_validator("bootstrap")
    @classmethod
    def _host_ports(cls, value: str) -> str:
        for part in value.split(","):
            host, _, port = part.rpartition(":")
            if not host or not port.isdigit():
                raise ValueError("must be host:port, or several with commas between")
        return value

    def clickhouse_password(self) -> str:
        """The password, read from its file each time it is needed and never kept."""
        if self.clickhouse_password_file is None:
            return ""
        return self.clickhouse_password_file.read_text("utf-8").strip()
