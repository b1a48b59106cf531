"""The DNS records of a sending domain: what to publish, and whether what is found passes. Pure.

Only the DKIM record is required; the others are advice, and say so.

Source: sparkpost-api 10 ("DNS that passes"); RFC 6376 3.6.1 (the record's tags); RFC 1035 3.3
(a TXT string holds 255 octets at most, so longer values are several strings).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from merpati.sending.models import DkimKey, SendingDomain

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


def dkim_name(key: DkimKey) -> str:
    """Return where a DKIM key is published."""
    return f"{key.selector}._domainkey.{key.domain.domain}"


def dkim_value(key: DkimKey) -> str:
    """Return the TXT value that publishes a DKIM key."""
    return f"v=DKIM1; k={key.algorithm}; h=sha256; p={key.public_key}"


def key_record(key: DkimKey) -> DnsRecord:
    """Return the record of a DKIM key."""
    purpose = "the key that verifies our signature (DKIM)"
    return DnsRecord(dkim_name(key), "TXT", dkim_value(key), purpose, is_required=True)


def dns_records(
    domain: SendingDomain, bounce_domain: str, addresses: Sequence[str]
) -> list[DnsRecord]:
    """Return what to publish for a domain, the required record first.

    bounce_domain: of this instance's return paths; addresses: the account's sending IPs.
    """
    name = domain.domain
    records = [
        key_record(domain.default_key),
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


def check_dkim(key: DkimKey, found: Sequence[str]) -> DkimCheck:
    """Return whether the TXT values found at `dkim_name` publish this domain's key."""
    reason = _dkim_fault(key, found)
    return DkimCheck(
        name=dkim_name(key),
        wanted=dkim_value(key),
        found=tuple(found),
        is_valid=not reason,
        reason=reason or "the published key is ours",
    )


def _dkim_fault(key: DkimKey, found: Sequence[str]) -> str:
    # Verifiers take any of several records, so the result would be a matter of luck.
    match [text for text in found if "p" in _tags(text)]:
        case []:
            return "there is no DKIM record at this name: publish the wanted value"
        case [record]:
            return _record_fault(key, _tags(record))
        case records:
            return f"there are {len(records)} DKIM records at this name: keep the wanted one alone"


def _record_fault(key: DkimKey, tags: dict[str, str]) -> str:
    found = "".join(tags["p"].split())
    if tags.get("v", "DKIM1") != "DKIM1":
        return f"the record's version is {tags['v']!r}, not 'DKIM1'"
    if (kind := tags.get("k", "rsa")) != key.algorithm:
        return f"the record's key type is {kind!r}, not {str(key.algorithm)!r}"
    if "h" in tags and "sha256" not in [item.strip() for item in tags["h"].split(":")]:
        return f"the record allows the hashes {tags['h']!r}, and sha256 is not among them"
    if not found:
        return "the record's key is empty, which revokes it"
    if found != key.public_key:
        cut = key.public_key.startswith(found)
        return "the key is cut off: publish it whole" if cut else "the key is another one than ours"
    return ""


def _tags(text: str) -> dict[str, str]:
    pairs = (item.partition("=") for item in text.split(";"))
    return {name.strip(): value.strip() for name, equals, value in pairs if equals}


def _split(value: str) -> list[str]:
    return [value[at : at + _STRING_OCTETS] for at in range(0, len(value), _STRING_OCTETS)]
