"""How to send: one immutable, versioned snapshot of everything the engine must know.

Built by `sending/policy.py` after each change of an account, IP, pool, domain or route, read whole
by the workers. Private keys in it stay encrypted (`adapters/crypto.py` opens them).
"""

from __future__ import annotations

import enum

import msgspec


class TlsMode(enum.StrEnum):
    """How far mail on a connection must be encrypted."""

    NONE = "none"
    OPPORTUNISTIC = "opportunistic"  # if offered, without looking at the certificate
    REQUIRED = "required"  # never unencrypted, whatever the certificate
    VERIFY = "verify"  # never without a certificate that is valid for the host
    IMPLICIT = "implicit"  # as verify, with TLS from the first byte


class SendingIp(msgspec.Struct, frozen=True):
    """A local address connections leave from, and the name it says in EHLO."""

    address: str
    hostname: str
    messages_per_day: int | None = None  # warm-up limit of a UTC day, retries counted; None: warm


class Pool(msgspec.Struct, frozen=True):
    """A group of sending IPs of one account."""

    pool_id: int
    account_id: int
    name: str  # SparkPost's id of it
    ips: list[SendingIp]
    overflow_pool_id: int | None = None  # takes what exceeds a warming IP's allowance


class Account(msgspec.Struct, frozen=True):
    """What the engine must know of an account.

    retry_seconds, expire_seconds: first wait and life of its mail, None for the operator's.
    suspended: why its mail is held, "" when it is not. Mail of an account that is not listed fails.
    """

    account_id: int
    shard: int
    default_pool_id: int
    retry_seconds: int | None = None
    expire_seconds: int | None = None
    suspended: str = ""


class DkimKey(msgspec.Struct, frozen=True):
    """A key that signs mail whose From domain is `domain`; of several each signs."""

    account_id: int
    domain: str
    signing_domain: str
    selector: str
    private_key: bytes  # PEM, encrypted with the instance's secret key
    algorithm: str = "rsa"  # or "ed25519"


class Route(msgspec.Struct, frozen=True):
    """A static route by recipient domain: a smart host, a provider of its own.

    pattern: a domain, `*.domain` for its subdomains, or `*`; the most specific wins.
    connections: at most so many per sending IP, None for the engine's default;
    messages_per_minute: per sending IP, None for no limit.
    password: encrypted with the instance's secret key; used when there is a username.
    is_signed: by us; else the smart host signs.
    """

    pattern: str
    host: str
    port: int
    connections: int | None = None
    messages_per_minute: int | None = None
    tls: TlsMode = TlsMode.OPPORTUNISTIC
    username: str = ""
    password: bytes = b""
    is_signed: bool = True


class Order(msgspec.Struct, frozen=True):
    """What is not to be sent for a while, by somebody's order. Times: milliseconds since the epoch.

    It concerns mail of `account_id` (None: all) from `pool_id` (None: all) to `provider` ("": all).
    With `sending_ip` it concerns only what would leave from there; without, such mail waits
    whatever other IPs there are. drains: said of the sending IP, not of the mail.
    """

    order_id: int
    until: int
    since: int
    by: str
    reason: str = ""
    account_id: int | None = None
    pool_id: int | None = None
    provider: str = ""
    sending_ip: str = ""
    drains: bool = False


class SendingPolicy(msgspec.Struct, frozen=True):
    """The snapshot. `version` only grows."""

    version: int
    bounce_domain: str  # domain of the return path
    accounts: list[Account] = []
    pools: list[Pool] = []
    dkim_keys: list[DkimKey] = []
    routes: list[Route] = []
    orders: list[Order] = []
