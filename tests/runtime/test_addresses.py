"""Which addresses a run takes, and what is said when it cannot have them."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from merpati.runtime.addresses import AddressError, resolve
from merpati.settings import HostPort, ListenSettings


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_port_0_becomes_a_free_port_each() -> None:
    zero = "127.0.0.1:0"
    found = resolve(ListenSettings(zero, zero, zero, zero, zero)).named()
    assert list(found) == ["http", "submission", "inbound", "https", "submission_tls"]
    assert len({address.port for address in found.values()}) == 5
    assert all(address.port for address in found.values())


def test_ipv6_stays_in_brackets() -> None:
    listen = ListenSettings(http="[::1]:0", submission="127.0.0.1:0", inbound="127.0.0.1:0")
    address = resolve(listen).http
    assert str(address) == f"[::1]:{address.port}"


def test_a_port_in_use_is_refused_by_its_flag(taken: int) -> None:
    with pytest.raises(AddressError) as refusal:
        resolve(ListenSettings(http="127.0.0.1:0", submission=f"127.0.0.1:{taken}"))
    assert refusal.value.message == (
        f"cannot listen on 127.0.0.1:{taken} (--submission): Address already in use; "
        "stop what listens there, or choose another"
    )


def test_two_services_on_one_address_are_refused() -> None:
    free = resolve(ListenSettings("127.0.0.1:0", "", "127.0.0.1:0", "", "127.0.0.1:0")).http
    with pytest.raises(AddressError, match=f"--inbound and --http are both {free}"):
        resolve(ListenSettings(http=str(free), submission="127.0.0.1:0", inbound=str(free)))


def test_an_address_of_another_host_is_refused() -> None:
    with pytest.raises(AddressError, match=r"192\.0\.2\.1:2525 \(--http\): Cannot assign"):
        resolve(ListenSettings(http="192.0.2.1:2525"))


def test_host_ports_read_as_they_are_written() -> None:
    assert HostPort("::1", 25) != HostPort("::1", 26)
    assert str(HostPort("mx.example", 25)) == "mx.example:25"
