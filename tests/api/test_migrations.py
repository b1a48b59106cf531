"""Migrations by API: previewed, kept, begun and rolled back by their own account alone."""

from __future__ import annotations

from typing import Any

import pytest

from merpati.plans.models import Migration
from merpati.sending.egresses import add_egress
from merpati.sending.models import Split
from tests.api.conftest import NOW, Answer, Customer
from tests.api.test_cases import problem

PATH = "/api/merpati/v1/migrations"
CSV = "stream,provider,messages_per_day\nnews,gmail.com,900\nnews,other,50\n"

pytestmark = pytest.mark.usefixtures("serving")


@pytest.fixture(autouse=True)
def old(acme: Customer) -> None:
    add_egress(acme.account_id, "old", "smtp.old.example", 587, by="test", now=NOW)


def create(customer: Customer, **fields: Any) -> Answer:
    wanted = {"name": "Move", "csv": CSV, "egress": "old", "starts_on": "2026-03-02"}
    return customer.call("POST", PATH, wanted | fields)


def test_a_plan_is_previewed_and_kept_nowhere(acme: Customer) -> None:
    answer = acme.call("POST", f"{PATH}/preview", {"csv": CSV})
    plan = answer.body["results"]
    assert plan["starts_on"] == "2026-03-16"
    assert [cell["provider"] for cell in plan["providers"]] == ["google", "other"]
    assert plan["providers"][0]["days"][-1] | {"day": ""} == {
        "day": "", "share_percent": 100.0, "ours": 900, "ours_low": 900, "ours_high": 900, "old": 0,
    }  # fmt: skip
    assert not Migration.objects.exists()


def test_a_migration_is_kept_begun_shown_and_rolled_back(acme: Customer) -> None:
    answer = create(acme)
    assert (answer.status, answer.body["results"]["state"]) == (201, "draft")
    one = f"{PATH}/{answer.body['results']['id']}"
    assert acme.call("POST", f"{one}/start").body["results"]["state"] == "running"
    assert problem(acme.call("POST", f"{one}/start")) == (409, "conflict")
    held = acme.call("POST", f"{one}/hold", {"provider": "google", "reason": "odd"})
    assert held.status == 200
    shown = acme.call("GET", one).body["results"]
    assert [cell["held_because"] for cell in shown["providers"]] == ["odd", None]
    assert acme.call("GET", f"{one}/report").body["results"]["ready"] is False
    assert problem(acme.call("POST", f"{one}/cut-over")) == (409, "conflict")
    assert problem(acme.call("POST", f"{one}/pause", {})) == (422, "invalid-request")
    back = acme.call("POST", f"{one}/roll-back", {"reason": "we stay"}).body["results"]
    assert (back["state"], back["reason"]) == ("rolled_back", "we stay")
    assert acme.call("GET", PATH).body["results"] == [back]


def test_a_draft_is_planned_anew_and_what_runs_is_not(acme: Customer) -> None:
    one = f"{PATH}/{create(acme).body['results']['id']}"
    wanted = {"name": "Sooner", "csv": CSV, "egress": "old", "starts_on": "2026-03-03"}
    changed = acme.call("PUT", one, wanted | {"on_spent": "wait"}).body["results"]
    assert (changed["name"], changed["on_spent"], changed["starts_on"]) == (
        *("Sooner", "wait"),
        "2026-03-03",
    )
    refused = acme.call("PUT", one, wanted | {"csv": "stream\n"})
    assert problem(refused) == (422, "invalid-request")
    assert acme.call("GET", one).body["results"]["on_spent"] == "wait"
    acme.call("POST", f"{one}/start")
    assert problem(acme.call("PUT", one, wanted)) == (409, "conflict")


def test_what_is_decided_by_hand_needs_a_reason(acme: Customer) -> None:
    one = f"{PATH}/{create(acme).body['results']['id']}"
    acme.call("POST", f"{one}/start")
    by_hand = {"provider": "google", "share_percent": 12.5, "reason": "warm before"}
    assert problem(acme.call("POST", f"{one}/raise", by_hand | {"reason": ""}))[0] == 422
    assert acme.call("POST", f"{one}/raise", by_hand).status == 200
    google, _ = acme.call("GET", one).body["results"]["providers"]
    assert google["share_percent"] == 12.5
    assert "warm before" in google["reason"]
    falls = acme.call("POST", f"{one}/raise", by_hand | {"share_percent": 1})
    assert problem(falls) == (409, "conflict")
    stays = acme.call("GET", one).body["results"]["providers"][0]["share_percent"]
    assert stays == 12.5


def test_steps_are_shown_and_ticked_off(acme: Customer) -> None:
    one = f"{PATH}/{create(acme).body['results']['id']}"
    steps = {step["key"]: step for step in acme.call("GET", one).body["results"]["steps"]}
    assert steps["ptr"]["holds_back"]
    assert steps["ptr"]["done_at"] is None
    assert not steps["feedback_loop:google"]["holds_back"]
    answer = acme.call("POST", f"{one}/tick", {"step": "ptr", "note": "set"}).body["results"]
    assert [step["note"] for step in answer if step["key"] == "ptr"] == ["set"]
    assert problem(acme.call("POST", f"{one}/tick", {"step": "prt"})) == (422, "invalid-request")
    answer = acme.call("POST", f"{one}/untick", {"step": "ptr"}).body["results"]
    assert not any(step["done_at"] for step in answer)
    looked = acme.call("POST", f"{one}/check-ptr").body["results"]
    assert [ip["verdict"] for ip in looked["sending_ips"]] == ["not_public"]  # 127.0.0.2


def test_a_stranger_and_who_may_only_look(acme: Customer, rival: Customer) -> None:
    one = f"{PATH}/{create(acme).body['results']['id']}"
    assert problem(rival.call("GET", one)) == (404, "not-found")
    for act in ("start", "raise", "check-ptr"):
        assert problem(rival.call("POST", f"{one}/{act}")) == (404, "not-found")
    assert problem(rival.call("POST", f"{one}/tick", {"step": "ptr"})) == (404, "not-found")
    wanted = {"name": "Mine", "csv": CSV, "egress": "old"}
    assert problem(rival.call("PUT", one, wanted)) == (404, "not-found")
    assert rival.call("GET", PATH).body["results"] == []
    key = {"HTTP_AUTHORIZATION": acme.key_with("ip_pools/view")}
    assert acme.call("GET", one, **key).status == 200
    assert problem(acme.call("POST", f"{one}/start", **key)) == (403, "forbidden")
    assert not Split.objects.exists()


def test_each_mistake_of_a_file_is_told_with_its_line(acme: Customer) -> None:
    answer = create(acme, csv=CSV + "news,gmail.com,1\nmail,yahoo,-1\n")
    assert problem(answer) == (422, "invalid-request")
    assert [item["detail"][:22] for item in answer.body["errors"]] == [
        "line 4, provider: goog",
        "line 5, messages_per_d",
    ]
    assert not Migration.objects.exists()


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        pytest.param({"starts_on": "2026-03-01"}, "/starts_on", id="past"),
        pytest.param({"starts_on": "tomorrow"}, "/starts_on", id="no date"),
        pytest.param({"egress": "new"}, "/egress", id="no such old provider"),
        pytest.param({"name": ""}, "/name", id="no name"),
        pytest.param({"on_spent": "burn"}, "/on_spent", id="no such way"),
        pytest.param({"csv": None}, "/traffic", id="nothing was sent"),
    ],
)
def test_what_is_no_migration_is_refused(
    acme: Customer, fields: dict[str, Any], pointer: str
) -> None:
    answer = create(acme, **fields)
    assert answer.status == 422
    assert [item["pointer"] for item in answer.body["errors"]] == [pointer]
    assert not Migration.objects.exists()


def test_the_calendar_opens_by_its_key_alone(acme: Customer) -> None:
    create(acme)
    key = Migration.objects.get().calendar_key
    answer = acme.client.get(f"/calendar/migrations/{key}.ics")
    assert answer["Content-Type"].startswith("text/calendar")
    assert b"Half of the mail" in answer.content
    again = acme.client.get(f"/calendar/migrations/{key}.ics", HTTP_IF_NONE_MATCH=answer["ETag"])
    assert again.status_code == 304
    assert acme.client.get(f"/calendar/migrations/{'x' * 43}.ics").status_code == 404
    indonesian = acme.client.get(f"/calendar/migrations/{key}.ics?language=id")
    assert b"Separuh" in indonesian.content
    assert indonesian["ETag"] != answer["ETag"]
