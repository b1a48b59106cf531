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


class ProviderAllowance(msgspec.Struct, frozen=True):
    """What one sending IP may send to one mailbox provider on one UTC day.

    messages: most attempts of that day (each MAIL FROM counts, retries again), never passed.
    messages_per_hour: at most so fast; None: spread evenly over what is left of the day.
    paused_until: nothing before that moment (milliseconds since the epoch), 0 for no pause.
    reason: why it is so, in words; shown to people where mail waits for it.
    """

    provider: str  # as `providers/directory.py` names it, or the host of who is not listed there
    day: int  # since the epoch, UTC
    messages: int
    messages_per_hour: int | None = None
    paused_until: int = 0
    reason: str = ""


class SendingIp(msgspec.Struct, frozen=True):
    """A local address connections leave from, and the name it says in EHLO.

    messages_per_day: warm-up limit of the whole IP on a UTC day, retries counted; None: no limit.
    allowances: what it may send to single providers; both limits hold. A day without a row goes
    on at the level of the latest earlier one, as a day of its own.
    first_allowance: what a provider gets of which no row up to that day tells; None: this IP does
    not warm up by provider, and providers without a row are not limited.
    engaged_within_days: only recipients known to have engaged within so many days use it while it
    warms, of accounts that know; all others go over the pool's warm IPs or the overflow pool.
    """

    address: str
    hostname: str
    messages_per_day: int | None = None
    allowances: list[ProviderAllowance] = []
    first_allowance: int | None = None
    engaged_within_days: int | None = None


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


class Egress(msgspec.Struct, frozen=True):
    """An old provider: an SMTP relay of an account, by which mail goes that is not ours to send.

    connections: at most so many at once, of each worker; messages_per_minute: None for no limit.
    password: encrypted with the instance's secret key; used when there is a username.
    """

    egress_id: int
    account_id: int
    name: str  # how people call it
    host: str
    port: int
    tls: TlsMode = TlsMode.REQUIRED
    username: str = ""
    password: bytes = b""
    connections: int = 5
    messages_per_minute: int | None = None


class Share(msgspec.Struct, frozen=True):
    """How many of 10,000 recipients at a provider go our way: those whose bucket is below it."""

    provider: str  # "": all that are not named
    share: int  # 0 to 10,000


class OnSpent(enum.StrEnum):
    """Where mail of our share goes that today's allowance at its provider does not bear.

    By the old provider it goes at once: as soon as more waits than the rest of the day bears.
    """

    OLD = "old"  # by the old provider
    WAIT = "wait"  # for tomorrow's allowance
    POOL = "pool"  # by other IPs of the pool and the overflow pool, as without a migration


class OnBlock(enum.StrEnum):
    """What becomes of mail that a provider refused from one of our IPs."""

    WAIT = "wait"  # for the IP that was refused
    OLD = "old"  # it goes by the old provider


class OnOldFailure(enum.StrEnum):
    """What becomes of the old provider's share while the old provider does not take mail."""

    WAIT = "wait"
    MOVE = "move"  # it goes our way, within our allowances


class Migration(msgspec.Struct, frozen=True):
    """How the mail of an account's pool is split between an old provider and our IPs.

    shares: of a provider that no share names, everything goes by the old provider.
    paused: why nothing moves at present, "" when it does. While it is paused the split stays as
    it is, and mail of our share that would wait for an allowance goes by the old provider.
    """

    account_id: int
    pool_id: int
    egress_id: int
    shares: list[Share] = []
    on_spent: OnSpent = OnSpent.OLD
    on_block: OnBlock = OnBlock.WAIT
    when_old_fails: OnOldFailure = OnOldFailure.WAIT
    paused: str = ""


class SendingPolicy(msgspec.Struct, frozen=True):
    """The snapshot. `version` only grows."""

    version: int
    bounce_domain: str  # domain of the return path
    accounts: list[Account] = []
    pools: list[Pool] = []
    dkim_keys: list[DkimKey] = []
    routes: list[Route] = []
    orders: list[Order] = []
    egresses: list[Egress] = []
    migrations: list[Migration] = []
