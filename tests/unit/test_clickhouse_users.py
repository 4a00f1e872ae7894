"""The users file, and texts of the engine read as errors."""

import hashlib
import json
from pathlib import Path

import pytest

from deploy.clickhouse_embedded.errors import ServerError, StartupError, from_engine
from deploy.clickhouse_embedded.users import Users, hash_password


def _load(tmp_path: Path, content: object) -> Users:
    path = tmp_path / "users.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return Users.load(path)


def test_three_forms_of_password(tmp_path: Path) -> None:
    salted = hashlib.sha256(b"saltsecret").hexdigest()
    users = _load(
        tmp_path,
        {
            "plain": {"password": "secret"},
            "sha": {"password_sha256": salted, "salt": "salt", "readonly": True},
            "scrypt": {"password_scrypt": hash_password("secret"), "database": "d"},
            "open": {"password": ""},
        },
    )
    for name in ("plain", "sha", "scrypt"):
        for _ in range(2):  # the second time from memory
            assert users.authenticate(name, "secret").name == name
            with pytest.raises(ServerError) as caught:
                users.authenticate(name, "Secret")
            assert caught.value.code == 516
    assert users.authenticate("sha", "secret").readonly
    assert users.authenticate("scrypt", "secret").database == "d"
    assert users.authenticate("open", "").name == "open"
    with pytest.raises(ServerError):
        users.authenticate("nobody", "")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("{", "JSON"),
        ({"a": {}}, "a"),
        ({"a": {"password": "x", "pasword": "y"}}, "pasword"),
        ({"a": {"password": "x", "password_scrypt": "y$z"}}, "exactly one"),
        ({"a": {"password_scrypt": "no-salt"}}, "salt"),
        ([], "object"),
    ],
)
def test_a_bad_file_is_said_in_one_line(tmp_path: Path, content: object, says: str) -> None:
    with pytest.raises(StartupError, match=says) as caught:
        _load(tmp_path, content)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "code", "name", "message"),
    [
        ("Code: 60. DB::Exception: No t. (UNKNOWN_TABLE)", 60, "UNKNOWN_TABLE", "No t."),
        (
            "Streaming query failed: Code: 395. DB::Exception: x: y. (FUNCTION_THROW)",
            395,
            "FUNCTION_THROW",
            "x: y.",
        ),
        (
            "Code: 164. DB::Exception: Code: 164. DB::Exception: No. (READONLY) (version 26.9)."
            " (READONLY)",
            164,
            "READONLY",
            "No.",
        ),
        ("something else", 1002, "UNKNOWN_EXCEPTION", "something else"),
    ],
)
def test_errors_of_the_engine(text: str, code: int, name: str, message: str) -> None:
    error = from_engine(RuntimeError(text))
    assert (error.code, error.name, error.text) == (code, name, message)
