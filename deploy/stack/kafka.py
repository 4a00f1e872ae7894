"""The real Apache Kafka, one node in KRaft mode, from the jars that setup fetched."""

from __future__ import annotations

import base64
import logging
import os
import shutil
import subprocess
import uuid
from dataclasses import dataclass
from pathlib import Path

from deploy.errors import StackError
from deploy.stack.java import find_java
from deploy.stack.settings import CHECKOUT, HOST

VERSION = "4.1.1"
_HEAP = ("-Xms128m", "-Xmx768m")
_JVM = (
    *_HEAP,
    "-XX:+UseG1GC",
    "-XX:MaxGCPauseMillis=20",
    "-XX:+ExitOnOutOfMemoryError",
    "-XX:-UsePerfData",
    "-Djava.awt.headless=true",
    "-Djava.net.preferIPv4Stack=true",
)
_LOG4J = CHECKOUT / "deploy" / "kafka" / "log4j2.properties"

# Loopback only, everything replicated once, and no waiting that serves a cluster's benefit.
_PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@{host}:{controller_port}
listeners=BROKER://{host}:{port},CONTROLLER://{host}:{controller_port}
advertised.listeners=BROKER://{host}:{port}
controller.listener.names=CONTROLLER
inter.broker.listener.name=BROKER
listener.security.protocol.map=BROKER:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={log_dir}
auto.create.topics.enable=false
message.max.bytes=2097152
replica.fetch.max.bytes=2097152
log.retention.hours=24
log.retention.bytes=1073741824
log.segment.bytes=134217728
log.cleaner.dedupe.buffer.size=16777216
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
offsets.topic.num.partitions=8
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
num.network.threads=2
num.io.threads=4
"""


@dataclass(frozen=True)
class Broker:
    """One broker: where it keeps its log and on which ports it listens."""

    directory: Path
    port: int
    controller_port: int

    @property
    def bootstrap(self) -> str:
        return f"{HOST}:{self.port}"

    def command(self) -> list[str]:
        """Write the configuration, format the log directory at first use; the command to run."""
        java, jars = str(find_java()), jar_directory()
        self.directory.mkdir(parents=True, exist_ok=True)
        config = self.directory / "server.properties"
        config.write_text(self._properties())
        self._format_once(java, jars, config)
        logging_config = f"-Dlog4j2.configurationFile={_LOG4J}"
        return [java, *_JVM, logging_config, "-cp", f"{jars}/*", "kafka.Kafka", str(config)]

    def _properties(self) -> str:
        return _PROPERTIES.format(
            host=HOST,
            port=self.port,
            controller_port=self.controller_port,
            log_dir=self.directory / "log",
        )

    def _format_once(self, java: str, jars: Path, config: Path) -> None:
        stamp = self.directory / "formatted"
        if stamp.exists():
            return
        # Without the stamp no broker ever ran here: what lies there is half a format.
        shutil.rmtree(self.directory / "log", ignore_errors=True)
        tool = [java, "-Xmx128m", "-cp", f"{jars}/*", "kafka.tools.StorageTool"]
        arguments = ["format", "--cluster-id", _new_cluster_id(), "--config", str(config)]
        done = subprocess.run([*tool, *arguments], capture_output=True, text=True, timeout=60)
        if done.returncode != 0:
            last = (done.stderr or done.stdout).strip().splitlines()[-1:]
            raise StackError(f"Kafka's log directory could not be formatted: {' '.join(last)}")
        stamp.touch()


def jar_directory() -> Path:
    """Where the broker's jars are. Raises StackError when setup has not fetched them."""
    default = CHECKOUT / ".livewatch" / "kafka" / VERSION / "lib"
    jars = Path(os.environ.get("LIVEWATCH_KAFKA_JARS", default))
    if not (jars / f"kafka_2.13-{VERSION}.jar").is_file():
        raise StackError(f"Kafka's jars are not in {jars}: run `make setup`")
    return jars


def not_ready(bootstrap: str, timeout_ms: int = 2000) -> str | None:
    """None when the broker answers a metadata request as an unfenced member, else why not."""
    from kafka import KafkaAdminClient  # heavy, and needed by few commands
    from kafka.errors import KafkaError

    logging.getLogger("kafka").setLevel(logging.CRITICAL)
    try:
        admin = KafkaAdminClient(
            bootstrap_servers=bootstrap,
            request_timeout_ms=timeout_ms,
            bootstrap_timeout_ms=timeout_ms,
            reconnect_backoff_ms=20,
        )
    except (KafkaError, OSError) as error:
        return f"no answer on {bootstrap} ({type(error).__name__})"
    try:
        brokers = admin.describe_cluster()["brokers"]
        return None if brokers else "no broker is registered yet"
    except (KafkaError, OSError) as error:
        return f"metadata request failed ({type(error).__name__})"
    finally:
        admin.close()


def _new_cluster_id() -> str:
    """22 characters of base64url, as Kafka's own Uuid; not one that looks like an option."""
    while True:
        text = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        if not text.startswith("-"):
            return text
