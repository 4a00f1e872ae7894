"""A flag as Alertmanager's API v2 takes it. Pure: rows and a time in, JSON objects out.

A label set is the alert's identity: who, which rule, which level, never a figure. What was counted
stands in the sentences of the annotations.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from pipelines.alerts.event import FlagRecord, rfc3339
from pipelines.alerts.routing import Desk
from pipelines.core.ledger.lifecycle import Level


def labels_of(record: FlagRecord, level: Level, desks: frozenset[Desk]) -> dict[str, str]:
    """`desks` in one label, each between commas, so that a route can ask for one of them."""
    named = {
        "alertname": record.rule,
        "kind": "product",
        "flag_id": record.flag_id,
        "entity_type": record.entity_type,
        "entity": record.entity,
        "platform_id": record.platform_id,
        "category": record.category,
        "district": record.district,
        "level": level.word,
        "desks": "," + ",".join(sorted(str(desk) for desk in desks)) + ",",
    }
    # An empty label is no label to Alertmanager.
    return {name: value for name, value in named.items() if value}


def annotations_of(record: FlagRecord) -> dict[str, str]:
    """What a person reads."""
    return {
        "sentence_zh": record.sentence_zh,
        "sentence_en": record.sentence_en,
        "grade": record.grade,
        "onset": rfc3339(record.onset),
        "event_id": record.id,
    }


def posted(
    rows: Iterable[tuple[str, int, str, str, int, int | None]],
) -> list[dict[str, Any]]:
    """`Outbox.alerts` as the body of a POST to /api/v2/alerts.

    What is open has no end: Alertmanager's `resolve_timeout` ends it, by its own clock, should we
    be gone for so long. An end by our clock could lie in its past.
    """
    return [_posted(*row[2:]) for row in rows]


def _posted(labels: str, annotations: str, starts: int, ends: int | None) -> dict[str, Any]:
    alert = {
        "labels": json.loads(labels),
        "annotations": json.loads(annotations),
        "startsAt": rfc3339(starts),
    }
    return alert if ends is None else alert | {"endsAt": rfc3339(ends)}
