from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from merpati.adapters import faults
from merpati.adapters.clock import SystemClock
from merpati.spool.shard import Shard


@pytest.fixture
async def shard(tmp_path: Path) -> AsyncIterator[Shard]:
    shard = Shard(tmp_path / "spool", 0, SystemClock(), reserve_bytes=0)
    yield shard
    await shard.close()


@pytest.fixture
def arm(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Switch fault points in this process, as MERPATI_FAULTS does; "" switches them off."""

    def arm(plan: str) -> None:
        monkeypatch.setattr(faults, "ENABLED", bool(plan))
        monkeypatch.setattr(faults, "_armed", plan)
        monkeypatch.setattr(faults, "_passages", {})

    return arm
