"""Who is told of what, how grouped, and what mutes what (ADR 0030).

Two kinds of alerts come in: those of the machines, from Prometheus (no label `kind`), for the duty
officer; and flags, from `livewatch alerts` (kind="product"), whose label `desks` names who may
know. A flag of the lowest level has the platform alone as its desk: platforms are told by signed
webhooks and not from here.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from schemas import codes

FILE = Path(__file__).with_name("alertmanager.yml")
#: Addresses of what takes alerts on to people: a bridge to the agency's messenger, on this machine.
BRIDGE = "http://127.0.0.1:9095/"
AGENCIES = (
    "commission", "market_regulation", "cyberspace", "culture_tourism", "police",
    "consumer_council",
)  # fmt: skip
#: While these fire the figures are late or missing, and product alerts would be about the past.
LAGGING = (
    "LagSeconds", "LagRecords", "EventTimeLag", "CheckpointOld", "NoTelemetry", "MinutesStayOpen",
    "ClickHouseAway",
)  # fmt: skip
#: While this fires nobody says that a flag goes on. Alertmanager takes it for ended then; the
#: message that says so would be wrong, and the beginning would be told twice.
UNTOLD = "AlertsDown"
_HEAD = """\
# Made by `python -m deploy.alertmanager` from build.py beside this file: edit that.
"""


def text() -> str:
    """The file."""
    return _HEAD + yaml.safe_dump(config(), allow_unicode=True, sort_keys=False, width=100)


def config() -> dict[str, Any]:
    """The configuration as Alertmanager 0.25 and later take it."""
    desks = [*AGENCIES, *(f"district:{code}" for code in _districts())]
    return {
        "global": {"resolve_timeout": "10m"},
        "route": {
            "receiver": "duty",
            "group_by": ["alertname"],
            "group_wait": "30s",
            "group_interval": "5m",
            "repeat_interval": "4h",
            "routes": [
                {
                    "matchers": ['kind="product"'],
                    "receiver": "nobody",
                    # One message for a platform's flags of a rule and level.
                    "group_by": ["platform_id", "alertname", "level"],
                    "group_wait": "10s",
                    "group_interval": "1m",
                    "repeat_interval": "12h",
                    "routes": [_route(desk) for desk in desks],
                }
            ],
        },
        "inhibit_rules": [
            {
                "source_matchers": [f'alertname=~"{"|".join((*LAGGING, UNTOLD))}"'],
                "target_matchers": ['kind="product"'],
            },
            # Who hears of the warning need not hear of the notice again.
            *(_graver(source, target) for source, target in _GRAVER),
        ],
        "receivers": [
            {"name": "nobody"},
            *(_receiver(name) for name in ["duty", *map(receiver_of, desks)]),
        ],
    }


_GRAVER = (("action", "warning"), ("action", "notice"), ("warning", "notice"))


def receiver_of(desk: str) -> str:
    """The receiver's name, `district-310101` for the desk `district:310101`."""
    return desk.replace(":", "-")


def _districts() -> list[str]:
    """The sixteen: neither the city as a whole nor the unknown has a bureau."""
    return [code for code in sorted(codes.DISTRICTS.codes) if code not in ("310000", "999999")]


def _route(desk: str) -> dict[str, Any]:
    return {
        "matchers": [f'desks=~".*,{desk},.*"'],
        "receiver": receiver_of(desk),
        "continue": True,
    }


def _graver(source: str, target: str) -> dict[str, Any]:
    return {
        "source_matchers": ['kind="product"', f'level="{source}"'],
        "target_matchers": ['kind="product"', f'level="{target}"'],
        "equal": ["flag_id"],
    }


def _receiver(name: str) -> dict[str, Any]:
    return {
        "name": name,
        "webhook_configs": [{"url": BRIDGE + name, "send_resolved": True, "max_alerts": 200}],
    }
