"""`livewatch logs`: the last lines of one or all processes, and what follows."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from pathlib import Path

from deploy.errors import UsageError
from deploy.stack.process import last_lines


def chosen(directory: Path, name: str | None) -> list[Path]:
    """Log files of one process, or of all. Raises UsageError when there is none."""
    found = sorted(directory.glob("*.log"))
    if name is not None:
        found = [path for path in found if path.stem == name]
    if found:
        return found
    known = ", ".join(sorted(path.stem for path in directory.glob("*.log"))) or "none yet"
    raise UsageError(f"no log of {name or 'any process'} in {directory}; there are: {known}")


def tail(files: Iterable[Path], lines: int, say: Callable[[str], None]) -> None:
    """The last lines of each file, with its name where there is more than one."""
    files = list(files)
    for path in files:
        for line in last_lines(path, lines):
            say(_line(path, line, len(files)))


def follow(
    files: Iterable[Path], say: Callable[[str], None], wait: Callable[[float], bool]
) -> None:
    """New lines as they come, until `wait` says stop; a log that is rotated is opened anew."""
    files = list(files)
    offsets = {path: path.stat().st_size for path in files}
    while not wait(0.2):
        for path in files:
            offsets[path] = _since(path, offsets[path], len(files), say)


def sleep_for_ever(seconds: float) -> bool:
    """A `wait` that only Ctrl-C ends."""
    time.sleep(seconds)
    return False


def _since(path: Path, offset: int, files: int, say: Callable[[str], None]) -> int:
    size = path.stat().st_size if path.exists() else 0
    if size < offset:
        offset = 0
    if size == offset:
        return offset
    with path.open("rb") as file:
        file.seek(offset)
        text = file.read(size - offset)
    whole = text.rfind(b"\n") + 1
    for line in text[:whole].decode("utf-8", "replace").splitlines():
        say(_line(path, line, files))
    return offset + whole


def _line(path: Path, line: str, files: int) -> str:
    return f"{path.stem:<10} | {line}" if files > 1 else line
