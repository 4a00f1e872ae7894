"""How a command fails."""

from __future__ import annotations

import sys


class CommandError(SystemExit):
    """A failure told in one line on stderr; ends the program with `code`."""

    def __init__(self, message: str, code: int = 1) -> None:
        sys.stderr.write(f"livewatch: {message}\n")
        super().__init__(code)
