"""The directory of one stack: what lies where, who holds it, and what `--fresh` may remove."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from deploy.errors import StackError, UsageError

MARKER = ".livewatch-home"
_MARKER_TEXT = (
    "This directory belongs to a local livewatch stack; `livewatch up --fresh` empties it.\n"
)
# What setup puts beside a stack's own directories; it is kept by --fresh.
_NOT_OURS = {"kafka", "jdk", "stamps", "demo"}


@dataclass(frozen=True)
class Home:
    """Paths of one stack."""

    root: Path

    @property
    def data(self) -> Path:
        return self.root / "data"

    @property
    def state(self) -> Path:
        return self.root / "state"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def run(self) -> Path:
        return self.root / "run"

    @property
    def secrets(self) -> Path:
        return self.root / "secrets"

    @property
    def state_file(self) -> Path:
        return self.run / "state.json"

    @property
    def owned(self) -> tuple[Path, ...]:
        """All that a stack writes, and all that --fresh removes."""
        return (self.data, self.state, self.logs, self.run, self.secrets)

    def prepare(self) -> None:
        """Create the directories. Raises UsageError rather than move into a stranger's."""
        marker = self.root / MARKER
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            strangers = {p.name for p in self.root.iterdir()} - _NOT_OURS
            if strangers and not marker.is_file():
                raise UsageError(
                    f"{self.root} is not empty and not a livewatch home; "
                    "choose another with --home or LIVEWATCH_HOME"
                )
            marker.write_text(_MARKER_TEXT)
            for directory in self.owned:
                directory.mkdir(exist_ok=True)
            self.secrets.chmod(0o700)
        except OSError as error:
            raise UsageError(f"cannot use {self.root} as home: {error.strerror}") from None

    def wipe(self) -> None:
        """Remove the state of earlier runs; only where our marker stands."""
        if not self.root.exists():
            return
        if not (self.root / MARKER).is_file():
            if any(self.root.iterdir()):
                raise UsageError(f"--fresh refused: {self.root} carries no {MARKER} file")
            return
        for directory in self.owned:
            if directory == self.run:
                self.state_file.unlink(missing_ok=True)  # the lock file is ours and held
            elif directory.is_symlink():
                raise UsageError(f"--fresh refused: {directory} is a symbolic link")
            elif directory.exists():
                shutil.rmtree(directory)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the home. Raises StackError when another supervisor has it."""
        self.run.mkdir(parents=True, exist_ok=True)
        fd = os.open(self.run / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise StackError(
                    f"a stack is already running in {self.root}: "
                    "see `livewatch status`, or stop it with `livewatch down`"
                ) from None
            yield
        finally:
            os.close(fd)
