"""Plain HTTP calls to a running service, without any client library."""

from __future__ import annotations

import http.client
import json
from typing import Any

from harness.customer import DOMAIN


def transmission(*recipients: str, **content: Any) -> dict[str, Any]:
    """Return the body of a small transmission; `content` overrides its parts."""
    return {
        "recipients": [{"address": address} for address in recipients],
        "content": {
            "from": f"halo@{DOMAIN}",
            "subject": "Hello",
            "text": "Hello {{email}}",
            **content,
        },
    }


def call(
    address: str,
    method: str,
    path: str,
    body: Any = None,
    *,
    key: str = "",
    headers: dict[str, str] | None = None,
) -> tuple[int, Any]:
    """Return status and decoded JSON of one call to `host:port`."""
    connection = http.client.HTTPConnection(address, timeout=30)
    sent = {"Content-Type": "application/json", **(headers or {})}
    if key:
        sent["Authorization"] = key
    try:
        data = None if body is None else json.dumps(body)
        connection.request(method, path, data, sent)
        answer = connection.getresponse()
        text = answer.read()
        return answer.status, json.loads(text) if text else None
    finally:
        connection.close()


def send(address: str, key: str, body: dict[str, Any], **headers: str) -> tuple[int, Any]:
    """POST one transmission; underscores in header names become dashes."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return call(address, "POST", "/api/v1/transmissions", body, key=key, headers=named)
