"""A process that is one user of the engine, and what it gets for its questions.

    python -m deploy.check.roles.session DATA < questions.json > answers.json

Its working directory holds the users (deploy/operations/access_xml.py).
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy.errors import StackError
from deploy.operations.access_xml import write
from deploy.stack.settings import CHECKOUT

_CODE = re.compile(r"Code: (\d+)")
_PATIENCE_S = 300


@dataclass(frozen=True, slots=True)
class Answer:
    """Rows, or the number and the text of the engine's refusal."""

    rows: list[list[Any]]
    code: int = 0
    text: str = ""


def ask(folder: Path, users: bytes, data: Path, questions: list[str]) -> list[Answer]:
    """What the user `default` of `users` is answered. Raises StackError if the process breaks."""
    write(folder, users)
    done = subprocess.run(
        [sys.executable, "-m", __name__, str(data)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
        input=json.dumps(questions).encode(),
        capture_output=True,
        timeout=_PATIENCE_S,
        check=False,
    )
    if done.returncode:
        raise StackError(f"the engine did not take its users: {done.stderr[-500:].decode()}")
    return [Answer(**one) for one in json.loads(done.stdout)]


def _answer(session: Any, sql: str) -> dict[str, Any]:
    try:
        found = session.query(sql, "JSONCompactEachRow").bytes().decode()
    except Exception as error:  # the library's own, of no class that can be told from others
        code = _CODE.search(str(error))
        return {"rows": [], "code": int(code[1]) if code else -1, "text": str(error)[:300]}
    return {"rows": [json.loads(line) for line in found.splitlines() if line]}


def _main() -> None:
    # The engine starts, and reads its users, as the module is imported.
    from chdb.state import connect

    session = connect(sys.argv[1])
    json.dump([_answer(session, sql) for sql in json.load(sys.stdin)], sys.stdout)


if __name__ == "__main__":
    _main()
