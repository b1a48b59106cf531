"""The sending policy: the snapshot of everything the engine must know, numbered and published.

Every action that changes what is in it calls `bump` in its own transaction, so a version stands
for one state of the database. `publish_if_stale` writes the newest state to `policy.msgpack`: at
once after a commit, and from the clock process every second for what that missed. Workers read the
file whole when its version grows.

The file never goes back: publishers take turns under a lock and look at the database only after
they hold it. Should the database itself go back (a restored backup, a power cut with
synchronous=NORMAL), its counter is lifted above what was published.
"""

from __future__ import annotations

import fcntl
import itertools
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
from django.conf import settings as django_settings
from django.db import connection, transaction
from django.db.models import Prefetch

from merpati.accounts.models import Account
from merpati.adapters import codec
from merpati.contracts import sending_policy as contract
from merpati.contracts.sending_policy import TlsMode
from merpati.reputation.sparkpost_stages import messages_per_day
from merpati.sending.allowances_in_force import first_allowance, for_policy
from merpati.sending.models import (
    DEFAULT_POOL,
    DkimKey,
    Egress,
    IpPool,
    KeyState,
    PolicyVersion,
    QueueOrder,
    SendingIp,
    Split,
    SplitShare,
    StaticRoute,
)
from merpati.settings import load

log = logging.getLogger(__name__)

POLICY_FILE = "policy.msgpack"


class _Head(msgspec.Struct, frozen=True):
    """The part of a published snapshot that says whether it is stale."""

    version: int
    bounce_domain: str


_read_head = codec.unpacker(_Head)

_COUNT_UP = """
    INSERT INTO sending_policyversion (id, version) VALUES (1, %s)
    ON CONFLICT (id) DO UPDATE SET version =
        CASE WHEN sending_policyversion.version < excluded.version
             THEN excluded.version ELSE sending_policyversion.version + 1 END
"""


def current_version() -> int:
    """Return the version of the database's state; 0 before the first change."""
    return PolicyVersion.objects.filter(pk=1).values_list("version", flat=True).first() or 0


_changes = itertools.count(1)
_changes_here = 0


def changes_here() -> int:
    """Return a number that grows with each change that this very process has committed."""
    return _changes_here


def _note_change_here() -> None:
    global _changes_here  # noqa: PLW0603 - one number, for whoever looks more often than it changes
    _changes_here = next(_changes)


def bump(at_least: int = 1) -> None:
    """Count one change, inside the transaction that makes it; publish once that is committed.

    at_least: the new version is this or higher.
    A failure to publish does not undo the change: it is logged, and the clock process publishes.
    """
    if not connection.in_atomic_block:
        raise transaction.TransactionManagementError("bump() belongs into the change's transaction")
    _count_up(at_least)
    data_dir: Path | None = django_settings.DATA_DIR

    def publish() -> None:
        if data_dir is not None:
            publish_if_stale(data_dir)

    transaction.on_commit(_note_change_here)
    transaction.on_commit(publish, robust=True)


def build(bounce_domain: str) -> contract.SendingPolicy:
    """Return the snapshot of the database's present state.

    Read without a lock: when the version has moved meanwhile, what was read is thrown away.
    """
    while True:
        version = current_version()
        policy = contract.SendingPolicy(
            version=version,
            bounce_domain=bounce_domain,
            accounts=_accounts(),
            pools=_pools(),
            dkim_keys=_dkim_keys(),
            routes=_routes(),
            orders=_orders(),
            egresses=_egresses(),
            migrations=_migrations(),
        )
        if current_version() == version:
            return policy


def publish_if_stale(data_dir: Path, bounce_domain: str | None = None) -> int | None:
    """Write the newest snapshot to the data folder unless it is there; return its version if so.

    bounce_domain: from the settings of the running service. A command does not know the flags that
    was started with, so it passes None: the published one stays, the settings' is for the first.
    Raises OSError when the file cannot be written, SettingsError when settings are wrong.
    """
    path = data_dir / POLICY_FILE
    if not _is_stale(_published(path), bounce_domain):
        return None
    with _turn(data_dir):
        published = _published(path)
        if not _is_stale(published, bounce_domain):
            return None
        wanted = bounce_domain or (
            published.bounce_domain if published else load(data_dir).mail.bounce_domain
        )
        if published and current_version() <= published.version:
            _count_up(at_least=published.version + 1)
        policy = build(wanted)
        _write(path, codec.pack(policy))
        return policy.version


def published_policy(data_dir: Path) -> contract.SendingPolicy | None:
    """Return the published snapshot, or None before the first.

    Raises OSError when it cannot be read, codec.DecodeError when it is damaged.
    """
    try:
        data = (data_dir / POLICY_FILE).read_bytes()
    except FileNotFoundError:
        return None
    return codec.unpacker(contract.SendingPolicy).decode(data)


def _is_stale(published: _Head | None, bounce_domain: str | None) -> bool:
    if published is None or published.version != current_version():
        return True
    return bounce_domain is not None and bounce_domain != published.bounce_domain


def _count_up(at_least: int = 1) -> None:
    with connection.cursor() as cursor:
        cursor.execute(_COUNT_UP, [at_least])


def _published(path: Path) -> _Head | None:
    try:
        return _read_head.decode(path.read_bytes())
    except FileNotFoundError:
        return None
    except codec.DecodeError as error:
        log.warning("policy_damaged path=%s error=%s", path, error)
        return None


@contextmanager
def _turn(data_dir: Path) -> Iterator[None]:
    """Hold the publishers' lock; the kernel drops it when a process dies."""
    handle = os.open(data_dir / ".policy.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _write(path: Path, data: bytes) -> None:
    """Replace the file, so that a reader or a crash finds the old one or the new one, whole."""
    new = path.with_name(f".{path.name}.new")  # one writer at a time: the lock
    handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _accounts() -> list[contract.Account]:
    default_pools = dict(IpPool.objects.filter(slug=DEFAULT_POOL).values_list("account_id", "id"))
    # An account without its pool is not committed yet: `build` is about to begin anew.
    return [
        contract.Account(
            account_id=account.pk,
            shard=account.shard,
            default_pool_id=default_pools[account.pk],
            retry_seconds=account.retry_seconds,
            expire_seconds=account.expire_seconds,
            suspended=account.suspension_reason if account.suspended_at else "",
        )
        for account in Account.objects.filter(closed_at=None).order_by("id")
        if account.pk in default_pools
    ]


def _pools() -> list[contract.Pool]:
    rows = list(SendingIp.objects.order_by("account_id", "slot"))
    allowances = for_policy([ip.pk for ip in rows if ip.warms_by_provider])
    ips: dict[tuple[int, int], list[contract.SendingIp]] = {}
    for ip in rows:
        limit = messages_per_day(ip.auto_warmup_stage or 0) if ip.auto_warmup_enabled else None
        # Keyed by account too: an address can only ever serve its own account's mail.
        ips.setdefault((ip.account_id, ip.pool_id), []).append(
            contract.SendingIp(
                ip.address,
                ip.hostname,
                limit,
                allowances=allowances.get(ip.pk, []),
                first_allowance=first_allowance() if ip.warms_by_provider else None,
                engaged_within_days=ip.engaged_within_days,
            )
        )
    return [
        contract.Pool(
            pool_id=pool.id,
            account_id=pool.account_id,
            name=pool.slug,
            ips=ips.get((pool.account_id, pool.id), []),
            overflow_pool_id=pool.overflow_pool_id,
        )
        for pool in IpPool.objects.order_by("id")
    ]


def _dkim_keys() -> list[contract.DkimKey]:
    return [
        contract.DkimKey(
            account_id=key.domain.account_id,
            domain=key.domain.domain,
            signing_domain=key.domain.domain,
            selector=key.selector,
            private_key=bytes(key.private_key),
            algorithm=key.algorithm,
        )
        for key in DkimKey.objects.filter(state=KeyState.ACTIVE)
        .select_related("domain")
        .order_by("domain__domain", "-algorithm")  # of a domain's two signatures RSA comes first
    ]


def _routes() -> list[contract.Route]:
    return [
        contract.Route(
            pattern=route.pattern,
            host=route.host,
            port=route.port,
            connections=route.connections,
            messages_per_minute=route.messages_per_minute,
            tls=TlsMode(route.tls),
            username=route.username,
            password=bytes(route.password),
            is_signed=route.is_signed,
        )
        for route in StaticRoute.objects.order_by("pattern")
    ]


def _egresses() -> list[contract.Egress]:
    return [
        contract.Egress(
            egress_id=egress.pk,
            account_id=egress.account_id,
            name=egress.name,
            host=egress.host,
            port=egress.port,
            tls=TlsMode(egress.tls),
            username=egress.username,
            password=bytes(egress.password),
            connections=egress.connections,
            messages_per_minute=egress.messages_per_minute,
        )
        for egress in Egress.objects.order_by("id")
    ]


def _migrations() -> list[contract.Migration]:
    return [
        contract.Migration(
            account_id=split.account_id,
            pool_id=split.pool_id,
            egress_id=split.egress_id,
            shares=[contract.Share(share.provider, share.share) for share in split.shares.all()],
            on_spent=contract.OnSpent(split.on_spent),
            on_block=contract.OnBlock(split.on_block),
            when_old_fails=contract.OnOldFailure(split.when_old_fails),
            paused=split.paused,
        )
        for split in Split.objects.order_by("id").prefetch_related(
            Prefetch("shares", SplitShare.objects.order_by("provider"))
        )
    ]


def _orders() -> list[contract.Order]:
    # Those that are over are in it as well: workers look at the end themselves.
    return [order_of(order) for order in QueueOrder.objects.order_by("id")]


def order_of(order: QueueOrder) -> contract.Order:
    """Return an order as the engine reads it."""
    return contract.Order(
        order.pk,
        int(order.until_at.timestamp() * 1000),
        int(order.created_at.timestamp() * 1000),
        order.by,
        order.reason,
        order.account_id,
        order.pool_id,
        order.provider,
        order.sending_ip,
        order.drains,
    )
