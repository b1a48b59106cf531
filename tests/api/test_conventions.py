"""What holds for every path: keys, grants, envelopes, methods, bodies."""

from __future__ import annotations

import base64
import io
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from merpati.accounts import privacy
from merpati.accounts.actions import revoke_api_key
from merpati.accounts.models import ApiKey
from merpati.api import call, services
from tests.api.conftest import NOW, CollectingSpool, Customer, transmission

JSON_PATHS = [
    ("POST", "/api/v1/transmissions"),
    ("POST", "/api/v1/ip-pools"),
    ("PUT", "/api/v1/ip-pools/default"),
    ("PUT", "/api/v1/sending-ips/127.0.0.2"),
    ("POST", "/api/merpati/v1/sending-ips"),
]


def basic(user: str, password: str = "") -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def test_a_key_is_taken_in_all_three_forms(acme: Customer) -> None:
    for header in (acme.key, basic(acme.key), f"Bearer {acme.key}", f"  {acme.key} "):
        assert acme.call("GET", "/api/v1/ip-pools", HTTP_AUTHORIZATION=header).status == 200


@pytest.mark.parametrize(
    "header",
    ["", "0" * 40, "Basic !!", "Basic", "Bearer ", "Digest x", basic(""), "\xff", "{key}x"],
)
def test_a_missing_or_unknown_key_is_401(acme: Customer, header: str) -> None:
    header = header.replace("{key}", acme.key)
    answer = acme.call("GET", "/api/v1/ip-pools", HTTP_AUTHORIZATION=header)
    assert answer.status == 401
    assert answer.body == {"errors": [{"message": "Unauthorized."}]}


def test_a_key_without_the_grant_is_403(acme: Customer) -> None:
    key = acme.key_with("ip_pools/view")
    assert acme.call("GET", "/api/v1/ip-pools", HTTP_AUTHORIZATION=key).status == 200
    refused = [
        acme.send(transmission(), HTTP_AUTHORIZATION=key),
        acme.call("POST", "/api/v1/ip-pools", {"name": "x"}, HTTP_AUTHORIZATION=key),
    ]
    for answer in refused:
        assert answer.status == 403
        assert answer.body == {"errors": [{"message": "Forbidden."}]}


def test_a_new_privacy_notice_concerns_no_key(acme: Customer) -> None:
    privacy.publish("2027-01", {"en": "We keep less.", "id": "Lebih sedikit."}, by="x", now=NOW)
    assert acme.call("GET", "/api/v1/ip-pools").status == 200
    answer = acme.send(transmission())
    assert answer.status == 200


def test_a_revoked_key_is_refused_though_it_was_used_before(acme: Customer) -> None:
    assert acme.send(transmission()).status == 200
    key = ApiKey.objects.get(account_id=acme.account_id)
    revoke_api_key(acme.account_id, key.pk, by="test", now=NOW)
    assert acme.send(transmission()).status == 401


def test_a_used_key_costs_no_query_until_something_changes(
    acme: Customer, django_assert_num_queries: Any
) -> None:
    acme.send(transmission())
    services.services().directory._next_look = float("inf")
    with django_assert_num_queries(1):  # the suppression list
        assert acme.send(transmission({"address": "a@x.co"}, {"address": "b@x.co"})).status == 200


@pytest.mark.parametrize(
    ("value", "status"), [("0", 200), ("000", 200), ("x", 400), ("-1", 400), ("7", 400), ("", 400)]
)
def test_the_subaccount_header_names_nobody_yet(acme: Customer, value: str, status: int) -> None:
    assert acme.send(transmission(), HTTP_X_MSYS_SUBACCOUNT=value).status == status


@pytest.mark.parametrize("path", ["/api/v1/ip-pools", "/api/v1/transmissions", "/healthz"])
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"])
def test_a_slash_at_the_end_changes_nothing(acme: Customer, method: str, path: str) -> None:
    body = transmission() if method == "POST" else None
    plain = acme.call(method, path, body)
    assert acme.call(method, f"{path}/", body).status == plain.status
    assert not 300 <= plain.status < 400


def test_an_unknown_path_and_a_wrong_method_say_so(acme: Customer) -> None:
    for path in ("/api/v1/nope", "/api/v1/templates/1", "/api/v2", "/", "/api/v1//ip-pools"):
        answer = acme.call("GET", path)
        assert (answer.status, answer.error["code"]) == (404, "1101")
        assert answer.error["message"] == "invalid uri"
    answer = acme.call("PUT", "/api/v1/transmissions")
    assert (answer.status, answer.error["code"]) == (405, "1102")
    assert answer.headers["Allow"] == "DELETE, GET, HEAD, POST"


@pytest.mark.parametrize(("method", "path"), JSON_PATHS)
def test_only_json_is_a_body(acme: Customer, method: str, path: str) -> None:
    form = acme.call(method, path, b"a=b", CONTENT_TYPE="application/x-www-form-urlencoded")
    assert form.status == 415
    packed = acme.call(method, path, b"x", HTTP_CONTENT_ENCODING="gzip")
    assert packed.status == 415
    for broken in (b"{", b"", b'{"a":NaN}', b'{"a":' * 100_000):
        assert acme.call(method, path, broken).status == 400
    charset = acme.call(method, path, b"[]", CONTENT_TYPE="application/json; charset=utf-8")
    assert charset.status == 422


def test_a_body_that_is_not_utf8_is_1305(acme: Customer) -> None:
    answer = acme.send(b'{"campaign_id":"\xff"}')
    assert (answer.status, answer.error["code"]) == (400, "1305")


def test_a_body_over_the_limit_is_413(acme: Customer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(call, "BODY_BYTES", 100)
    assert acme.send(transmission()).status == 413

    class Untouched(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            raise AssertionError("a body known to be too large is not read")

    answer = acme.send(b"{}", CONTENT_LENGTH="101", **{"wsgi.input": Untouched()})
    assert answer.status == 413


def test_a_get_with_a_content_type_and_no_body_is_fine(acme: Customer) -> None:
    assert acme.call("GET", "/api/v1/ip-pools", CONTENT_TYPE="application/json").status == 200


def test_a_defect_is_a_500_without_a_trace(
    acme: Customer, spool: CollectingSpool, caplog: pytest.LogCaptureFixture
) -> None:
    spool.failure = ZeroDivisionError("secret")
    answer = acme.send(transmission())
    assert answer.status == 500
    assert "secret" not in str(answer.body)
    assert "Traceback" not in str(answer.body)
    assert answer.headers["X-Request-Id"] in answer.error["description"]
    assert answer.headers["X-Request-Id"] in caplog.text


def test_own_paths_answer_problem_documents(acme: Customer) -> None:
    answer = acme.call("POST", "/api/merpati/v1/sending-ips", {})
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.body["status"] == answer.status == 422
    assert answer.body["request_id"] == answer.headers["X-Request-Id"]
    assert [error["pointer"] for error in answer.body["errors"]] == ["/external_ip", "/hostname"]
    explained = acme.call("GET", answer.body["type"], HTTP_AUTHORIZATION="")
    assert explained.status == 200
    assert explained.body["results"]["title"] == answer.body["title"]
    assert acme.call("GET", "/api/merpati/v1/nope").body["status"] == 404
    refused = acme.call("GET", "/api/merpati/v1/sending-ips", HTTP_AUTHORIZATION="")
    assert (refused.status, refused.body["status"]) == (401, 401)


def test_healthz_needs_no_key(acme: Customer) -> None:
    assert acme.call("GET", "/healthz", HTTP_AUTHORIZATION="").body == {"status": "ok"}
    assert acme.call("HEAD", "/healthz", HTTP_AUTHORIZATION="").status == 200


NAMES = (
    *("content", "recipients", "options", "override", "from", "subject", "text", "html", "headers"),
    *("attachments", "name", "type", "data", "address", "email", "header_to", "metadata", "tags"),
    *("substitution_data", "list_id", "template_id", "start_time", "ip_pool", "campaign_id"),
    *("hostname", "external_ip", "auto_warmup_stage", "signing_domain"),
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(NAMES) | st.text(max_size=5),
            inner,
            max_size=6,
        )
    ),
    max_leaves=25,
)


@given(JSON, st.sampled_from(JSON_PATHS))
@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_no_json_is_answered_with_500(acme: Customer, value: Any, path: tuple[str, str]) -> None:
    assert acme.call(*path, value).status < 500


@given(
    st.fixed_dictionaries(
        {
            "content": st.fixed_dictionaries(
                {"from": st.just("n@acme.example") | JSON, "subject": st.text() | JSON},
                optional={"text": JSON, "html": st.text(), "headers": JSON, "attachments": JSON},
            ),
            "recipients": st.lists(
                st.fixed_dictionaries(
                    {"address": st.emails() | JSON}, optional={"metadata": JSON, "tags": JSON}
                )
            ),
        },
        optional={"options": JSON, "metadata": JSON, "override": JSON},
    )
)
@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_no_transmission_is_answered_with_500(acme: Customer, value: Any) -> None:
    answer = acme.send(value)
    assert answer.status < 500
    assert ("results" in answer.body) == (answer.status == 200)
