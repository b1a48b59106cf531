"""`/c/TOKEN`: a case for the contact who holds the link, and for nobody else."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client

from merpati.console.services import services
from merpati.desk import case_actions
from merpati.desk.contact_links import LABEL, ContactLink, page_token
from merpati.desk.models import Case
from tests.console.conftest import Clock
from tests.desk.cases import MONDAY, Desk


def link_to(case: Case) -> str:
    key = services().secret_box.derive(LABEL)
    return f"/c/{page_token(key, ContactLink(case.pk, case.opened_by_id), MONDAY)}"


def test_a_link_opens_one_case_in_the_language_of_its_mail(desk: Desk) -> None:
    case, other = desk.opens(language="id"), desk.opens(subject="Another case")
    answer = Client().get(link_to(case), headers={"accept-language": "en"})
    page = answer.content.decode()
    assert case.subject in page
    assert other.subject not in page
    assert "Giliran siapa" in page
    assert answer["Content-Language"] == "id"
    assert answer["Cache-Control"] == "private, no-store"
    assert 'href="/cases' not in page  # those pages take a password
    english = Client()
    english.post("/language", {"language": "en"})
    assert "Whose turn" in english.get(link_to(case)).content.decode()


def test_a_contact_answers_and_agrees_by_post_alone(desk: Desk) -> None:
    """L5: looking never agrees, and a second click changes nothing and says why."""
    case, contact = desk.opens(), Client()
    path = link_to(case)
    contact.post(f"{path}/reply", {"text": "By the link", "form_key": "k"})
    reply = case.updates.get(kind="message")
    assert (reply.author_email, reply.via) == ("sari@kirim.example", "link:sari@kirim.example")
    case_actions.propose(case.pk, "Done", by=desk.budi, now=MONDAY)
    assert contact.get(f"{path}/agree")["Location"] == path
    assert Case.objects.get().status == "proposed"
    assert contact.post(f"{path}/agree")["Location"] == path
    assert Case.objects.get().status == "resolved"
    assert "resolved" in contact.post(f"{path}/agree", follow=True).content.decode()
    assert case.updates.filter(kind="agreement").count() == 1
    assert "Done" in contact.get(f"{path}/record").content.decode()


@pytest.mark.parametrize("change", ["A", "é", "/../1"])
def test_a_changed_link_opens_nothing(desk: Desk, change: str) -> None:
    case = desk.opens()
    answer = Client().get(link_to(case)[:-4] + change)
    assert answer.status_code == 404
    assert case.subject not in answer.content.decode()


def test_an_old_link_says_what_to_do(desk: Desk, clock: Clock) -> None:
    """L5: after its lapse."""
    path = link_to(desk.opens())
    clock.moment = MONDAY + timedelta(days=91)
    answer = Client().get(path)
    assert answer.status_code == 404
    assert "Answer the email" in answer.content.decode()


def test_a_link_asks_for_its_forms_token(desk: Desk) -> None:
    case = desk.opens()
    strict = Client(enforce_csrf_checks=True)
    assert strict.post(f"{link_to(case)}/reply", {"text": "x"}).status_code == 403
    assert case.updates.count() == 1
