"""Opening a connection: the hosts of a destination in turn, until one of them greets us.

Each is bound to the sending IP. What failed is remembered, so that the next connection begins
with a host that works. Where TLS is only a chance and fails, a new connection goes without.

Source: RFC 5321 section 5.1 (the next host is tried when one fails), RFC 3207 (STARTTLS), RFC 7672
(DANE).
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import ssl
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from merpati.adapters.dns import Tlsa
from merpati.contracts.sending_policy import TlsMode
from merpati.delivery import dane
from merpati.delivery.session import GreetingFailed, Manners, Session, StartTls, TlsFailed
from merpati.delivery.tls import ResumingContext, chain_of, failure_words

if TYPE_CHECKING:
    from merpati.delivery.lane import Line

log = logging.getLogger(__name__)

MOST_ADDRESSES = 10  # tried in one go before the line backs off


async def connect(line: Line) -> Session:
    """Return a greeted session with the first host that gives one. Raises GreetingFailed."""
    lane, destination = line.lane, line.destination
    where = list(destination.addresses_from(lane.ip.address))
    if not where:
        kind = "IPv6" if ":" in lane.ip.address else "IPv4"
        names = ", ".join(host.name for host in destination.hosts)
        raise GreetingFailed(f"no {kind} address for {names}, as {lane.ip.address} needs")
    last = GreetingFailed("no host was tried")
    hosts, elapsed = lane.hosts, lane.host.clock.elapsed
    for name, address in hosts.order(where, elapsed())[:MOST_ADDRESSES]:
        try:
            return await _greet(line, name, address)
        except GreetingFailed as error:
            last = error
            if lane.ip.is_missing or lane.host.is_stopping:
                break
            hosts.failed(address, elapsed())
    raise last


async def _greet(line: Line, name: str, address: str) -> Session:
    """Return a greeted session with one host, as secure as the destination wants it."""
    tls, mode = line.lane.host.tls, line.destination.tls
    if mode is TlsMode.OPPORTUNISTIC and tls.is_broken(address):
        return await _dialogue(line, name, address, TlsMode.NONE)
    try:
        return await _dialogue(line, name, address, mode)
    except TlsFailed as error:
        if mode is not TlsMode.OPPORTUNISTIC:
            because = line.destination.tls_because
            reason = f"{error.reason}; mail never goes there unencrypted: {because}"
            raise GreetingFailed(reason, error.reply) from None
        failure = error
    session = await _dialogue(line, name, address, TlsMode.NONE)
    # Only now, since an outage looks the same until the host takes mail without TLS.
    tls.broke(address)
    log.info("tls_broken remote=%s effect=unencrypted reason=%r", session.remote, failure.reason)
    return session


async def _dialogue(line: Line, name: str, address: str, mode: TlsMode) -> Session:
    lane, port = line.lane, line.destination.port
    timeouts = lane.host.options.timeouts
    remote = f"{'' if name == address else name}[{address}]:{port}"
    tlsa = dane.usable(line.destination.tlsa_of(name))
    context = lane.host.tls.context(mode, bool(tlsa))
    session = await _open(line, remote, name, address, mode)
    try:
        async with asyncio.timeout(timeouts.banner + 2 * timeouts.ehlo):
            await session.greeted
            if session.awaits_handshake:
                await _secure(session, name, context, timeouts.tls)
                if tlsa:
                    _check_certificate(session, name, tlsa, lane.host.clock.now())
                await session.greeted
    except TimeoutError:
        session.abort("timed out before the greeting was complete")
        raise GreetingFailed(f"timed out before the greeting ({session.remote})") from None
    except BaseException:
        session.abort("stopped")
        raise
    if session.tls and not tlsa:
        _remember_session(session, name, context)
    return session


async def _secure(session: Session, name: str, context: ResumingContext, seconds: float) -> None:
    """Shake hands. Raises TlsFailed; then the connection is of no use."""
    plain = session.transport
    if plain is None:
        raise GreetingFailed(f"the connection broke before the TLS handshake ({session.remote})")
    try:
        secure = await asyncio.get_running_loop().start_tls(
            plain, session, context, server_hostname=name, ssl_handshake_timeout=seconds
        )
    except OSError as error:  # ssl.SSLError and TimeoutError are such
        plain.abort()
        words = failure_words(error)
        raise TlsFailed(f"TLS with {session.remote} failed: {words}") from None
    if secure is None or secure.is_closing():
        plain.abort()
        raise TlsFailed(f"TLS with {session.remote} failed: the connection broke in the handshake")
    session.secured(secure)


def _check_certificate(session: Session, name: str, tlsa: Sequence[Tlsa], now: int) -> None:
    """Raise TlsFailed unless a TLSA record accepts the host's certificate; only EHLO was said."""
    if session.transport is None:
        return
    chain = chain_of(session.transport.get_extra_info("ssl_object"))
    if not dane.is_accepted(tlsa, chain, name, datetime.fromtimestamp(now / 1000, UTC)):
        raise TlsFailed(f"the certificate of {session.remote} matches none of its TLSA records")


def _remember_session(session: Session, name: str, context: ResumingContext) -> None:
    if session.transport is not None:
        tls = session.transport.get_extra_info("ssl_object")
        context.remember(name, tls.session)


async def _open(line: Line, remote: str, name: str, address: str, mode: TlsMode) -> Session:
    lane, host = line.lane, line.lane.host
    timeouts = host.options.timeouts
    manners = Manners(
        lane.ip.hostname,
        timeouts,
        lane.messages_per_connection,
        lane.provider,
        _STARTTLS[mode],
        line.destination.credentials,
    )
    from_the_start: dict[str, Any] = {}
    if mode is TlsMode.IMPLICIT:
        from_the_start = {
            "ssl": host.tls.context(mode),
            "server_hostname": name,
            "ssl_handshake_timeout": timeouts.tls,
        }
    try:
        async with asyncio.timeout(timeouts.connect):
            _, session = await asyncio.get_running_loop().create_connection(
                lambda: Session(line, remote, manners, host.clock.elapsed),
                address,
                line.destination.port,
                local_addr=(lane.ip.address, 0),
                **from_the_start,
            )
    except TimeoutError:
        raise GreetingFailed(f"connecting to {remote} timed out") from None
    except ssl.SSLError as error:
        raise TlsFailed(f"TLS with {remote} failed: {failure_words(error)}") from None
    except OSError as error:
        if error.errno == errno.EADDRNOTAVAIL:
            host.ip_missing(lane.ip)
        # asyncio puts words of its own into strerror.
        words = os.strerror(error.errno).lower() if error.errno else str(error)
        raise GreetingFailed(f"connecting to {remote} failed: {words}") from None
    return session


_STARTTLS = {
    TlsMode.NONE: StartTls.NEVER,
    TlsMode.OPPORTUNISTIC: StartTls.IF_OFFERED,
    TlsMode.REQUIRED: StartTls.ALWAYS,
    TlsMode.VERIFY: StartTls.ALWAYS,
    TlsMode.IMPLICIT: StartTls.NEVER,
}
