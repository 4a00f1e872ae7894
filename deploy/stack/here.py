"""Commands that need a system find the local stack where nothing else is said."""

from __future__ import annotations

import os

from deploy.stack import statefile
from deploy.stack.home import Home
from deploy.stack.keys import registry_file
from deploy.stack.services import worker_env
from deploy.stack.settings import default_home


def use_local_stack() -> None:
    """Settings of the running local stack into the environment, unless LIVEWATCH_BOOTSTRAP says
    where the system is; what is set stays."""
    if "LIVEWATCH_BOOTSTRAP" in os.environ:
        return
    home = default_home()
    os.environ.setdefault("LIVEWATCH_ACCOUNTS_FILE", str(Home(home).secrets / "accounts.json"))
    os.environ.setdefault("LIVEWATCH_ALERTS_OUTBOX", str(Home(home).state / "alerts"))
    registry = registry_file(Home(home).secrets)
    if registry.exists():
        os.environ.setdefault("LIVEWATCH_KEYS_FILE", str(registry))
    state = statefile.read(Home(home).state_file)
    if state is None or not state.running():
        return
    for name, value in worker_env(state.settings(home)).items():
        os.environ.setdefault(name, value)
