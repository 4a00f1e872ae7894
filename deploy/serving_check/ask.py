"""A screen asked for figures as a page asks, over HTTP."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlencode

import httpx

from deploy.check.simulated_day.key_panels import Rows
from deploy.errors import StackError
from grafana.screen.timerange import TimeRange

Json = dict[str, Any]
#: The dashboard of a single session, which has to be named.
SESSIONS = "session-detail"
_TRIES = 10
#: What a page gets over when it asks again: ClickHouse had other work.
_PASSING = "too_slow"


class Screen:
    """`session`: what the dashboard of a session shows. Close it, or use it in `with`.

    Asks again where the screen says that ClickHouse is busy, as a page does; `again` counts how
    often.
    """

    def __init__(self, url: str, session: str) -> None:
        self.client = httpx.Client(base_url=url, timeout=60, trust_env=False)
        self.again = 0
        self._session = session

    def __enter__(self) -> Screen:
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()

    def boards(self) -> list[Json]:
        found: list[Json] = self._json("/api/dashboards")["dashboards"]
        return found

    def board(self, uid: str, lang: str) -> Json:
        return self._json(f"/api/dashboards/{uid}?{urlencode({'lang': lang})}")

    def panels(
        self, uid: str, lang: str, ids: Iterable[int], span: TimeRange, values: Mapping[str, str]
    ) -> dict[str, Json]:
        """Each panel's answer by its id; those that took too long are asked again, alone."""
        left, found = [str(one) for one in ids], dict[str, Json]()
        for _ in range(_TRIES):
            found |= self._ask(uid, lang, left, span, values)
            left = [one for one in left if _passing(found.get(one, {}))]
            if not left:
                break
            self.again += 1
        return found

    def _ask(
        self, uid: str, lang: str, ids: list[str], span: TimeRange, values: Mapping[str, str]
    ) -> dict[str, Json]:
        asked = [("dashboard", uid), ("lang", lang), *(("panel", one) for one in ids)]
        asked += [(end, str(round(at.timestamp() * 1000)))
                  for end, at in (("from", span.start), ("to", span.end))]  # fmt: skip
        known = {"session": self._session} if uid == SESSIONS else {}
        asked += [(f"var-{name}", value) for name, value in (known | dict(values)).items()]
        answer: dict[str, Json] = self._json("/api/query?" + urlencode(asked))["panels"]
        return answer

    def rows(self, board: str, number: int, span: TimeRange, **values: str) -> Rows:
        """Of one panel. Raises StackError where it has none to give."""
        found = self.panels(board, "zh", [number], span, values).get(str(number), {})
        if found.get("status") != "ok":
            raise StackError(f"{board}/{number}: {found.get('error', found.get('status'))}")
        names = [column["name"] for column in found["columns"]]
        values_of = zip(*(column["values"] for column in found["columns"]), strict=True)
        return [dict(zip(names, row, strict=True)) for row in values_of]

    def _json(self, path: str) -> Json:
        for _ in range(_TRIES):
            answer = self.client.get(path)
            if not _busy(answer):
                break
            self.again += 1
            time.sleep(float(answer.headers.get("retry-after", "2")))
        if not answer.is_success:
            raise StackError(f"the screen answers {answer.status_code} to {path[:80]}")
        found: Json = answer.json()
        return found


def _busy(answer: httpx.Response) -> bool:
    """Away (503), or too slow in what all panels hang on (502)."""
    if answer.status_code == httpx.codes.SERVICE_UNAVAILABLE:
        return True
    return answer.status_code == httpx.codes.BAD_GATEWAY and _passing(answer.json())


def _passing(answer: Json) -> bool:
    return bool(answer.get("error", {}).get("code") == _PASSING)
