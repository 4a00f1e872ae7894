"""`livewatch-push check` on every format: good files pass, bad ones are explained."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from producers import cli
from producers.gateway.parse import JSON, parse
from schemas.batch import encode
from schemas.generate.examples import example
from schemas.telemetry import SampleType
from tests.unit.gateway.test_parse import NOW, row

ROWS = [row(orders=n) for n in range(3)]


def written(directory: Path, suffix: str, rows: list[dict[str, Any]]) -> Path:
    path = directory / f"rows{suffix}"
    if suffix == ".json":
        path.write_text(json.dumps(rows))
    elif suffix == ".ndjson":
        path.write_text("".join(json.dumps(r) + "\n" for r in rows))
    elif suffix == ".csv":
        with path.open("w", newline="") as file:
            table = csv.DictWriter(file, rows[0])
            table.writeheader()
            table.writerows(rows)
    elif suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    else:
        batch = parse(SampleType.ORDERS, JSON, json.dumps(ROWS).encode(), 10, NOW).rows
        path.write_bytes(encode(batch))
    return path


def call(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr("sys.argv", ["livewatch-push", "check", *arguments])
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    code = stopped.value.code
    return code if isinstance(code, int) else 0


FORMATS = [".json", ".ndjson", ".csv", ".parquet", ".arrows"]


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_good_file_passes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, suffix: str
) -> None:
    path = written(tmp_path, suffix, ROWS)
    assert call(monkeypatch, str(path), "--as", "orders") == 0
    assert "3 rows, 0 refused" in capsys.readouterr().out


@pytest.mark.parametrize("sample", list(SampleType))
@pytest.mark.parametrize("suffix", FORMATS[:4])
def test_every_column_of_every_sample_type_is_read_in_every_format(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    suffix: str,
    sample: SampleType,
) -> None:
    good, odd = example(sample), example(sample) | {"streamer_certified": "perhaps"}
    path = written(tmp_path, suffix, [good] if suffix == ".parquet" else [good, odd])
    code = call(monkeypatch, str(path), "--as", sample.value)
    out = capsys.readouterr().out
    if suffix == ".parquet":  # a column has one type there
        assert (code, "1 rows, 0 refused" in out) == (0, True)
    else:
        assert code == 1
        assert "row 1: streamer_certified: must be true or false or null" in out
        assert "2 rows, 1 refused" in out


@pytest.mark.parametrize("suffix", FORMATS[:4])
def test_a_bad_file_is_explained_without_its_values(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, suffix: str
) -> None:
    bad = [row(), row(room_pid="13800138000"), *(row(orders=-1) for _ in range(30))]
    path = written(tmp_path, suffix, bad)
    assert call(monkeypatch, str(path), "--as", "orders", "--limit", "2") == 1
    out = capsys.readouterr().out
    assert "row 1: room_pid" in out
    assert "row 2: orders" in out
    assert "... and 29 more" in out
    assert "13800138000" not in out
    assert out.count("\n") < 8


@pytest.mark.parametrize(
    ("name", "content", "error"),
    [
        ("rows.txt", b"", "name must end in"),
        ("rows.json", b"[", "cannot be read as json"),
        ("rows.json", b"7", "must be an array of rows"),
        ("rows.csv", b"a,b\n\xff\n", "must be UTF-8"),
        ("rows.arrow", b"nothing", "cannot be read as arrow"),
        ("rows.parquet", b"nothing", "cannot be read as parquet"),
    ],
)
def test_a_file_that_cannot_be_read_is_one_line(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    name: str,
    content: bytes,
    error: str,
) -> None:
    (tmp_path / name).write_bytes(content)
    assert call(monkeypatch, str(tmp_path / name), "--as", "orders") == 2
    said = capsys.readouterr().err
    assert error in said
    assert said.count("\n") == 1


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
@pytest.mark.parametrize("program", ["producers", "deploy"])
def test_shells_complete_commands(program: str, shell: str) -> None:
    name = {"producers": "livewatch-push", "deploy": "livewatch"}[program]
    env = os.environ | {
        f"_{name.upper().replace('-', '_')}_COMPLETE": f"complete_{shell}",
        "_TYPER_COMPLETE_ARGS": f"{name} de" if program == "deploy" else f"{name} ga",
        "COMP_WORDS": f"{name} de" if program == "deploy" else f"{name} ga",
        "COMP_CWORD": "1",
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
        "PYTHONPATH": os.pathsep.join(p for p in sys.path if p),
    }
    code = f"import sys; sys.argv[0] = {name!r}; from {program}.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env)
    assert ("demo" if program == "deploy" else "gateway") in done.stdout, done.stderr
