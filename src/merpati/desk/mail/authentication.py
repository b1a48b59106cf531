"""Whether a mail is from whom its From header names: a DKIM signature or SPF of that very domain.

The domain that signed, or for which the sending host may speak, must have the same organisational
domain as the From address (relaxed alignment). A domain that does not answer for now says neither
yes nor no: then the mail is to be looked at again.

Source: RFC 6376 (DKIM), RFC 7208 (SPF), RFC 7489 3.1 (alignment) and 3.2 (organisational domain).
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

import dkim
from publicsuffixlist import PublicSuffixList

from merpati.adapters import dns
from merpati.desk.mail.parsing import ParsedMail
from merpati.desk.mail.spf import Answer, Question, Verdict, check_host
from merpati.desk.models import Proof

log = logging.getLogger(__name__)

SIGNATURES = 5  # looked at, of one mail; each costs a look-up and a verification
LOOKUP_SECONDS = 5.0
LEAST_KEY_BITS = 1024  # RFC 8301 3.2
_ALGORITHMS = frozenset({b"rsa-sha256", b"ed25519-sha256"})  # RFC 8301 3.1: no SHA-1
_suffixes = PublicSuffixList()


class NotKnownYet(Exception):
    """DNS did not answer: whether the mail is genuine may be known later."""


def proof_of(
    mail: ParsedMail, data: bytes, *, msg_from: str, peer: str, helo: str, servers: Sequence[str]
) -> Proof:
    """Return by what the author of a mail is proved; `Proof.NONE` where nothing does.

    servers: as in the setting dns.servers. Blocking. Raises NotKnownYet.
    """
    domain = mail.from_email.rpartition("@")[2]
    if not domain:
        return Proof.NONE
    doubts: list[str] = []
    if _is_signed(mail, data, domain, servers, doubts):
        return Proof.DKIM
    sender_domain = msg_from.rpartition("@")[2] if msg_from else helo
    if aligned(sender_domain, domain):
        verdict = _spf(peer, msg_from, helo, servers)
        if verdict is Verdict.PASS:
            return Proof.SPF
        if verdict is Verdict.TEMPERROR:
            doubts.append(f"SPF of {sender_domain}")
    if doubts:
        raise NotKnownYet(", ".join(doubts))
    return Proof.NONE


def aligned(one: str, other: str) -> bool:
    """Return whether two domains belong to the same organisation."""
    organisation = organisational_domain(one)
    return bool(organisation) and organisation == organisational_domain(other)


def organisational_domain(domain: str) -> str:
    """Return the domain that somebody registered, `kirim.co.id` of `mail.kirim.co.id`, or ""."""
    try:
        name = domain.strip().rstrip(".").lower().encode("idna").decode() if domain else ""
    except UnicodeError:
        return ""
    return _suffixes.privatesuffix(name) or "" if name else ""


def _is_signed(
    mail: ParsedMail, data: bytes, domain: str, servers: Sequence[str], doubts: list[str]
) -> bool:
    """Return whether a signature of an aligned domain covers this mail."""
    for number in range(min(len(mail.headers.get("dkim-signature", ())), SIGNATURES)):
        try:
            if _holds(data, number, domain, servers):
                return True
        except NotKnownYet as unknown:
            doubts.append(str(unknown))
    return False


def _holds(data: bytes, number: int, domain: str, servers: Sequence[str]) -> bool:
    """Return whether one signature is an aligned domain's, and holds. Raises NotKnownYet."""

    def lookup(name: bytes, timeout: float = LOOKUP_SECONDS) -> bytes | None:
        text = name.decode("ascii", "replace").rstrip(".").lower()
        if not aligned(text.partition("._domainkey.")[2], domain):
            return None  # whatever it says, it proves nothing
        try:
            found = dns.txt_records(text, servers, min(timeout, LOOKUP_SECONDS))
        except dns.LookupFailed as error:
            raise NotKnownYet(str(error)) from error
        except dns.DnsError:
            return None
        return found[0].encode("utf-8", "replace") if found else None

    try:
        verifier = dkim.DKIM(data, minkey=LEAST_KEY_BITS)
        if not verifier.verify(number, dnsfunc=lookup):
            return False
    except NotKnownYet:
        raise
    except Exception as error:  # it says by all kinds of them that a signature is not one
        log.debug("no_signature reason=%r", str(error))
        return False
    # As the verifier read it, which is what it verified. With a length (l=) anybody may have
    # written what follows the signed beginning.
    tags: dict[bytes, bytes] = verifier.signature_fields
    return b"l" not in tags and tags.get(b"a") in _ALGORITHMS


def _spf(peer: str, msg_from: str, helo: str, servers: Sequence[str]) -> Verdict:
    try:
        check = check_host(peer, msg_from, helo)
    except ValueError:  # no address of a client: a defect of ours, and no proof
        return Verdict.NONE
    try:
        question = next(check)
        while True:
            question = check.send(_answer(question, servers))
    except StopIteration as end:
        verdict: Verdict = end.value
        return verdict


def _answer(question: Question, servers: Sequence[str]) -> Answer:
    try:
        return Answer(tuple(dns.records(question.name, question.type, servers, LOOKUP_SECONDS)))
    except dns.LookupFailed:
        return Answer(is_failed=True)
    except dns.DnsError:
        return Answer()
