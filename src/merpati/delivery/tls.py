"""TLS as a client: which certificates count, sessions that are resumed, hosts whose TLS is broken.

Opportunistic TLS verifies nothing and takes even old protocols: both are better than none. Where
TLS is required it is 1.2 or newer, and where the certificate counts it is verified.

Resuming a session saves about a fifth of a connection's CPU. Neither asyncio's nor uvloop's
`start_tls` can be given one, but both make their SSL object with `context.wrap_bio`.

Source: RFC 7435 (opportunistic security), RFC 8446 section 2.2 (resumption), RFC 3207 (STARTTLS).
"""

from __future__ import annotations

import functools
import ssl
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from merpati.contracts.sending_policy import TlsMode
from merpati.providers.directory import directory

MOST_SESSIONS = 2_000  # by host name and kind of context, some KB each
MOST_BROKEN = 10_000  # addresses
_DAY_SECONDS = 86_400.0


class ResumingContext(ssl.SSLContext):
    """A client context that offers each host the session it had last."""

    sessions: OrderedDict[str, ssl.SSLSession]

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        """Return the SSL object of a new connection."""
        known = session or self.sessions.get(str(server_hostname))
        return super().wrap_bio(incoming, outgoing, server_side, server_hostname, known)

    def remember(self, host: str, session: ssl.SSLSession | None) -> None:
        """Keep a host's newest session; TLS 1.3 sends it after the handshake."""
        if session is None:
            return
        self.sessions[host] = session
        self.sessions.move_to_end(host)
        if len(self.sessions) > MOST_SESSIONS:
            self.sessions.popitem(last=False)


class TlsClient:
    """What a worker knows of TLS with others. elapsed: monotonic seconds.

    authorities: PEM file of further certificate authorities to trust, "" for the system's alone.
    Raises OSError (ssl.SSLError too) when that cannot be loaded.
    """

    def __init__(self, elapsed: Callable[[], float], authorities: str = "") -> None:
        self._elapsed = elapsed
        self._broken: OrderedDict[str, float] = OrderedDict()
        self._broken_seconds = directory().remember_broken_tls_days * _DAY_SECONDS
        self._opportunistic = _context()
        self._opportunistic.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
        self._opportunistic.set_ciphers("DEFAULT:@SECLEVEL=0")
        self._required = _context()
        self._dane = _context()  # never resumes: that would bring no certificates to look at
        self._authorities = authorities
        if authorities:
            _ = self._verifying  # raises now what would else meet the first mail

    @functools.cached_property
    def _verifying(self) -> ResumingContext:
        """The context that checks certificates; to read the system's authorities takes 50 ms."""
        context = _context()
        context.verify_mode = ssl.CERT_REQUIRED
        context.check_hostname = True
        context.load_default_certs()
        if self._authorities:
            context.load_verify_locations(self._authorities)
        return context

    def context(self, mode: TlsMode, has_tlsa: bool = False) -> ResumingContext:
        """Return the context for connections of a mode; has_tlsa: to a host with TLSA records."""
        if has_tlsa:
            return self._dane
        match mode:
            case TlsMode.VERIFY | TlsMode.IMPLICIT:
                return self._verifying
            case TlsMode.REQUIRED:
                return self._required
            case _:
                return self._opportunistic

    def is_broken(self, address: str) -> bool:
        """Return whether TLS with an address failed lately, although it was offered."""
        until = self._broken.get(address)
        if until is None:
            return False
        if until <= self._elapsed():
            del self._broken[address]
            return False
        return True

    def broke(self, address: str) -> None:
        """Remember an address whose TLS fails while it takes mail without."""
        self._broken[address] = self._elapsed() + self._broken_seconds
        self._broken.move_to_end(address)
        if len(self._broken) > MOST_BROKEN:
            self._broken.popitem(last=False)


def chain_of(tls: Any) -> list[bytes]:
    """Return the certificates a host sent, DER, its own first; tls: an `ssl.SSLObject`."""
    if hasattr(tls, "get_unverified_chain"):  # Python 3.13
        return list(tls.get_unverified_chain())
    chain = tls._sslobj.get_unverified_chain() or []
    return [ssl.PEM_cert_to_DER_cert(certificate.public_bytes()) for certificate in chain]


def failure_words(error: Exception) -> str:
    """Return what went wrong in a handshake, for people."""
    match error:
        case ssl.SSLCertVerificationError():
            return f"its certificate is not accepted: {error.verify_message}"
        case ssl.SSLError():
            return f"the handshake failed: {(error.reason or str(error)).lower().replace('_', ' ')}"
        case TimeoutError() | ConnectionAbortedError():  # how asyncio and uvloop say it
            return "the handshake timed out"
        case _:
            return "the connection broke in the handshake"


def _context() -> ResumingContext:
    context = ResumingContext(ssl.PROTOCOL_TLS_CLIENT)
    context.sessions = OrderedDict()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
