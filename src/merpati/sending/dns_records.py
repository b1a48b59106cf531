"""The DNS records of a sending domain: what to publish, and whether what is found passes. Pure.

Only the DKIM record is required; the others are advice, and say so.

Source: sparkpost-api 10 ("DNS that passes"); RFC 6376 3.6.1 (the record's tags); RFC 1035 3.3
(a TXT string holds 255 octets at most, so longer values are several strings).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from merpati.sending.models import SendingDomain

_STRING_OCTETS = 255


@dataclass(frozen=True, slots=True)
class DnsRecord:
    """A record to publish; names are absolute, without the final dot."""

    name: str
    type: str  # "TXT", "CNAME"
    value: str  # TXT in one piece: who publishes it splits it, or takes `zone_line`
    purpose: str  # for people
    is_required: bool

    @property
    def zone_line(self) -> str:
        """The record as BIND's zone files have it, TXT split into quoted strings."""
        if self.type != "TXT":
            return f"{self.name}. IN {self.type} {self.value}."
        strings = " ".join(f'"{part}"' for part in _split(self.value))
        return f"{self.name}. IN TXT ( {strings} )"


@dataclass(frozen=True, slots=True)
class DkimCheck:
    """What a look at a domain's DKIM record came to; `reason` says for people what to do."""

    name: str
    wanted: str
    found: tuple[str, ...]
    is_valid: bool
    reason: str


def dkim_name(domain: SendingDomain) -> str:
    """Return where a domain's DKIM key is published."""
    return f"{domain.selector}._domainkey.{domain.domain}"


def dkim_value(domain: SendingDomain) -> str:
    """Return the TXT value that publishes a domain's DKIM key."""
    return f"v=DKIM1; k=rsa; h=sha256; p={domain.public_key}"


def dns_records(
    domain: SendingDomain, bounce_domain: str, addresses: Sequence[str]
) -> list[DnsRecord]:
    """Return what to publish for a domain, the required record first.

    bounce_domain: of this instance's return paths; addresses: the account's sending IPs.
    """
    name = domain.domain
    records = [
        DnsRecord(
            dkim_name(domain),
            "TXT",
            dkim_value(domain),
            "the key that verifies our signature (DKIM)",
            is_required=True,
        ),
        DnsRecord(
            f"_dmarc.{name}",
            "TXT",
            "v=DMARC1; p=none",
            "large providers want a DMARC policy; keep a stricter one if you have it",
            is_required=False,
        ),
        DnsRecord(
            f"bounces.{name}",
            "CNAME",
            bounce_domain,
            f"a return path of your own, to be used as return_path in transmissions; bounces then "
            f"still come to {bounce_domain}",
            is_required=False,
        ),
    ]
    if addresses:
        ips = " ".join(f"ip4:{address}" for address in addresses)
        records.append(
            DnsRecord(
                name,
                "TXT",
                f"v=spf1 {ips} ~all",
                "only for mail whose return path is in this very domain; where it has an SPF "
                f"record, add {ips} to that",
                is_required=False,
            )
        )
    return records


def check_dkim(domain: SendingDomain, found: Sequence[str]) -> DkimCheck:
    """Return whether the TXT values found at `dkim_name` publish this domain's key."""
    reason = _dkim_fault(domain, found)
    return DkimCheck(
        name=dkim_name(domain),
        wanted=dkim_value(domain),
        found=tuple(found),
        is_valid=not reason,
        reason=reason or "the published key is ours",
    )


def _dkim_fault(domain: SendingDomain, found: Sequence[str]) -> str:
    # Verifiers take any of several records, so the result would be a matter of luck.
    match [text for text in found if "p" in _tags(text)]:
        case []:
            return "there is no DKIM record at this name: publish the wanted value"
        case [record]:
            return _record_fault(domain, _tags(record))
        case records:
            return f"there are {len(records)} DKIM records at this name: keep the wanted one alone"


def _record_fault(domain: SendingDomain, tags: dict[str, str]) -> str:
    key = "".join(tags["p"].split())
    if tags.get("v", "DKIM1") != "DKIM1":
        return f"the record's version is {tags['v']!r}, not 'DKIM1'"
    if tags.get("k", "rsa") != "rsa":
        return f"the record's key type is {tags['k']!r}, not 'rsa'"
    if "h" in tags and "sha256" not in [item.strip() for item in tags["h"].split(":")]:
        return f"the record allows the hashes {tags['h']!r}, and sha256 is not among them"
    if not key:
        return "the record's key is empty, which revokes it"
    if key != domain.public_key:
        cut = domain.public_key.startswith(key)
        return "the key is cut off: publish it whole" if cut else "the key is another one than ours"
    return ""


def _tags(text: str) -> dict[str, str]:
    pairs = (item.partition("=") for item in text.split(";"))
    return {name.strip(): value.strip() for name, equals, value in pairs if equals}


def _split(value: str) -> list[str]:
    return [value[at : at + _STRING_OCTETS] for at in range(0, len(value), _STRING_OCTETS)]
