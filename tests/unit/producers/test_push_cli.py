from __future__ import annotations

from pathlib import Path

import pytest

from producers import cli
from producers.connect import check_topics, endpoints
from producers.errors import TransportError, UsageError
from schemas.telemetry import TOPICS


def call(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr("sys.argv", ["livewatch-push", *arguments])
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    code = stopped.value.code
    return code if isinstance(code, int) else 0


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["simulate", "--duration", "2x"], "'2x' is not a duration"),
        (["simulate", "--speed", "60"], "give --duration"),
        (["simulate", "--rate", "fast"], "--rate: must be 'max'"),
        (["simulate", "--rate", "max"], "needs a --duration"),
        (["simulate", "--batch-rows", "0"], "--batch-rows: max_rows must be from 1"),
        (["simulate", "--sessions", "0"], "--sessions must be from 1"),
        (["simulate", "--anomalies", "none.json"], "cannot read none.json"),
        (["simulate", "--inject", "F13"], "'F13' is not one of"),
        (["simulate", "--bootstrap", "here"], "--bootstrap must be host:port"),
        (["replay", "x.csv", "--entity-column", "a"], "needs --secret-file"),
        (["replay", "x.csv", "--map", "code"], "--map: must be"),
        (["replay", "x.csv"], "there is no such file"),
        (["replay", "x.csv", "--platform", "P 1"], "--platform must match"),
    ],
)
def test_a_mistake_gets_one_line_and_exit_code_2(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    arguments: list[str],
    error: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert call(monkeypatch, *arguments) == 2
    told = capsys.readouterr().err
    assert error in told
    assert "Traceback" not in told


def test_an_unknown_option_is_a_usage_error(monkeypatch: pytest.MonkeyPatch) -> None:
    assert call(monkeypatch, "simulate", "--nope") == 2


def test_a_wrong_variable_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LIVEWATCH_PUSH_WAIT_S", "soon")
    assert call(monkeypatch, "simulate", "--duration", "1m") == 2
    assert "LIVEWATCH_PUSH_WAIT_S" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["simulate", "replay"])
def test_help_teaches_by_examples(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    assert call(monkeypatch, command, "--help") == 0
    assert f"livewatch-push {command}" in capsys.readouterr().out


def test_endpoints() -> None:
    assert endpoints("a:1, b:2") == [("a", 1), ("b", 2)]
    with pytest.raises(UsageError):
        endpoints("a")


def topics(*counts: int) -> list[dict[str, object]]:
    return [
        {"name": name, "error_code": 3 if not n else 0, "partitions": [None] * n}
        for name, n in zip(TOPICS, counts, strict=True)
    ]


def test_topics_must_be_there_and_equal() -> None:
    assert check_topics(topics(4, 4, 4, 4)) == 4
    with pytest.raises(TransportError, match="has no topic"):
        check_topics(topics(4, 4, 4, 0))
    with pytest.raises(TransportError, match="equally many"):
        check_topics(topics(4, 4, 4, 3))
