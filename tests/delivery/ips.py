"""Sending IPs that the tests of the engine use."""

from __future__ import annotations

from merpati.contracts.sending_policy import SendingIp
from tests.support.worker import QUICK

ONE = SendingIp("127.0.0.2", "mta-2.kirim.example")
OTHER = SendingIp("127.0.0.3", "mta-3.kirim.example")
TWO = (ONE, OTHER)
ABSENT = SendingIp("192.0.2.77", "mta-77.kirim.example")
LIFE_MS = QUICK.retry.life_ms


def some(count: int, domain: str = "x.example") -> list[str]:
    return [f"u{number}@{domain}" for number in range(count)]


def replace_ip(ip: SendingIp, messages_per_day: int) -> SendingIp:
    return SendingIp(ip.address, ip.hostname, messages_per_day)
