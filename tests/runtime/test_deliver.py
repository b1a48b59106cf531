"""The delivery worker's settings and how it follows the policy file."""

from __future__ import annotations

import ipaddress
from pathlib import Path

import pytest

from merpati.adapters.codec import pack
from merpati.contracts.sending_policy import SendingPolicy
from merpati.runtime.deliver import PolicyFollower, options_of
from merpati.settings import SettingsError, load
from tests.support.certificates import authority


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


def test_the_engine_knows_where_it_would_meet_itself(tmp_path: Path) -> None:
    flags = {
        "mail.hostname": "mail.kirim.example",
        "listen.inbound": "0.0.0.0:25",
        "listen.submission": "localhost:587",
    }
    ourselves = options_of(load(tmp_path, {}, flags)).ourselves
    assert ourselves.names == {"mail.kirim.example"}
    assert ourselves.listening == (("0.0.0.0", 25), ("0.0.0.0", 587))


def test_authorities_that_cannot_be_read_are_refused_at_the_start(tmp_path: Path) -> None:
    bad = tmp_path / "authorities.pem"
    for text in (None, "no certificate"):
        if text is not None:
            bad.write_text(text)
        with pytest.raises(SettingsError, match=r"delivery\.tls_authorities .* certificates"):
            load(tmp_path, {}, {"delivery.tls_authorities": str(bad)})
    flags = {"delivery.tls_authorities": authority()}
    assert options_of(load(tmp_path, {}, flags)).tls_authorities == authority()


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
