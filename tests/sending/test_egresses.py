from __future__ import annotations

import pytest

from merpati.accounts.models import AuditEntry
from merpati.adapters.crypto import SecretBox
from merpati.contracts import sending_policy as contract
from merpati.contracts.sending_policy import OnBlock, OnOldFailure, OnSpent, TlsMode
from merpati.sending import policy
from merpati.sending.egresses import add_egress, egresses_of, remove_egress
from merpati.sending.errors import (
    EgressExists,
    EgressInUse,
    EgressNotFound,
    InvalidValue,
    PoolSplit,
    ShareWouldFall,
)
from merpati.sending.models import Egress, IpPool, Split
from merpati.sending.pools import create_pool, delete_pool
from merpati.sending.routes import checked_login
from merpati.sending.splits import (
    close_split,
    open_split,
    pause_split,
    raise_shares,
    roll_back,
    shares_of,
)
from tests.support.control import BY, NOW, everything_stored, make_account

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> SecretBox:
    return SecretBox(tmp_path_factory.mktemp("egress") / "secret.key")


def _egress(account_id: int, name: str = "old", box: SecretBox | None = None) -> Egress:
    login = checked_login("kirim", "rahasia", box) if box else None
    return add_egress(account_id, name, "smtp.old.example", 587, login=login, by=BY, now=NOW)


def _split(pool: IpPool, egress: Egress) -> Split:
    return open_split(
        pool, egress, on_spent=OnSpent.OLD, on_block=OnBlock.WAIT,
        when_old_fails=OnOldFailure.MOVE, now=NOW,
    )  # fmt: skip


def test_an_egress_is_in_the_policy_with_its_password_sealed(box: SecretBox) -> None:
    account = make_account()
    egress = _egress(account.pk, box=box)
    (found,) = policy.build("bounces.example").egresses
    assert found == contract.Egress(
        egress_id=egress.pk,
        account_id=account.pk,
        name="old",
        host="smtp.old.example",
        port=587,
        tls=TlsMode.VERIFY,
        username="kirim",
        password=found.password,
        connections=5,
    )
    assert box.decrypt(found.password) == b"rahasia"
    stored = everything_stored()
    assert "rahasia" not in stored
    assert b"rahasia".hex() not in stored
    assert AuditEntry.objects.get(action="add_egress").account_id == account.pk


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        pytest.param({"name": "a b"}, "name", id="name"),
        pytest.param({"host": "no host"}, "host", id="host"),
        pytest.param({"port": 0}, "host", id="port"),
        pytest.param({"connections": 0}, "connections", id="connections"),
        pytest.param({"messages_per_minute": 0}, "rate", id="rate"),
        pytest.param({"tls": "opportunistic"}, "tls", id="password in the clear"),
    ],
)
def test_what_is_no_egress_is_refused_and_changes_nothing(
    changes: dict[str, object], field: str, box: SecretBox
) -> None:
    account = make_account()
    version = policy.current_version()
    wanted = {"name": "old", "host": "smtp.old.example", "port": 587} | changes
    login = checked_login("kirim", "rahasia", box)
    with pytest.raises(InvalidValue) as refused:
        add_egress(account.pk, **wanted, login=login, by=BY, now=NOW)  # type: ignore[arg-type]
    assert refused.value.field == field
    assert policy.current_version() == version
    assert not egresses_of(account.pk).exists()


def test_an_account_names_an_egress_once_and_sees_only_its_own() -> None:
    one, other = make_account(), make_account()
    _egress(one.pk)
    with pytest.raises(EgressExists):
        _egress(one.pk)
    with pytest.raises(EgressNotFound):
        remove_egress(other.pk, "old", by=BY, now=NOW)
    _egress(other.pk)
    remove_egress(one.pk, "OLD", by=BY, now=NOW)
    assert [egress.account_id for egress in Egress.objects.all()] == [other.pk]


def test_a_split_sends_everything_the_old_way_until_shares_rise() -> None:
    account = make_account()
    pool, egress = IpPool.objects.get(account=account), _egress(account.pk)
    split = _split(pool, egress)
    expected = contract.Migration(account.pk, pool.pk, egress.pk, when_old_fails=OnOldFailure.MOVE)
    assert policy.build("b.example").migrations == [expected]
    raise_shares(split, {"google": 120, "": 50})
    (found,) = policy.build("b.example").migrations
    assert found.shares == [contract.Share("", 50), contract.Share("google", 120)]


def test_a_share_falls_by_a_roll_back_alone() -> None:
    account = make_account()
    split = _split(IpPool.objects.get(account=account), _egress(account.pk))
    raise_shares(split, {"google": 120, "yahoo": 10})
    version = policy.current_version()
    with pytest.raises(ShareWouldFall, match=r"google: 1\.2 % of the recipients have moved"):
        raise_shares(split, {"yahoo": 20, "google": 119})
    raise_shares(split, {"google": 120})
    assert shares_of(split) == {"google": 120, "yahoo": 10}
    assert policy.current_version() == version
    roll_back(split, {"google": 0})
    assert shares_of(split) == {"google": 0, "yahoo": 10}
    assert policy.current_version() > version


def test_a_paused_split_says_why_and_a_closed_one_is_gone() -> None:
    account = make_account()
    split = _split(IpPool.objects.get(account=account), _egress(account.pk))
    pause_split(split, "the old provider has an outage")
    (found,) = policy.build("b.example").migrations
    assert found.paused == "the old provider has an outage"
    pause_split(split, "")
    assert policy.build("b.example").migrations[0].paused == ""
    with pytest.raises(EgressInUse):
        remove_egress(account.pk, "old", by=BY, now=NOW)
    close_split(split)
    assert policy.build("b.example").migrations == []
    remove_egress(account.pk, "old", by=BY, now=NOW)


def test_a_pool_is_split_once_and_stays_while_it_is() -> None:
    account = make_account()
    pool, egress = create_pool(account.pk, "News", by=BY, now=NOW), _egress(account.pk)
    split = _split(pool, egress)
    with pytest.raises(PoolSplit, match="news"):
        _split(pool, egress)
    with pytest.raises(PoolSplit, match="news"):
        delete_pool(account.pk, "news", by=BY, now=NOW)
    close_split(split)
    delete_pool(account.pk, "news", by=BY, now=NOW)
