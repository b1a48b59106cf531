"""When recipients engaged: kept, imported, and looked up as mail is accepted."""

from __future__ import annotations

import codecs
import io
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from merpati.accounts.models import Account
from merpati.adapters.clock import SystemClock
from merpati.contracts.batch import Mailbox, Recipient
from merpati.sending.directory import Directory
from merpati.sending.engagement import (
    NEVER,
    forget_engagement,
    record_engagements,
    summary,
    tier_of,
    tiers_of,
)
from merpati.sending.engagement_csv import read_engagement
from merpati.sending.errors import EngagementFileInvalid, EngagementNotFound
from merpati.sending.injection import prepare_all, validate
from merpati.sending.models import Engagement
from merpati.sending.sending_ips import add_sending_ip, choose_warmup
from merpati.sending.transmission import TransmissionRequest
from tests.support.control import BY, NOW, make_account, make_domain

TODAY = date(2026, 11, 27)
WHO = {"by": BY, "now": NOW}


def ago(days: int) -> date:
    return TODAY - timedelta(days=days)


@pytest.mark.parametrize(
    ("days", "tier"),
    [(-1, 1), (0, 1), (7, 1), (8, 2), (30, 2), (31, 3), (60, 3), (61, 4), (90, 4), (91, 5)],
)
def test_tiers_have_their_bounds(days: int, tier: int) -> None:
    assert tier_of(ago(days), TODAY) == tier


@pytest.mark.django_db
def test_the_later_day_is_kept_whatever_comes_first() -> None:
    account = make_account()
    record_engagements(account.pk, [("a@x.example", ago(9)), ("a@x.example", ago(3))])
    record_engagements(account.pk, [("a@x.example", ago(40))])
    assert Engagement.objects.get().engaged_on == ago(3)
    record_engagements(account.pk, [("a@x.example", ago(1))])
    assert Engagement.objects.get().engaged_on == ago(1)


@pytest.mark.django_db
def test_tiers_are_one_query_and_of_the_account_alone(django_assert_num_queries: Any) -> None:
    account, other = make_account(), make_account()
    known = [(f"u{n}@x.example", ago(n)) for n in range(100)]
    record_engagements(account.pk, known)
    record_engagements(other.pk, [("nobody@x.example", ago(1))])
    asked = ["U5@X.example", "u45@x.example", "nobody@x.example", *(one for one, _ in known)]
    with django_assert_num_queries(1):
        found = tiers_of(account.pk, asked, TODAY)
    assert (found["U5@X.example"], found["u45@x.example"]) == (1, 3)
    assert "nobody@x.example" not in found


@pytest.mark.django_db
def test_who_is_forgotten_is_unknown() -> None:
    account = make_account()
    record_engagements(account.pk, [("a@x.example", ago(9))])
    forget_engagement(account.pk, "A@x.example", **WHO)
    assert summary(account.pk, TODAY)["recipients"] == 0
    with pytest.raises(EngagementNotFound):
        forget_engagement(account.pk, "a@x.example", **WHO)


@pytest.mark.django_db
def test_the_summary_counts_each_recipient_in_one_tier() -> None:
    account = make_account()
    days = [0, 7, 8, 30, 31, 60, 61, 90, 91, 500]
    record_engagements(account.pk, [(f"u{days}@x.example", ago(days)) for days in days])
    found = summary(account.pk, TODAY)
    assert [found[f"tier_{tier}"] for tier in range(1, 6)] == [2, 2, 2, 2, 2]
    assert (found["recipients"], found["latest"]) == (10, TODAY.isoformat())


# At injection.


def ready(account: Account) -> None:
    make_domain(account.pk, f"kirim{account.pk}.example")
    add_sending_ip(account.pk, f"192.0.2.{account.pk % 250 + 1}", "mta.example.org", **WHO)


def tiers_at_injection(account: Account) -> list[int]:
    request = TransmissionRequest(
        recipients=[Recipient("Ani@x.example"), Recipient("budi@x.example")],
        sender=Mailbox(f"toko@kirim{account.pk}.example"),
        subject="Pesanan",
        text="Halo",
    )
    now = datetime.combine(TODAY, datetime.min.time(), UTC)
    of_account = Directory(SystemClock()).account(account.pk)
    validated = validate(request, of_account, transmission_id="7000", now=now, reply=lambda _: b"")
    (prepared,) = prepare_all([validated])
    return [row.tier for row in prepared.batch.messages]


@pytest.mark.django_db
def test_a_message_has_its_recipients_tier_once_the_account_warms_up() -> None:
    account = make_account()
    ready(account)
    record_engagements(account.pk, [("ani@x.example", ago(20))])
    assert tiers_at_injection(account) == [0, 0]  # all IPs are warm: nobody goes first
    address = account.sending_ips.get().address
    choose_warmup(account.pk, address, by_provider=True, **WHO)
    assert tiers_at_injection(account) == [2, NEVER]


@pytest.mark.django_db
def test_an_account_that_knows_nothing_asks_nothing() -> None:
    account = make_account()
    ready(account)
    choose_warmup(account.pk, account.sending_ips.get().address, by_provider=True, **WHO)
    with CaptureQueriesContext(connection) as queries:
        assert tiers_at_injection(account) == [0, 0]
    assert not [one for one in queries if "sending_engagement AS e" in one["sql"]]
    record_engagements(account.pk, [("ani@x.example", ago(20))])
    with CaptureQueriesContext(connection) as queries:
        assert tiers_at_injection(account) == [2, NEVER]
    assert len([one for one in queries if "sending_engagement AS e" in one["sql"]]) == 1


# The file.


def read(text: str | bytes, encoding: str = "utf-8") -> list[tuple[str, date]]:
    data = text.encode() if isinstance(text, str) else text
    return list(read_engagement(io.BytesIO(data), TODAY, encoding))


ANI = [("ani@x.example", date(2026, 11, 20))]


@pytest.mark.parametrize(
    "file",
    [
        pytest.param("email,last_open\nani@x.example,2026-11-20\n", id="plain"),
        pytest.param("Last Open;Email\r\n2026-11-20T23:59Z;ani@x.example\r\n", id="semicolons"),
        pytest.param(
            "name,Email,Last Click,Last Open\nAni,Ani@X.example,2026-01-05,2026-11-20 09:00:01\n",
            id="the later of two columns",
        ),
        pytest.param("email\tengaged_on\nani@x.example\t2026-11-20", id="tabs, no last newline"),
        pytest.param(
            'email,last_open\n\n"ani@x.example","2026-11-20"\nbudi@x.example,\n',
            id="who never engaged says nothing",
        ),
        pytest.param(
            codecs.BOM_UTF8 + b"email;last_open\r\nani@x.example;2026-11-20\r\n", id="BOM"
        ),
        pytest.param("email,last_open\nani@x.example,2026-11-20\n".encode("utf-16"), id="UTF-16"),
    ],
)
def test_a_file_of_an_old_provider_is_read(file: str | bytes) -> None:
    assert read(file) == ANI


@pytest.mark.parametrize(
    ("file", "words"),
    [
        pytest.param("", "line 1: the file is empty", id="empty"),
        pytest.param("a,b\n", "line 1: no column is for the address", id="no address"),
        pytest.param("email,b\n", "line 1: no column is for the day", id="no day"),
        pytest.param(
            "email,last_open\nani@x.example,2026-11-20\nbudi,2026-11-20\n",
            "line 3, email: 'budi' is not an email address",
            id="no such address",
        ),
        pytest.param(
            "email,last_open,last_click\nani@x.example,2026-11-20,11/20/2026\n",
            "line 2, last_click: '11/20/2026' is no day",
            id="a day in another order",
        ),
        pytest.param(
            "email,last_open\nani@x.example,2026-12-20\n",
            "line 2, last_open: 2026-12-20 is in the future",
            id="tomorrow's tomorrow",
        ),
        pytest.param("email,last_open\nani@x.example\n", "line 2: the line has 1 col", id="short"),
        pytest.param('email,last_open\n"ani@x', "line 3: this is no CSV", id="open quote"),
        pytest.param(
            b"email,last_open\nani@x.example,2026-11-20\nm\xfcller@x.example,2026-11-20\n",
            "line 3: byte 0xFC is not utf-8.*--encoding cp1252",
            id="another encoding",
        ),
        pytest.param(
            "email,last_open\n" + "x" * 200_000, "line 2: the line has more than", id="long"
        ),
    ],
)
def test_what_cannot_be_used_is_named_by_line_and_column(file: str | bytes, words: str) -> None:
    with pytest.raises(EngagementFileInvalid, match=words):
        read(file)


def test_a_file_in_another_encoding_is_read_when_that_is_said() -> None:
    file = "email,last_open\nmüller@x.example,2026-11-20\n".encode("cp1252")
    assert read(file, "cp1252") == [("müller@x.example", date(2026, 11, 20))]
