"""The address of a client behind proxies: believed from ours alone, and no further than them."""

from __future__ import annotations

import ipaddress
from typing import Any

import pytest
from allauth.usersessions.models import UserSession
from django.test import Client

from merpati.console.forwarded import client_address
from tests.console.conftest import add_user
from tests.desk.cases import Desk

OURS = [ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("fd00::/8")]


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        ("198.51.100.7", "", "198.51.100.7"),
        ("198.51.100.7", "203.0.113.9", "198.51.100.7"),  # no proxy of ours says so
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", "203.0.113.9", "203.0.113.9"),
        ("10.0.0.1", "192.0.2.1, 203.0.113.9", "203.0.113.9"),  # the left one was made up
        ("10.0.0.1", "10.9.9.9, 203.0.113.9", "203.0.113.9"),  # as one of ours, even
        ("10.0.0.1", "203.0.113.9, 10.0.0.2", "203.0.113.9"),  # two proxies of ours
        ("10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3"),  # a client within our network
        ("10.0.0.1", "203.0.113.9, nonsense", "10.0.0.1"),
        ("10.0.0.1", "203.0.113.9, nonsense, 10.0.0.2", "10.0.0.2"),
        ("10.0.0.1", "203.0.113.9:4711", "203.0.113.9"),
        ("fd00::1", "[2001:db8::9]:443", "2001:db8::9"),
        ("::ffff:10.0.0.1", "203.0.113.9", "203.0.113.9"),
        ("", "203.0.113.9", ""),
    ],
)
def test_the_rightmost_address_that_is_not_ours_counts(
    peer: str, forwarded: str, address: str
) -> None:
    assert client_address(peer, forwarded, OURS) == address


def _tries(client: Client, forwarded: str) -> int:
    given = {"login": "sari@kirim.example", "password": "wrong"}
    headers = {"HTTP_X_FORWARDED_FOR": forwarded, "REMOTE_ADDR": "10.0.0.1"}
    return client.post("/sign-in", given, **headers).status_code  # type: ignore[arg-type]


def test_the_brake_pauses_a_client_and_not_the_proxy(desk: Desk, settings: Any) -> None:
    settings.CONSOLE_TRUSTED_PROXIES = OURS
    add_user("Sari")
    # Another made-up address before one's own at each try helps nobody.
    answers = [_tries(Client(), f"192.0.2.{n}, 203.0.113.9") for n in range(6)]
    assert answers[-1] == 429
    assert _tries(Client(), "203.0.113.10") == 200


def test_the_list_of_sessions_names_the_client(desk: Desk, settings: Any) -> None:
    settings.CONSOLE_TRUSTED_PROXIES = OURS
    user = add_user("Sari")
    user.set_password("a long enough secret")
    user.save()
    Client().post(
        "/sign-in",
        {"login": "sari@kirim.example", "password": "a long enough secret"},
        HTTP_X_FORWARDED_FOR="192.0.2.1, 203.0.113.9",
        REMOTE_ADDR="10.0.0.1",
    )
    assert UserSession.objects.get().ip == "203.0.113.9"
