"""The delivery worker's settings and how it follows the policy file."""

from __future__ import annotations

import ipaddress
from pathlib import Path

import pytest

from merpati.adapters.codec import pack
from merpati.contracts.sending_policy import SendingPolicy
from merpati.runtime.deliver import PolicyFollower, options_of
from merpati.settings import load


def test_settings_reach_the_engine(tmp_path: Path) -> None:
    flags = {
        "dns.servers": ["127.0.0.1:5353"],
        "delivery.port": 2525,
        "delivery.connections": 7,
        "delivery.retry_seconds": 60,
        "delivery.expire_seconds": 3600,
        "safety.allow_private": ["127.0.0.0/8", "fd00::/8"],
    }
    options = options_of(load(tmp_path, {}, flags))
    assert options.dns_servers == ("127.0.0.1:5353",)
    assert options.port == 2525
    assert (options.route_connections, options.connections) == (7, 7)
    assert (options.retry.first_ms, options.retry.life_ms) == (60_000, 3_600_000)
    assert options.allow_private == (
        ipaddress.ip_network("127.0.0.0/8"),
        ipaddress.ip_network("fd00::/8"),
    )


def test_connections_are_for_routes_and_the_most_for_providers(tmp_path: Path) -> None:
    options = options_of(load(tmp_path, {}, {"delivery.connections": 3}))
    assert (options.route_connections, options.connections) == (3, 3)


def write(path: Path, data: bytes) -> None:
    new = path.with_name("new")
    new.write_bytes(data)
    new.rename(path)


def test_a_policy_is_used_once_and_a_damaged_one_not(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path, used = tmp_path / "policy.msgpack", list[int]()
    follower = PolicyFollower(path, lambda policy: used.append(policy.version))
    follower.look()
    write(path, pack(SendingPolicy(1, "b.example")))
    follower.look()
    follower.look()
    write(path, b"\xc1 not msgpack")
    follower.look()
    follower.look()
    write(path, pack(SendingPolicy(2, "b.example")))
    follower.look()
    assert used == [1, 2]
    assert sum("policy_unreadable" in text for text in caplog.messages) == 1
