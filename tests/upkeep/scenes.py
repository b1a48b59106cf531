"""A data folder to look at, without a service."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from merpati.runtime.paths import DataFolder
from merpati.settings import load
from merpati.upkeep.doctor.finding import Finding
from merpati.upkeep.doctor.scene import Scene

MOMENT = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def scene(root: Path, overrides: dict[str, Any] | None = None, **fields: Any) -> Scene:
    """Return a scene of a folder as `merpati run` makes it; overrides: of the settings."""
    folder = DataFolder(root / "data")
    for path in (folder.root, folder.run, folder.tls, folder.spool):
        path.mkdir(mode=0o700, exist_ok=True)
    if not folder.secret_key.exists():
        folder.secret_key.touch(0o600)
    settings = load(folder.root, {}, {"mail.hostname": "mta.example", **(overrides or {})})
    return Scene(folder=folder, settings=settings, **{"now": datetime.now(UTC), **fields})


def of(findings: list[Finding], check: str) -> list[tuple[str, str]]:
    """Return level and subject of a check's findings."""
    return [(str(f.level), f.subject) for f in findings if f.check == check]
