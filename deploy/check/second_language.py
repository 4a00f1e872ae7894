"""The Java example: a signed batch from a program that shares no code with us."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from deploy.errors import StackError

EXAMPLE = Path(__file__).parents[2] / "producers" / "examples" / "java"
JARS = Path(__file__).parents[2] / ".livewatch" / "java-example"
_DONE = "complete"


@dataclass(frozen=True)
class JavaBatch:
    """What the program is told."""

    bootstrap: str
    platform_id: str
    key_file: Path
    key_id: str
    session_id: str
    partitions: int


def missing() -> str | None:
    """Why the example cannot run on this machine, or None; a JRE alone will not do."""
    for program in ("mvn", "javac", "java"):
        if shutil.which(program) is None:
            return f"{program} is not installed"
    return None


def fetch_jars() -> Path:
    """Arrow and Kafka's client from Maven Central, once. Raises StackError."""
    if not (JARS / _DONE).exists():
        goal = ["dependency:copy-dependencies", f"-DoutputDirectory={JARS}"]
        _run(["mvn", "-q", "-B", "-f", str(EXAMPLE / "pom.xml"), *goal], 300)
        (JARS / _DONE).touch()
    return JARS


def send(batch: JavaBatch) -> tuple[str, int, int]:
    """Topic, partition and offset where the program's batch lies. Raises StackError."""
    command = [
        *("java", "--add-opens=java.base/java.nio=ALL-UNNAMED", "-cp", f"{fetch_jars()}/*"),
        *(str(EXAMPLE / "SendOrders.java"), batch.bootstrap, batch.platform_id),
        *(str(batch.key_file), batch.key_id, batch.session_id, str(batch.partitions)),
    ]
    topic, partition, offset = _run(command, 120).split()
    return topic, int(partition), int(offset)


def _run(command: list[str], patience_s: float) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=patience_s, check=False)
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise StackError(f"{Path(command[0]).name} failed: {' / '.join(said[-3:])[:500]}")
    return done.stdout
