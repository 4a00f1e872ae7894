"""The stack's registry of public keys: from the first start on, empty until keys are added."""

from __future__ import annotations

from pathlib import Path

from schemas.keys import KeyRegistry, save_registry


def registry_file(directory: Path) -> Path:
    """Where the registry lies among a stack's secrets."""
    return directory / "keys.json"


def ensure_registry(directory: Path) -> Path:
    """An empty registry where there is none yet: until a key is added nobody may write."""
    path = registry_file(directory)
    if not path.exists():
        save_registry(path, KeyRegistry())
    return path
