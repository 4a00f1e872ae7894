"""The real Apache Kafka, one or three nodes in KRaft mode, from the jars that setup fetched."""

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
from deploy.stack.home import Home
from deploy.stack.java import find_java
from deploy.stack.settings import BROKER_STRIDE, CHECKOUT, HOST, StackSettings

VERSION = "4.1.1"
_JVM = (
    "-Xms128m",
    "-XX:+UseG1GC",
    "-XX:MaxGCPauseMillis=20",
    "-XX:+ExitOnOutOfMemoryError",
    "-XX:-UsePerfData",
    "-Djava.awt.headless=true",
    "-Djava.net.preferIPv4Stack=true",
)
_LOG4J = CHECKOUT / "deploy" / "kafka" / "log4j2.properties"

# Loopback only, and no waiting that serves a large cluster's benefit.
_PROPERTIES = """\
process.roles=broker,controller
node.id={node}
controller.quorum.voters={voters}
listeners={listeners}
advertised.listeners={advertised}
controller.listener.names=CONTROLLER
inter.broker.listener.name={between}
listener.security.protocol.map=CLIENT:PLAINTEXT,BETWEEN:PLAINTEXT,CONTROLLER:PLAINTEXT
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
offsets.topic.replication.factor={brokers}
default.replication.factor={brokers}
min.insync.replicas={least}
broker.session.timeout.ms=6000
broker.heartbeat.interval.ms=1500
transaction.state.log.num.partitions=4
transaction.state.log.replication.factor={brokers}
transaction.state.log.min.isr={least}
share.coordinator.state.topic.num.partitions=1
share.coordinator.state.topic.replication.factor={brokers}
share.coordinator.state.topic.min.isr={least}
num.network.threads=2
num.io.threads=4
"""


@dataclass(frozen=True)
class Cluster:
    """What its brokers have in common: the first one's ports, and how many they are.

    `advertised` is the port that clients are told for the first broker.
    """

    directory: Path
    port: int
    controller_port: int
    brokers: int = 1
    advertised: int = 0

    @classmethod
    def of(cls, settings: StackSettings) -> Cluster:
        """The brokers of a local stack."""
        data, ports = Home(settings.home).data, settings.ports
        via = settings.detours.kafka or ports.kafka
        return cls(data, ports.kafka, ports.kafka_controller, settings.brokers, via)

    @property
    def voters(self) -> str:
        return ",".join(
            f"{n + 1}@{HOST}:{self.controller_port + n * BROKER_STRIDE}"
            for n in range(self.brokers)
        )

    def id(self) -> str:
        """Made once; all brokers must be formatted with the same one.

        Raises StackError when the home's brokers were another number.
        """
        path = self.directory / "kafka-cluster"
        if not path.exists():
            self.directory.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{_new_cluster_id()} {self.brokers}")
        cluster_id, count = path.read_text().split()
        if int(count) != self.brokers:
            raise StackError(f"this home has {count} brokers: `--fresh` forgets them")
        return cluster_id


@dataclass(frozen=True)
class Broker:
    """One broker of a cluster, numbered from 0: where its log is and on which ports it listens."""

    cluster: Cluster
    number: int = 0

    @property
    def directory(self) -> Path:
        return self.cluster.directory / ("kafka" if self.number == 0 else f"kafka{self.number + 1}")

    @property
    def port(self) -> int:
        return self.cluster.port + self.number * BROKER_STRIDE

    @property
    def controller_port(self) -> int:
        return self.cluster.controller_port + self.number * BROKER_STRIDE

    @property
    def bootstrap(self) -> str:
        return f"{HOST}:{self.port}"

    def command(self) -> list[str]:
        """Write the configuration, format the log directory at first use; the command to run."""
        java, jars = str(find_java()), jar_directory()
        cluster_id = self.cluster.id()
        self.directory.mkdir(parents=True, exist_ok=True)
        config = self.directory / "server.properties"
        config.write_text(self._properties())
        self._format_once(java, jars, config, cluster_id)
        heap = "-Xmx768m" if self.cluster.brokers == 1 else "-Xmx512m"
        jvm = [*_JVM, heap, f"-Dlog4j2.configurationFile={_LOG4J}"]
        return [java, *jvm, "-cp", f"{jars}/*", "kafka.Kafka", str(config)]

    def _properties(self) -> str:
        brokers, above = self.cluster.brokers, self.number * BROKER_STRIDE
        listeners = {"CLIENT": self.port, "CONTROLLER": self.controller_port}
        told = {"CLIENT": (self.cluster.advertised or self.cluster.port) + above}
        if brokers > 1:  # brokers reach each other whatever stands between them and their clients
            listeners["BETWEEN"] = told["BETWEEN"] = self.controller_port + 1
        return _PROPERTIES.format(
            node=self.number + 1,
            voters=self.cluster.voters,
            listeners=_endpoints(listeners),
            advertised=_endpoints(told),
            between="BETWEEN" if brokers > 1 else "CLIENT",
            brokers=brokers,
            least=2 if brokers > 2 else 1,
            log_dir=self.directory / "log",
        )

    def _format_once(self, java: str, jars: Path, config: Path, cluster_id: str) -> None:
        stamp = self.directory / "formatted"
        if stamp.exists():
            return
        # Without the stamp no broker ever ran here: what lies there is half a format.
        shutil.rmtree(self.directory / "log", ignore_errors=True)
        tool = [java, "-Xmx128m", "-cp", f"{jars}/*", "kafka.tools.StorageTool"]
        arguments = ["format", "--cluster-id", cluster_id, "--config", str(config)]
        done = subprocess.run([*tool, *arguments], capture_output=True, text=True, timeout=60)
        if done.returncode != 0:
            last = (done.stderr or done.stdout).strip().splitlines()[-1:]
            raise StackError(f"Kafka's log directory could not be formatted: {' '.join(last)}")
        stamp.touch()


def _endpoints(ports: dict[str, int]) -> str:
    return ",".join(f"{name}://{HOST}:{port}" for name, port in ports.items())


def jar_directory() -> Path:
    """Where the broker's jars are. Raises StackError when setup has not fetched them."""
    default = CHECKOUT / ".livewatch" / "kafka" / VERSION / "lib"
    jars = Path(os.environ.get("LIVEWATCH_KAFKA_JARS", default))
    if not (jars / f"kafka_2.13-{VERSION}.jar").is_file():
        raise StackError(f"Kafka's jars are not in {jars}: run `make setup`")
    return jars


def not_ready(bootstrap: str, brokers: int = 1, timeout_ms: int = 2000) -> str | None:
    """None when the broker names that many unfenced members of its cluster, else why not."""
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
        found = len(admin.describe_cluster()["brokers"])
        return None if found >= brokers else f"{found} of {brokers} brokers are registered"
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
