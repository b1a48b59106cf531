"""A premium account that can send: two IPs with HELO names, a signing domain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.service import Merpati

DOMAIN = "kirim.example"
SENDING_IPS = {"127.0.0.2": "mta-1.kirim.example", "127.0.0.3": "mta-2.kirim.example"}


@dataclass(frozen=True)
class Customer:
    """What the customer's developer holds after sign-up, and the DKIM record to publish."""

    account_id: str
    api_key: str
    dkim_record: tuple[str, str]  # name and value of the TXT record


def sign_up(
    merpati: Merpati,
    name: str = "Toko Kirim",
    domain: str = DOMAIN,
    sending_ips: Mapping[str, str] = SENDING_IPS,
    also: Sequence[Sequence[str]] = (),
) -> Customer:
    """Create account, sending IPs (address to HELO name) and sending domain by command.

    also: commands to give afterwards.
    """
    owner = ("--account", name)
    account, *_, added = merpati.commands(
        ("account", "create", name, "--plan", "premium", "--service-time-zone", "uk"),
        *(
            ("ip", "add", address, *owner, "--hostname", hostname)
            for address, hostname in sending_ips.items()
        ),
        ("domain", "add", domain, *owner, "--assume-verified"),
        *also,
    )[: 2 + len(sending_ips)]
    dkim = next(record for record in added["records"] if "_domainkey" in record["name"])
    return Customer(str(account["account_id"]), account["api_key"], (dkim["name"], dkim["value"]))
