"""Settings from the environment, prefix LIVEWATCH_PUSH_; the command line wins."""

from __future__ import annotations

from pydantic import ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from producers.errors import UsageError


class Settings(BaseSettings):
    """What a deployment sets once. Each field is LIVEWATCH_PUSH_<NAME> in the environment."""

    model_config = SettingsConfigDict(env_prefix="LIVEWATCH_PUSH_")

    #: host:port[,host:port] of Kafka
    bootstrap: str = "127.0.0.1:9092"
    #: seconds to wait for Kafka at the start
    wait_s: float = 30.0
    #: batches without acknowledgement held in memory before sending blocks
    max_in_flight_batches: int = 4_000
    #: bytes without acknowledgement held in memory before sending blocks
    max_in_flight_bytes: int = 128 * 1024 * 1024
    #: key of the pseudonyms that replay makes; better a file (--secret-file)
    secret: str | None = None


def load() -> Settings:
    """Raises UsageError naming the variable that is wrong."""
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors()[0]
        name = "LIVEWATCH_PUSH_" + str(first["loc"][0]).upper()
        raise UsageError(f"{name}: {first['msg']}") from None
