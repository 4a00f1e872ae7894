"""A small disk for the spools, which a fault fills: a tmpfs where we may mount one (root).

Elsewhere the spools lie in an ordinary directory, and only their own bound can be reached.
"""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Self

_MEGABYTES = 32
_CHUNK = bytes(1 << 16)


class SmallDisk:
    """Mounted at `path` while the context lasts."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.small = False

    def __enter__(self) -> Self:
        self.path.mkdir(parents=True)
        mount = shutil.which("mount")
        if mount is not None and os.geteuid() == 0:
            size = f"size={_MEGABYTES}m"
            argv = [mount, "-t", "tmpfs", "-o", size, "livewatch-chaos", str(self.path)]
            self.small = subprocess.run(argv, capture_output=True, check=False).returncode == 0
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        if self.small:
            # Lazily: a process that was killed a moment ago may still be on its way out.
            subprocess.run(["umount", "-l", str(self.path)], capture_output=True, check=False)

    def fill(self) -> bool:
        """Take every free block; whether there is none any more. False where it is not small."""
        if not self.small:
            return False
        try:
            with self._ballast.open("ab", buffering=0) as file:
                while True:
                    file.write(_CHUNK)
        except OSError as error:
            return error.errno == errno.ENOSPC

    def empty(self) -> None:
        """Give the blocks back."""
        self._ballast.unlink(missing_ok=True)

    @property
    def _ballast(self) -> Path:
        return self.path / "ballast"
