"""Exclusions of the order form and the privacy notice: which, when, by whom, in which language."""

from __future__ import annotations

import pytest

from merpati.accounts import order_form, privacy, users
from merpati.accounts.errors import InvalidNotice, InvalidOrder, NoticeReplaced
from merpati.accounts.models import AuditEntry, PrivacyAcknowledgement, User
from merpati.accounts.order_form import Exclusion
from merpati.desk.scope import OutOfScope
from tests.support.control import BY, NOW, make_account

pytestmark = pytest.mark.django_db

TEXTS = {"en": "We keep less.", "id": "Kami menyimpan lebih sedikit."}


def make_user() -> User:
    return users.invite(
        "sari@kirim.example",
        "Sari",
        account_id=make_account().pk,
        role="owner",
        by=BY,
        now=NOW,
    ).user


def acknowledge(account_id: int, *exclusions: str, language: str = "id") -> None:
    order_form.acknowledge(
        account_id, exclusions, language=language, acknowledged_by="Sari", by=BY, now=NOW
    )


def test_exclusions_are_acknowledged_in_the_words_that_were_read() -> None:
    account = make_account()
    acknowledge(account.pk, "inbox_placement", "templates")
    record = account.order_acknowledgements.get()
    assert (record.language, record.acknowledged_by, record.acknowledged_at) == ("id", "Sari", NOW)
    assert record.wordings.keys() == {"inbox_placement", "templates"}
    assert "tidak dapat dijamin" in record.wordings["inbox_placement"]
    assert order_form.outstanding(account.pk) == [
        Exclusion.INTERNAL_PROJECTS,
        Exclusion.STRATEGY,
        Exclusion.TIER_2,
    ]
    acknowledge(account.pk, *Exclusion)
    assert order_form.outstanding(account.pk) == []
    assert AuditEntry.objects.filter(action="acknowledge_exclusions").count() == 2


@pytest.mark.parametrize("exclusions", [(), ("placement",)])
def test_exclusions_that_do_not_exist_are_refused(exclusions: tuple[str, ...]) -> None:
    account = make_account()
    with pytest.raises(InvalidOrder) as refused:
        acknowledge(account.pk, *exclusions)
    assert refused.value.field == "exclusions"


def test_what_the_desk_declines_is_an_exclusion_of_the_order_form() -> None:
    assert set(OutOfScope) <= set(Exclusion)


def test_the_first_notice_ships_in_both_languages() -> None:
    notice = privacy.current_notice()
    assert notice.version == privacy.current_version() == "1"
    assert notice.texts["en"].count("\n# ") == notice.texts["id"].count("\n# ") > 3


def test_who_agreed_is_asked_again_for_a_new_version() -> None:
    user = make_user()
    privacy.acknowledge(user, "1", "id", by=BY, now=NOW)
    privacy.acknowledge(user, "1", "en", by=BY, now=NOW)  # a repeat changes nothing
    assert [
        (found.version, found.language, found.acknowledged_at)
        for found in PrivacyAcknowledgement.objects.all()
    ] == [("1", "id", NOW)]
    privacy.publish("2027-01", TEXTS, by=BY, now=NOW)
    assert privacy.current_notice().texts["id"] == TEXTS["id"] + "\n"
    assert not privacy.has_agreed(user.pk, privacy.current_version())
    with pytest.raises(NoticeReplaced):
        privacy.acknowledge(user, "1", "id", by=BY, now=NOW)


@pytest.mark.parametrize(
    ("version", "texts", "field"),
    [
        ("1", TEXTS, "version"),
        ("../x", TEXTS, "version"),
        ("2", {"en": "We keep less."}, "id"),
        ("2", {"en": " ", "id": "x"}, "en"),
    ],
)
def test_a_notice_that_cannot_be_published_is_refused(
    version: str, texts: dict[str, str], field: str
) -> None:
    with pytest.raises(InvalidNotice) as refused:
        privacy.publish(version, texts, by=BY, now=NOW)
    assert refused.value.field == field
    assert privacy.current_version() == "1"
