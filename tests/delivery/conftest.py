"""Which event loop these tests run on: uvloop as in production, sessions on asyncio's as well."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

import pytest
import uvloop

from merpati.spool import draft

LoopFactory = Callable[[], asyncio.AbstractEventLoop]


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, LoopFactory]:
    """The two loops differ in how connections end."""
    if item.path.name in ("test_session.py", "test_tls.py"):
        return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture
def read_from_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the engine read all mail from disk, as it does with what waited."""
    monkeypatch.setattr(draft, "HANDED_OVER", 0)
