"""`merpati domain`: sending domains, their DKIM keys, and the DNS records to publish."""

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
    from merpati.sending.models import DkimKey, SendingDomain


@click.group(
    cls=Group,
    examples=(
        "merpati domain add kirim.example --account 1",
        "merpati domain verify kirim.example",
        "merpati domain list --account 1",
        "merpati domain rotate kirim.example",
    ),
)
def domain() -> None:
    """Add, verify, list and remove sending domains; rotate their DKIM keys."""


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
    from merpati.sending.domains import with_keys  # noqa: PLC0415
    from merpati.sending.models import SendingDomain  # noqa: PLC0415

    found = with_keys(SendingDomain.objects.order_by("account_id", "domain"))
    if account is not None:
        found = found.filter(account=find_account(account))
    documents = [_document(row, _records(row, data)) for row in found]
    head = ("domain", "account_id", "may_send", "dkim_status", "verified_at")
    empty = "no sending domains; add one: merpati domain add DOMAIN --account A"
    text = table(head, [[row[name] for name in head] for row in documents], empty)
    for row in found:
        text += f"\n\n{row.domain}\n{_records_text(_records(row, data))}"
    show({"domains": documents}, text, as_json)


@domain.command("keys", examples=("merpati domain keys kirim.example",))
@click.argument("name", metavar="DOMAIN")
@common_options
def keys(name: str, data: Path, as_json: bool) -> None:
    """List a domain's DKIM keys: which signs, which waits for its record, which may go."""
    setup(data)
    from merpati.sending.domains import find_domain  # noqa: PLC0415 - needs Django set up

    found = find_domain(_owner(name), name)
    documents = [_key_document(key) for key in found.dkim_keys.all()]
    head = ("selector", "algorithm", "state", "since", "removable_at")
    text = table(head, [[row[name] for name in head] for row in documents], "no keys")
    for row in documents:
        text += f"\n\n; {row['advice']}\n{row['zone_line']}"
    show({"domain": found.domain, "dkim_keys": documents}, text, as_json)


@domain.command(
    "rotate",
    examples=(
        "merpati domain rotate kirim.example",
        "merpati domain rotate kirim.example --algorithm ed25519   # a second signature",
    ),
)
@click.argument("name", metavar="DOMAIN")
@click.option(
    "--algorithm", type=click.Choice(["rsa", "ed25519"]), default="rsa", show_default=True,
    help="ed25519 signs beside the RSA key, which stays.",
)  # fmt: skip
@common_options
def rotate(name: str, algorithm: str, data: Path, as_json: bool) -> None:
    """Make a new DKIM key and print its record; it takes over once DNS shows that."""
    folder = setup(data)
    from merpati.adapters.crypto import SecretBox  # noqa: PLC0415 - loads cryptography
    from merpati.sending.key_rotation import rotate_key  # noqa: PLC0415 - needs Django set up
    from merpati.sending.models import KeyAlgorithm  # noqa: PLC0415

    key = rotate_key(
        _owner(name),
        name,
        box=SecretBox(folder.secret_key),
        algorithm=KeyAlgorithm(algorithm),
        by=actor(),
        now=now(),
    )
    document = _key_document(key)
    show(document, f"Publish in DNS:\n\n{document['zone_line']}", as_json)
    say(
        "The present key signs until this record is seen, which is looked for every five minutes; "
        f"or look now: merpati domain verify {key.domain.domain}"
    )


@domain.command(
    "remove-key",
    examples=("merpati domain remove-key kirim.example mp0226",),
)
@click.argument("name", metavar="DOMAIN")
@click.argument("selector")
@click.option("--force", is_flag=True, help="Although mail signed with it may be on its way.")
@common_options
def remove_key(name: str, selector: str, force: bool, data: Path, as_json: bool) -> None:
    """Remove a DKIM key that nothing needs, or have a second one sign no more."""
    setup(data)
    from merpati.sending.key_rotation import (  # noqa: PLC0415 - needs Django set up
        remove_key as remove,
    )

    retires = remove(_owner(name), name, selector, is_forced=force, by=actor(), now=now())
    if retires is None:
        document: dict[str, Any] = {"removed": selector}
        text = f"The key {selector} is removed. Its DNS record can go."
    else:
        document = _key_document(retires)
        text = (
            f"The key {selector} signs no more. Keep its record until {document['removable_at']}."
        )
    show(document, text, as_json)


@domain.command("remove", examples=("merpati domain remove kirim.example --yes",))
@click.argument("name", metavar="DOMAIN")
@click.option("--yes", is_flag=True, help="You are sure: its keys are gone, waiting mail fails.")
@common_options
def remove_one(name: str, yes: bool, data: Path, as_json: bool) -> None:
    """Remove a domain with its keys; mail from it that waits fails with that reason."""
    if not yes:
        raise click.UsageError(
            "Its keys would be gone and its waiting mail would fail: give --yes."
        )
    setup(data)
    from merpati.sending.domains import remove_domain  # noqa: PLC0415 - needs Django set up

    remove_domain(_owner(name), name, by=actor(), now=now())
    show({"removed": name}, f"{name} is removed.", as_json)


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
            "selector": row.default_key.selector,
            "signing_domain": row.domain,
            "public": row.default_key.public_key,
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


def _key_document(key: DkimKey) -> dict[str, Any]:
    from merpati.sending.dkim_keys import removable_at  # noqa: PLC0415 - needs Django set up
    from merpati.sending.dns_records import key_record  # noqa: PLC0415
    from merpati.sending.models import KeyState  # noqa: PLC0415

    record, ends_at = key_record(key), removable_at(key)
    advice = {
        KeyState.NEW: "publish this record",
        KeyState.PUBLISHED: "seen in DNS; it signs within an hour",
        KeyState.ACTIVE: "signs; keep this record",
        KeyState.RETIRING: "signs no more; keep this record until it is removable",
    }
    return {
        "selector": key.selector,
        "algorithm": key.algorithm,
        "state": key.state,
        "since": key.state_since,
        "removable_at": ends_at,
        "name": record.name,
        "value": record.value,
        "zone_line": record.zone_line,
        "advice": advice[KeyState(key.state)],
    }


def _records_text(records: list[DnsRecord]) -> str:
    blocks = []
    for record in records:
        kind = style("required", bold=True) if record.is_required else "recommended"
        blocks.append(f"; {kind}: {record.purpose}\n{record.zone_line}")
    return "\n".join(blocks)
