"""What the API's handler leaves out of Django's, and what it must not leave out."""

from __future__ import annotations

from collections.abc import Iterator
from unittest.mock import Mock, patch

import pytest
from django.core.signals import request_finished, request_started
from django.db import connections
from django.test import RequestFactory

from merpati.runtime.api_handler import ApiHandler


def call(path: str) -> tuple[str, bytes]:
    """Return the status line and the body."""
    started = Mock()
    body = ApiHandler()(RequestFactory().get(path).environ, started)
    return started.call_args.args[0], b"".join(body)


@pytest.fixture
def closing() -> Iterator[Mock]:
    with patch.object(connections["default"], "close_if_unusable_or_obsolete") as closing:
        yield closing


def test_an_answer_is_whole_without_signals(closing: Mock) -> None:
    heard = Mock()
    request_started.connect(heard)
    request_finished.connect(heard)
    status, body = call("/api/v1/nothing")
    assert status == "404 Not Found"
    assert b"invalid uri" in body
    assert not heard.called
    assert not closing.called


def test_a_connection_in_trouble_is_looked_after_at_the_end(
    closing: Mock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections["default"], "errors_occurred", True)
    call("/api/v1/nothing")
    assert closing.called


def test_a_connection_that_has_an_end_is_looked_after(
    closing: Mock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections["default"], "close_at", 1.0)
    call("/api/v1/nothing")
    assert closing.called
