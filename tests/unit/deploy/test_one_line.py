"""Files and days that commands cannot work with: one line, an exit code, no stack trace."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

CASES = [
    ("deploy.cli", "accounts add x --role commission --no-password --file {file}/a.json", 1),
    ("deploy.cli", "accounts add x --role commission --no-password --file /proc/a.json", 1),
    ("deploy.cli", "backtest {file} --out {file}", 2),
    ("deploy.cli", "migrate", 1),
    ("deploy.cli", "report --out {folder}/r.html --period month --date 9999-12-31", 2),
    ("producers.cli", "gateway-keys create --platform p1 --keys {file}/g.json", 1),
]


@pytest.mark.parametrize(("module", "command", "code"), CASES)
def test_it_is_one_line(tmp_path: Path, module: str, command: str, code: int) -> None:
    file = tmp_path / "s.csv"
    file.write_text("bin,count\n1,2\n")
    words = command.format(file=file, folder=tmp_path).split()
    done = subprocess.run(
        [sys.executable, "-m", module, *words],
        capture_output=True, text=True, timeout=60, check=False,
        env={"PATH": "/usr/bin:/bin", "LIVEWATCH_CLICKHOUSE_PORT": "1"},
    )  # fmt: skip
    assert done.returncode == code, done.stderr
    assert done.stderr.count("\n") == 1
    assert "Traceback" not in done.stderr
