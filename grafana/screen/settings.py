"""Where the screen finds ClickHouse, from the environment, checked at start."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class ServeSettings(BaseSettings):
    """Variables LIVEWATCH_SCREEN_*."""

    model_config = SettingsConfigDict(env_prefix="LIVEWATCH_SCREEN_")

    prometheus: str = Field(default="", description="address of a Prometheus; empty is none")
    workers: str = Field(
        default="", description="/metrics of each worker, commas between, where there is none"
    )
    audit: str = Field(
        default="", description="Kafka, where accesses are put on record; needed with accounts"
    )
    accounts: Path | None = Field(
        default=None, description="file of who may log in; needed beyond this machine"
    )


class ScreenSettings(BaseSettings):
    """Variables LIVEWATCH_CLICKHOUSE_*; the user needs SELECT on the v_ views and no more."""

    model_config = SettingsConfigDict(env_prefix="LIVEWATCH_CLICKHOUSE_")

    host: str = Field(default="127.0.0.1", description="ClickHouse host")
    port: int = Field(default=9000, ge=1, le=65535, description="native TCP port")
    user: str = Field(default="default", description="read-only user")
    password_file: Path | None = Field(default=None, description="file that holds the password")
    database: str = Field(default="livewatch", description="database of the v_ views")
    threads: int = Field(default=4, ge=1, le=32, description="queries at the same time")
    max_threads: int = Field(
        default=1, ge=1, description="threads of one query: a page asks for many at once"
    )
    max_execution_time: int = Field(default=5, ge=1, le=60, description="seconds a query may take")
    max_result_rows: int = Field(default=20_000, ge=100, description="rows a query may return")

    def password(self) -> str:
        """Raises OSError when the file cannot be read."""
        if self.password_file is None:
            return ""
        return self.password_file.read_text("utf-8").strip()
