"""Become another program that cannot outlive its parent.

    python guard.py PARENT_PID -- program argument ...

Asks the kernel to kill this process when the parent dies, however it dies, then replaces itself
with the program: the request survives exec, and the pid stays the same. Done here and not in a
`preexec_fn`, which may deadlock when the parent has threads. Only the standard library: it is run
with `-I -S` to start within milliseconds.

The kernel ties the request to the parent's *thread*: children are started from the main thread.
Elsewhere than on Linux there is no such request, and a supervisor killed with SIGKILL leaves
children that `livewatch down` finds by pid and start time.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def die_with_parent(parent: int) -> None:
    """SIGKILL on the parent's death; exits at once when the parent is already gone."""
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != parent:
        sys.exit(f"guard: parent {parent} is gone")


def main() -> None:
    parent, separator, *command = sys.argv[1:]
    if separator != "--" or not command:
        sys.exit("usage: guard.py PARENT_PID -- program argument ...")
    die_with_parent(int(parent))
    try:
        os.execvp(command[0], command)  # noqa: S606
    except OSError as error:
        sys.exit(f"guard: cannot run {command[0]}: {error.strerror}")


if __name__ == "__main__":
    main()
