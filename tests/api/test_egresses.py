"""Old providers by API: an account's own, their passwords written and never read."""

from __future__ import annotations

from typing import Any

import pytest

from merpati.accounts.models import AuditEntry
from merpati.api import services
from merpati.sending.models import Egress
from tests.api.conftest import Customer
from tests.api.test_cases import problem

PATH = "/api/merpati/v1/egresses"
WANTED: dict[str, Any] = {
    "name": "old",
    "host": "smtp.old.example",
    "login": {"user": "kirim", "password": "rahasia-42"},
}

pytestmark = pytest.mark.usefixtures("serving")


def test_one_is_added_changed_and_removed(acme: Customer) -> None:
    answer = acme.call("POST", PATH, WANTED)
    assert (answer.status, answer.body["results"]) == (
        201,
        {
            "name": "old", "target": "smtp.old.example:587", "tls": "verify", "user": "kirim",
            "password": "set", "connections": 5, "messages_per_minute": None, "checked_at": None,
            "trouble": None,
        },
    )  # fmt: skip
    one = f"{PATH}/old"
    changed = acme.call("PUT", one, {"messages_per_minute": 600}).body["results"]
    assert changed == answer.body["results"] | {"messages_per_minute": 600}
    elsewhere = acme.call("PUT", one, {"host": "smtp.evil.example"})
    assert [item["pointer"] for item in elsewhere.body["errors"]] == ["/password"]
    login = {"user": "kirim", "password": "new-rahasia"}
    moved = acme.call("PUT", one, {"host": "smtp2.old.example", "port": 465, "login": login})
    assert moved.body["results"]["target"] == "smtp2.old.example:465"
    box = services.services().secret_box
    assert box.decrypt(bytes(Egress.objects.get().password)) == b"new-rahasia"
    free = acme.call("PUT", one, {"login": None}).body["results"]
    assert (free["user"], free["tls"]) == (None, "opportunistic")
    assert acme.call("GET", PATH).body["results"] == [free]
    assert acme.call("DELETE", one).status == 204
    assert problem(acme.call("GET", one)) == (404, "not-found")
    assert "rahasia" not in str(list(AuditEntry.objects.values_list("detail", flat=True)))


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        pytest.param({"name": "a b"}, "/name", id="name"),
        pytest.param({"host": "no host"}, "/host", id="host"),
        pytest.param({"port": 0}, "/host", id="port"),
        pytest.param({"tls": "plain"}, "/tls", id="no such mode"),
        pytest.param({"tls": "none"}, "/tls", id="password in the clear"),
        pytest.param({"login": {"user": "u", "password": ""}}, "/password", id="password"),
        pytest.param({"connections": 0}, "/connections", id="connections"),
    ],
)
def test_what_is_no_old_provider_is_refused(
    acme: Customer, changes: dict[str, Any], pointer: str
) -> None:
    answer = acme.call("POST", PATH, WANTED | changes)
    assert answer.status == 422
    assert [item["pointer"] for item in answer.body["errors"]] == [pointer]
    assert not Egress.objects.exists()


def test_a_check_goes_to_no_internal_address(acme: Customer) -> None:
    acme.call("POST", PATH, {"name": "in", "host": "127.0.0.1", "port": 9})
    found = acme.call("POST", f"{PATH}/in/check").body["results"]
    assert (found["ok"], found["stage"], found["kind"]) == (False, "address", "internal")
    assert acme.call("GET", f"{PATH}/in").body["results"]["trouble"] == "internal"


def test_a_stranger_and_who_may_only_look(acme: Customer, rival: Customer) -> None:
    acme.call("POST", PATH, WANTED)
    for method, path in (("GET", ""), ("PUT", ""), ("DELETE", ""), ("POST", "/check")):
        answer = rival.call(method, f"{PATH}/old{path}", {} if method == "PUT" else None)
        assert problem(answer) == (404, "not-found")
    key = {"HTTP_AUTHORIZATION": acme.key_with("ip_pools/view")}
    assert acme.call("GET", f"{PATH}/old", **key).status == 200
    assert problem(acme.call("POST", f"{PATH}/old/check", **key)) == (403, "forbidden")
    assert problem(acme.call("POST", PATH, WANTED)) == (409, "conflict")
