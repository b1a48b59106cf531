"""DKIM signatures: relaxed/relaxed, rsa-sha256, and ed25519-sha256 beside it.

Canonicalisation is done by repeated `str.replace`: a regular expression costs ten times as much,
nearly as much as the RSA signature itself. Text here has CRLF line ends only, and is ASCII.

Source: RFC 6376, sections 3.4 (canonical forms), 3.5 (tags), 5.4 (what to sign); RFC 8463 (Ed25519
as a second signature).
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

# Named once more than they occur ("oversigned"), so that nobody can add a second one on the way.
OVERSIGNED = (
    "from",
    "to",
    "cc",
    "subject",
    "date",
    "message-id",
    "reply-to",
    "mime-version",
    "content-type",
)
SIGNED_IF_PRESENT = (
    "content-transfer-encoding",
    "in-reply-to",
    "references",
    "list-id",
    "list-help",
    "list-unsubscribe",
    "list-unsubscribe-post",
    "list-subscribe",
    "list-post",
    "list-owner",
    "list-archive",
    "feedback-id",
)
_LINE = 72  # columns to which our own header is folded


def relaxed_lines(text: str) -> str:
    """Return body text with its white space in relaxed form (RFC 6376 3.4.4, point a).

    Blanks before the end of `text` stay as one: what follows decides about them.
    """
    if "\t" in text:
        text = text.replace("\t", " ")
    while "  " in text:
        text = text.replace("  ", " ")
    return text.replace(" \r\n", "\r\n")


def relaxed_body(text: str) -> str:
    """Return a whole body in relaxed form: no empty lines at the end, "" when nothing is left."""
    return without_last_blank_lines(relaxed_lines(text + "\r\n"))


def without_last_blank_lines(lines: str) -> str:
    """Return relaxed lines with all empty ones at the end taken away (RFC 6376 3.4.4, point b)."""
    kept = lines.rstrip("\r\n")
    return kept + "\r\n" if kept else ""


def relaxed_value(value: str) -> str:
    """Return an unfolded header value in relaxed form (RFC 6376 3.4.2)."""
    return " ".join(value.replace("\t", " ").split())


@dataclass(frozen=True, slots=True)
class SignedHeaders:
    """The `h=` tag: which headers are signed, in which order, and how it is written.

    names: lower case, each once. folded: as sent; unfolded: its relaxed form.
    """

    names: tuple[str, ...]
    folded: str
    unfolded: str


def signed_headers(present: Collection[str]) -> SignedHeaders:
    """Return what to sign in a message that may have these headers (lower-case names).

    A header that one message then lacks does no harm: a missing one signs as nothing.
    """
    listed: list[str] = []
    for name in OVERSIGNED:
        listed += [name, name] if name in present else [name]
    listed += [name for name in SIGNED_IF_PRESENT if name in present]
    names = tuple(dict.fromkeys(name for name in listed if name in present))
    lines = [""]
    for name in listed:
        if len(lines[-1]) + len(name) + 1 > _LINE:
            lines.append("")
        lines[-1] += name + ":"
    lines[-1] = lines[-1][:-1]
    return SignedHeaders(names, "\r\n ".join(lines), " ".join(lines))


class HeaderSigner(Protocol):
    """What signs one domain's mail."""

    def header(self, signed: SignedHeaders, headers: str, body_hash: bytes, signed_at: int) -> str:
        """Return the DKIM-Signature header or headers, with their line ends."""


@dataclass(frozen=True, slots=True)
class DkimSigner:
    """A key that signs one domain's mail.

    sign: as `adapters/signing.py` has it for the algorithm; called from any thread.
    """

    domain: str
    selector: str
    sign: Callable[[bytes], bytes]
    algorithm: str = "rsa"

    def header(self, signed: SignedHeaders, headers: str, body_hash: bytes, signed_at: int) -> str:
        """Return the DKIM-Signature header with its line end.

        headers: the signed headers in relaxed form, in the order of `signed.names`, each with CRLF;
        body_hash: SHA-256 of the relaxed body; signed_at: seconds since the epoch.
        """
        start = f"v=1; a={self.algorithm}-sha256; c=relaxed/relaxed; d={self.domain};"
        middle = f"s={self.selector}; t={signed_at};"
        end = f"bh={b64encode(body_hash).decode()};"
        own = f"dkim-signature:{start} {middle} h={signed.unfolded}; {end} b="
        signature = b64encode(self.sign((headers + own).encode("ascii"))).decode()
        lines = [signature[i : i + _LINE] for i in range(0, len(signature), _LINE)]
        return (
            f"DKIM-Signature: {start}\r\n {middle}\r\n h={signed.folded};\r\n {end}\r\n b="
            + "\r\n ".join(lines)
            + "\r\n"
        )


@dataclass(frozen=True, slots=True)
class SeveralSigners:
    """Keys that each sign one domain's mail: a verifier takes whichever it knows (RFC 8463 3)."""

    signers: Sequence[DkimSigner]

    def header(self, signed: SignedHeaders, headers: str, body_hash: bytes, signed_at: int) -> str:
        """Return the DKIM-Signature headers, in order; none signs another."""
        return "".join([one.header(signed, headers, body_hash, signed_at) for one in self.signers])
