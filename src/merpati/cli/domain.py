"""`merpati domain`: add, verify and list sending domains, with the DNS records to publish."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from merpati.cli.actor import actor, now
from merpati.cli.output import Group, common_options, say, show, style, table
from merpati.runtime.setup import setup
from merpati.settings import load

if TYPE_CHECKING:
    from merpati.sending.dns_records import DnsRecord
    from merpati.sending.models import SendingDomain


@click.group(
    cls=Group,
    examples=(
        "merpati domain add kirim.example --account 1",
        "merpati domain verify kirim.example",
        "merpati domain list --account 1",
    ),
)
def domain() -> None:
    """Add, verify and list sending domains."""


@domain.command(
    "add",
    examples=(
        "merpati domain add kirim.example --account 1",
        "merpati domain add kirim.example --account 'Toko Kirim' --assume-verified --json",
    ),
)
@click.argument("name", metavar="DOMAIN")
@click.option("--account", required=True, metavar="A", help="Its number or name.")
@click.option(
    "--assume-verified", is_flag=True, help="You answer for it: mail may be sent without a check."
)
@common_options
def add(name: str, account: str, assume_verified: bool, data: Path, as_json: bool) -> None:
    """Add a domain with a new DKIM key; prints the DNS records to publish."""
    folder = setup(data)
    from merpati.accounts.actions import find_account  # noqa: PLC0415 - needs Django set up
    from merpati.adapters.crypto import SecretBox  # noqa: PLC0415 - loads cryptography
    from merpati.sending.domains import add_domain  # noqa: PLC0415

    added = add_domain(
        find_account(account).pk,
        name,
        box=SecretBox(folder.secret_key),
        assume_verified=assume_verified,
        by=actor(),
        now=now(),
    )
    records = _records(added, data)
    text = f"{added.domain} is added to account {added.account_id}. Publish in DNS:\n\n"
    show(_document(added, records), text + _records_text(records), as_json)
    if not assume_verified:
        say(f"Then check it: merpati domain verify {added.domain}")


@domain.command(
    "verify",
    examples=("merpati domain verify kirim.example", "merpati domain verify a.example --json"),
)
@click.argument("name", metavar="DOMAIN")
@common_options
def verify(name: str, data: Path, as_json: bool) -> int:
    """Look the domain's DKIM record up in live DNS; exit code 1 when it does not pass."""
    setup(data)
    from merpati.sending.domains import find_domain, verify_domain  # noqa: PLC0415 - needs Django
    from merpati.sending.live_dns import txt_lookup  # noqa: PLC0415

    owner = _owner(name)
    lookup = txt_lookup(load(data).dns.servers)
    check = verify_domain(owner, name, lookup, by=actor(), now=now())
    checked = find_domain(owner, name)
    document = _document(checked, _records(checked, data)) | {
        "dkim_check": {
            "name": check.name,
            "is_valid": check.is_valid,
            "reason": check.reason,
            "wanted": check.wanted,
            "found": list(check.found),
        }
    }
    lines = [
        f"{style('passed', fg='green') if check.is_valid else style('failed', fg='red')}  "
        f"DKIM at {check.name}: {check.reason}",
        *([] if check.is_valid else [f"wanted  {check.wanted}"]),
        *([] if check.is_valid else [f"found   {text}" for text in check.found or ["nothing"]]),
    ]
    show(document, "\n".join(lines), as_json)
    return 0 if check.is_valid else 1


@domain.command("list", examples=("merpati domain list", "merpati domain list --account 1 --json"))
@click.option("--account", metavar="A", help="Only this account's: number or name.")
@common_options
def list_domains(account: str | None, data: Path, as_json: bool) -> None:
    """List sending domains, whether they may send, and their DNS records."""
    setup(data)
    from merpati.accounts.actions import find_account  # noqa: PLC0415 - needs Django set up
    from merpati.sending.models import SendingDomain  # noqa: PLC0415

    found = SendingDomain.objects.defer("private_key").order_by("account_id", "domain")
    if account is not None:
        found = found.filter(account=find_account(account))
    documents = [_document(row, _records(row, data)) for row in found]
    head = ("domain", "account_id", "may_send", "dkim_status", "verified_at")
    empty = "no sending domains; add one: merpati domain add DOMAIN --account A"
    text = table(head, [[row[name] for name in head] for row in documents], empty)
    for row in found:
        text += f"\n\n{row.domain}\n{_records_text(_records(row, data))}"
    show({"domains": documents}, text, as_json)


def _owner(name: str) -> int:
    """Return the account a domain belongs to: the operator need not name it."""
    from merpati.sending.domain_names import checked_domain  # noqa: PLC0415 - needs Django set up
    from merpati.sending.errors import DomainNotFound  # noqa: PLC0415
    from merpati.sending.models import SendingDomain  # noqa: PLC0415

    wanted = checked_domain(name)
    found = SendingDomain.objects.filter(domain=wanted)
    owner = found.values_list("account_id", flat=True).first()
    if owner is None:
        raise DomainNotFound(wanted)
    return owner


def _records(row: SendingDomain, data: Path) -> list[DnsRecord]:
    from merpati.sending.dns_records import dns_records  # noqa: PLC0415 - needs Django set up
    from merpati.sending.sending_ips import sending_ips_of  # noqa: PLC0415

    addresses = [ip.address for ip in sending_ips_of(row.account_id)]
    return dns_records(row, load(data).mail.bounce_domain, addresses)


def _document(row: SendingDomain, records: list[DnsRecord]) -> dict[str, Any]:
    return {
        "domain": row.domain,
        "account_id": row.account_id,
        "may_send": row.verified_at is not None,
        "dkim_status": row.dkim_status,
        "verified_at": row.verified_at,
        "checked_at": row.checked_at,
        "dkim": {
            "selector": row.selector,
            "signing_domain": row.domain,
            "public": row.public_key,
        },
        "records": [
            {
                "name": record.name,
                "type": record.type,
                "value": record.value,
                "zone_line": record.zone_line,
                "required": record.is_required,
                "purpose": record.purpose,
            }
            for record in records
        ],
    }


def _records_text(records: list[DnsRecord]) -> str:
    blocks = []
    for record in records:
        kind = style("required", bold=True) if record.is_required else "recommended"
        blocks.append(f"; {kind}: {record.purpose}\n{record.zone_line}")
    return "\n".join(blocks)
