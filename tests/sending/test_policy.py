from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.db import connection, transaction
from django.db.transaction import TransactionManagementError

from merpati.accounts.actions import create_api_key, revoke_api_key
from merpati.accounts.models import Account
from merpati.adapters import codec
from merpati.adapters.crypto import SecretBox
from merpati.contracts import sending_policy as contract
from merpati.sending import policy
from merpati.sending.domains import add_domain, remove_domain, verify_domain
from merpati.sending.key_rotation import remove_key, rotate_key
from merpati.sending.models import KeyAlgorithm, PolicyVersion, SendingIp
from merpati.sending.pools import create_pool, delete_pool, find_pool, update_pool
from merpati.sending.routes import add_route, remove_route
from merpati.sending.sending_ips import (
    add_sending_ip,
    move_sending_ip,
    remove_sending_ip,
    update_sending_ip,
)
from tests.support.control import BY, NOW, make_account, run_script, start_script

pytestmark = pytest.mark.django_db
WHO = {"by": BY, "now": NOW}


@pytest.fixture
def account() -> Account:
    return make_account()


@pytest.fixture
def data(tmp_path: Path, settings) -> Iterator[Path]:
    settings.DATA_DIR = tmp_path
    (tmp_path / "merpati.toml").write_text('[mail]\nbounce_domain = "bounces.example"\n')
    return tmp_path


def version_of(data: Path) -> int:
    published = policy.published_policy(data)
    return published.version if published else 0


def test_every_action_that_matters_counts_a_version(account: Account, tmp_path: Path) -> None:
    pk, box = account.pk, SecretBox(tmp_path / "secret.key")
    actions: list[Callable[[], object]] = [
        make_account,
        lambda: create_api_key(pk, "Shop", **WHO),
        lambda: revoke_api_key(pk, account.api_keys.latest("pk").pk, **WHO),
        lambda: create_pool(pk, "Marketing", **WHO),
        lambda: update_pool(pk, "marketing", signing_domain="a.example", **WHO),
        lambda: add_sending_ip(pk, "192.0.2.1", "a.example.org", pool="marketing", **WHO),
        lambda: move_sending_ip(pk, "192.0.2.1", "default", **WHO),
        lambda: update_sending_ip(pk, "192.0.2.1", auto_warmup_enabled=True, **WHO),
        lambda: remove_sending_ip(pk, "192.0.2.1", **WHO),
        lambda: delete_pool(pk, "marketing", **WHO),
        lambda: add_domain(pk, "a.example", box=box, **WHO),
        lambda: verify_domain(pk, "a.example", lambda _: [], **WHO),
        lambda: rotate_key(pk, "a.example", box=box, algorithm=KeyAlgorithm.ED25519, **WHO),
        lambda: remove_key(pk, "a.example", "mp0226e", **WHO),
        lambda: remove_domain(pk, "a.example", **WHO),
        lambda: add_route("*", "127.0.0.1", 25, **WHO),
        lambda: remove_route("*", **WHO),
    ]
    for action in actions:
        before = policy.current_version()
        action()
        assert policy.current_version() > before


def test_a_change_that_is_undone_counts_no_version(account: Account) -> None:
    before = policy.current_version()
    with pytest.raises(RuntimeError), transaction.atomic():
        create_pool(account.pk, "Marketing", **WHO)
        raise RuntimeError
    assert policy.current_version() == before


@pytest.mark.django_db(transaction=True)
def test_a_version_is_counted_in_the_changes_transaction_only() -> None:
    with pytest.raises(TransactionManagementError):
        policy.bump()


def test_the_snapshot_says_how_to_send(account: Account, tmp_path: Path) -> None:
    pk, box = account.pk, SecretBox(tmp_path / "secret.key")
    create_pool(pk, "Big", **WHO)
    create_pool(pk, "Small", overflow="big", **WHO)
    add_sending_ip(pk, "192.0.2.1", "mta1.example.org", **WHO)
    add_sending_ip(pk, "192.0.2.2", "mta2.example.org", pool="small", warm_up=True, **WHO)
    key = add_domain(pk, "a.example", box=box, assume_verified=True, **WHO).default_key
    add_domain(pk, "unverified.example", box=box, **WHO)  # its key does not sign
    rotate_key(pk, "a.example", box=box, **WHO)  # nor does one whose record was not seen
    add_route("*.corp.example", "::1", 25, connections=3, messages_per_minute=60, **WHO)
    default, big, small = (find_pool(pk, slug).pk for slug in ("default", "big", "small"))

    built = policy.build("bounces.example")
    assert codec.unpacker(contract.SendingPolicy).decode(codec.pack(built)) == built
    assert built == contract.SendingPolicy(
        version=policy.current_version(),
        bounce_domain="bounces.example",
        accounts=[contract.Account(pk, account.shard, default)],
        pools=[
            contract.Pool(
                default, pk, "default", [contract.SendingIp("192.0.2.1", "mta1.example.org")]
            ),
            contract.Pool(big, pk, "big", []),
            contract.Pool(
                small, pk, "small", [contract.SendingIp("192.0.2.2", "mta2.example.org", 200)], big
            ),
        ],
        dkim_keys=[
            contract.DkimKey(pk, "a.example", "a.example", "mp0226", bytes(key.private_key))
        ],
        routes=[contract.Route("*.corp.example", "::1", 25, 3, 60)],
    )
    assert b"BEGIN PRIVATE KEY" in box.decrypt(built.dkim_keys[0].private_key)


@pytest.mark.parametrize(("enabled", "stage", "limit"), [(True, 29, 10_000_000), (True, 30, None),
                                                         (False, 3, None)])  # fmt: skip
def test_only_a_warming_ip_has_a_limit(
    account: Account, enabled: bool, stage: int, limit: int | None
) -> None:
    add_sending_ip(account.pk, "192.0.2.1", "mta1.example.org", **WHO)
    SendingIp.objects.update(auto_warmup_enabled=enabled, auto_warmup_stage=stage)
    assert policy.build("b.example").pools[0].ips[0].messages_per_day == limit


def test_an_address_never_serves_another_accounts_pool(account: Account) -> None:
    """Whatever the database came to hold: no traffic leaves from an address of another account."""
    add_sending_ip(account.pk, "192.0.2.1", "mta1.example.org", **WHO)
    stranger = make_account()
    SendingIp.objects.update(pool=find_pool(stranger.pk, "default"))
    assert [pool.ips for pool in policy.build("b.example").pools] == [[], []]


def test_a_commit_publishes(
    account: Account, data: Path, django_capture_on_commit_callbacks
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        create_pool(account.pk, "Marketing", **WHO)
    published = policy.published_policy(data)
    assert published is not None
    assert published == policy.build("bounces.example")
    assert (data / "policy.msgpack").stat().st_mode & 0o777 == 0o600
    assert not list(data.glob(".policy.msgpack*"))


def test_a_commit_that_cannot_publish_keeps_the_change(
    account: Account, data: Path, settings, django_capture_on_commit_callbacks
) -> None:
    settings.DATA_DIR = data / "gone"
    with django_capture_on_commit_callbacks(execute=True):
        create_pool(account.pk, "Marketing", **WHO)
    assert find_pool(account.pk, "marketing")
    assert policy.publish_if_stale(data) == policy.current_version()


def test_what_is_published_is_not_written_again(account: Account, data: Path) -> None:
    assert policy.publish_if_stale(data) == policy.current_version()
    written = (data / "policy.msgpack").stat()
    assert policy.publish_if_stale(data) is None
    assert (data / "policy.msgpack").stat().st_ino == written.st_ino
    create_pool(account.pk, "Marketing", **WHO)
    assert policy.publish_if_stale(data) == policy.current_version() == version_of(data)


def test_the_running_services_bounce_domain_rules(account: Account, data: Path) -> None:
    policy.publish_if_stale(data)
    first = version_of(data)
    assert policy.publish_if_stale(data, "other.example") == first + 1
    create_pool(account.pk, "Marketing", **WHO)
    policy.publish_if_stale(data)  # as a command does, which does not know the service's flags
    published = policy.published_policy(data)
    assert published is not None
    assert published.bounce_domain == "other.example"


def test_a_database_that_went_back_is_lifted_above_what_was_published(
    account: Account, data: Path
) -> None:
    for number in range(5):
        create_pool(account.pk, f"Pool {number}", **WHO)
    policy.publish_if_stale(data)
    before = version_of(data)
    PolicyVersion.objects.update(version=2)  # as from a backup
    assert policy.publish_if_stale(data) == before + 1
    assert policy.current_version() == before + 1


def test_a_damaged_file_is_replaced(account: Account, data: Path) -> None:
    (data / "policy.msgpack").write_bytes(b"\xc1 not msgpack")
    assert policy.publish_if_stale(data) == policy.current_version() == version_of(data)


def test_what_changes_while_it_is_read_is_read_again(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, late = policy._routes, [lambda: add_route("*", "127.0.0.1", 25, **WHO)]

    def routes() -> list[contract.Route]:
        found = real()
        if late:
            late.pop()()
        return found

    monkeypatch.setattr(policy, "_routes", routes)
    built = policy.build("b.example")
    assert built.version == policy.current_version()
    assert [route.pattern for route in built.routes] == ["*"]


PUBLISHER = """
from merpati.sending.policy import publish_if_stale, published_policy
print("ready", flush=True)
sys.stdin.readline()
versions = []
while published_policy(DATA).version < int(sys.argv[1]):
    publish_if_stale(DATA)
    versions.append(published_policy(DATA).version)
print(json.dumps(versions))
"""
WRITER = """
from merpati.sending import policy
from merpati.sending.routes import add_route
from django.db.transaction import on_commit
for number in range(40):
    add_route(f"d{number}.example", "127.0.0.1", 25, by=BY, now=NOW)
print(policy.current_version())
"""


def test_several_publishers_never_go_back(tmp_path: Path) -> None:
    data = tmp_path / "data"
    assert run_script(data, "print('made')") == "made\n"
    publishers = [start_script(data, PUBLISHER, "40") for _ in range(2)]
    for publisher in publishers:
        assert publisher.stdout is not None
        assert publisher.stdout.readline() == "ready\n"
        assert publisher.stdin is not None
        publisher.stdin.write("go\n")
        publisher.stdin.flush()
    last = int(run_script(data, WRITER))
    seen = [json.loads(publisher.communicate(timeout=60)[0]) for publisher in publishers]
    for versions in seen:
        assert versions == sorted(versions)
        assert versions[-1] == last == 40
    published = policy.published_policy(data)
    assert published is not None
    assert len(published.routes) == 40


def test_building_costs_the_same_queries_for_many_accounts(
    account: Account, django_assert_num_queries
) -> None:
    for number in range(5):
        other = make_account()
        add_sending_ip(other.pk, f"192.0.2.{number}", "mta.example.org", **WHO)
    assert connection.in_atomic_block
    with django_assert_num_queries(11):
        policy.build("b.example")
