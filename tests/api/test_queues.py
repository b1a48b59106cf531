"""`/api/merpati/v1/queues`: what an account sees of its waiting mail, and may order."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from merpati.accounts.models import AuditEntry
from merpati.contracts.queues import QueueStatus
from merpati.sending.models import QueueOrder
from merpati.sending.policy import build
from merpati.sending.queue_orders import Subject, give_order
from tests.api.conftest import NOW, Customer, Serve

PATH = "/api/merpati/v1/queues"
WHY = "Gmail refuses mail from 192.0.2.10 as of low reputation (421 4.7.0 no): paused until …"


def waiting(account_id: int, depth: int = 3, provider: str = "google") -> QueueStatus:
    return QueueStatus(
        *(account_id, 1, "default", provider, depth, 1_772_443_800_000, 0, 0, "421 4.7.0 no"),
        *("up to 5 connections", WHY, 1_772_447_400_000, "paused", "", ("slower",)),
        split=("40 % of the recipients go our way",),
    )


def test_each_queue_says_why_it_waits_and_until_when(
    acme: Customer, rival: Customer, watched: None, serve: Serve
) -> None:
    serve("deliver-0.sock", {"queues": [waiting(acme.account_id), waiting(rival.account_id)]})
    serve("deliver-1.sock", {"queues": [waiting(acme.account_id, 9, "yahoo")]})
    answer = acme.call("GET", PATH)
    assert answer.status == 200
    assert [row["provider"] for row in answer.body["results"]] == ["yahoo", "google"]
    assert answer.body["results"][1] == {
        "ip_pool": "default",
        "provider": "google",
        "depth": 3,
        "in_flight": 0,
        "oldest_due_at": "2026-03-02T09:30:00.000+00:00",
        "why": "paused",
        "reason": WHY,
        "until": "2026-03-02T10:30:00.000+00:00",
        "slowed": ["slower"],
        "split": ["40 % of the recipients go our way"],
        "pace": "up to 5 connections",
        "last_reply": "421 4.7.0 no",
    }


def test_who_of_the_operators_people_ordered_it_is_not_told(
    acme: Customer, watched: None, serve: Serve
) -> None:
    row = msgspec.structs.replace(
        waiting(acme.account_id), reason="all mail is paused by cli:siti until …", by="cli:siti"
    )
    serve("deliver-0.sock", {"queues": [row]})
    serve("deliver-1.sock", {"queues": []})
    (shown,) = acme.call("GET", PATH).body["results"]
    assert shown["reason"] == "all mail is paused by the operator until …"
    assert "by" not in shown


def test_no_answer_of_a_worker_is_503(acme: Customer, watched: None, serve: Serve) -> None:
    serve("deliver-0.sock", {"queues": []})
    answer = acme.call("GET", PATH)
    assert answer.status == 503
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.body["type"].endswith("/unavailable")


def test_an_account_pauses_and_resumes_its_own_mail(
    acme: Customer, rival: Customer, watched: None, serve: Serve
) -> None:
    serve("deliver-0.sock", {"queues": []})
    serve("deliver-1.sock", {"queues": []})
    wanted = {"provider": "gmail.com", "duration": "2h", "reason": "wrong price"}
    answer = acme.call("POST", f"{PATH}/pause", wanted)
    assert answer.status == 201
    assert answer.body["results"]["provider"] == "google"
    assert answer.body["results"]["until"] == "2026-03-02T11:30:00+00:00"
    (order,) = build("b.example").orders
    assert (order.account_id, order.provider, order.reason) == (
        *(acme.account_id, "google", "wrong price"),
    )
    assert [one["reason"] for one in acme.call("GET", PATH).body["orders"]] == ["wrong price"]
    assert rival.call("GET", PATH).body["orders"] == []
    assert rival.call("POST", f"{PATH}/resume", {}).body["results"] == []
    assert len(acme.call("POST", f"{PATH}/resume", {}).body["results"]) == 1
    assert build("b.example").orders == []
    told = AuditEntry.objects.filter(subject="google").values_list("action", flat=True)
    assert list(told) == ["pause_queue", "resume_queue"]


def test_what_the_operator_ordered_is_not_the_accounts_to_end(acme: Customer) -> None:
    give_order(Subject(acme.account_id), NOW + timedelta(hours=1), "abuse", by="cli:ops", now=NOW)
    assert acme.call("POST", f"{PATH}/resume", {}).body["results"] == []
    assert acme.call("POST", f"{PATH}/pause", {}).status == 201
    assert acme.call("POST", f"{PATH}/resume", {}).status == 200
    assert QueueOrder.objects.get().by == "cli:ops"


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"duration": "forever"}, "/duration"),
        ({"duration": "8d"}, "/duration"),
        ({"provider": "gogle"}, "/provider"),
        ({"ip_pool": "nowhere"}, "/ip_pool"),
        ({"sending_ip": "127.0.0.3"}, "/sending_ip"),  # rival's
        ({"reason": "x" * 501}, "/reason"),
    ],
)
def test_a_pause_that_cannot_be_is_refused(
    acme: Customer, rival: Customer, body: dict[str, Any], pointer: str
) -> None:
    answer = acme.call("POST", f"{PATH}/pause", body)
    assert answer.status == 422
    assert answer.error["pointer"] == pointer
    assert not QueueOrder.objects.exists()


def test_deferred_mail_is_tried_again_at_once(acme: Customer, watched: None, serve: Serve) -> None:
    serve("deliver-0.sock", {"retry": 2})
    serve("deliver-1.sock", {"retry": 5})
    answer = acme.call("POST", f"{PATH}/retry", {"provider": "google"})
    assert (answer.status, answer.body) == (200, {"results": {"due": 7}})
    assert AuditEntry.objects.filter(action="retry_queue", subject="google").exists()


def test_orders_need_the_grant_to_send(acme: Customer) -> None:
    key = acme.key_with("transmissions/view")
    for action in ("pause", "resume", "retry"):
        answer = acme.call("POST", f"{PATH}/{action}", {}, HTTP_AUTHORIZATION=key)
        assert answer.status == 403
