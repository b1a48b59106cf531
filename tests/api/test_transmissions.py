"""POST /api/v1/transmissions: what is accepted, and what comes of it in the batch."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from merpati.accounts.models import AuditEntry
from merpati.contracts.batch import Batch, Content, Recipient
from merpati.contracts.event import Injection
from merpati.sending.models import SendingDomain, SuppressionSource, SuppressionType
from merpati.sending.sending_ips import remove_sending_ip
from merpati.sending.suppression import suppress
from merpati.spool.errors import IdempotencyConflict, SpoolFull, SpoolUnavailable
from tests.api.conftest import NOW, CollectingSpool, Customer, SteppingClock, transmission

LATER = "2026-03-03T09:30:00+00:00"


def content_of(batch: Batch) -> Content:
    return msgspec.msgpack.decode(batch.content, type=Content)


def recipients_of(batch: Batch) -> list[Recipient]:
    return [msgspec.msgpack.decode(row.recipient, type=Recipient) for row in batch.messages]


def injection_of(batch: Batch) -> Injection:
    return msgspec.msgpack.decode(batch.injection, type=Injection)


def test_the_answer_has_an_id_of_digits_and_both_totals(
    acme: Customer, spool: CollectingSpool
) -> None:
    answer = acme.send(transmission({"address": "a@x.example"}, {"address": "b@y.example"}))
    assert answer.status == 200
    results = answer.body["results"]
    assert list(answer.body) == ["results"]
    assert results["total_accepted_recipients"] == 2
    assert results["total_rejected_recipients"] == 0
    assert results["id"].isdigit()
    assert 17 <= len(results["id"]) <= 20
    assert answer.headers["X-Request-Id"]
    assert spool.last.transmission_id == results["id"]


def test_the_batch_carries_all_that_delivery_needs(acme: Customer, spool: CollectingSpool) -> None:
    body = transmission(
        {
            "address": {"email": " Sari@Bücher.Example ", "name": " Sari ", "header_to": "x@y.co"},
            "substitution_data": {"n": 1},
            "metadata": {"m": [True, None]},
            "tags": [str(n) for n in range(12)],
            "return_path": "x@bounces.acme.example",
        },
        sender={"name": None, "email": "news@ACME.example"},
        html="<p>Hi</p>",
        amp_html="<html amp4email></html>",
        reply_to="a@x.co, b@y.co",
        headers={"CC": "c@z.co", "X-Job": "7", "X-None": None, "Message-ID": "<theirs@x>"},
        attachments=[{"name": "", "type": "text/plain; charset=utf-8", "data": "aGlo\naQ=="}],
        inline_images=[{"name": "logo", "type": "image/png", "data": "AAEC"}],
    )
    body |= {
        "campaign_id": "spring",
        "metadata": {"all": 1},
        "substitution_data": {"greeting": "Hai"},
        "options": {"transactional": True, "perform_substitutions": False, "start_time": LATER},
        "unknown": {"ignored": True},
    }
    assert acme.send(body).status == 200
    batch = spool.last
    (row,) = batch.messages
    content = content_of(batch)
    (recipient,) = recipients_of(batch)
    assert row.domain == "xn--bcher-kva.example"
    assert row.due_at == int((NOW + timedelta(days=1)).timestamp() * 1000)
    assert recipient == Recipient(
        rcpt_to="Sari@xn--bcher-kva.example",
        name="Sari",
        header_to="x@y.co",
        substitution_data={"n": 1},
        metadata={"m": [True, None]},
        tags=[str(n) for n in range(10)],
        return_path="x@bounces.acme.example",
    )
    assert content.sender.email == "news@ACME.example"
    assert content.sender.name is None
    assert content.sending_domain == "acme.example"
    assert (content.subject, content.text, content.html) == ("Hello", "Hi", "<p>Hi</p>")
    assert content.reply_to == "a@x.co, b@y.co"
    assert content.headers == {"CC": "c@z.co", "X-Job": "7"}
    assert content.attachments[0].data == b"hihi"
    assert content.attachments[0].type == "text/plain; charset=utf-8"
    assert content.inline_images[0].data == b"\x00\x01\x02"
    assert content.transactional
    assert not content.perform_substitutions
    assert (content.campaign_id, content.metadata) == ("spring", {"all": 1})
    assert content.injected_at == batch.injected_at == int(NOW.timestamp() * 1000)
    assert content.ip_pool == "default"
    injection = injection_of(batch)
    assert injection.friendly_from == "news@ACME.example"
    assert injection.recipients[0].tags == recipient.tags
    assert injection.campaign_id == "spring"


@pytest.mark.parametrize(
    ("address", "rcpt_to", "name"),
    [
        ("a@x.co", "a@x.co", None),
        ("  b@x.co\n", "b@x.co", None),
        ("Sari <a@x.co>", "a@x.co", "Sari"),
        ('"Last, First" <a@x.co>', "a@x.co", "Last, First"),
        ({"email": "a+b@x.co", "name": None}, "a+b@x.co", None),
        ({"email": "o'brien@x.co", "name": ""}, "o'brien@x.co", None),
        ({"email": "dots..kept.@x.co"}, "dots..kept.@x.co", None),
    ],
)
def test_addresses_are_read_leniently(
    acme: Customer, spool: CollectingSpool, address: Any, rcpt_to: str, name: str | None
) -> None:
    answer = acme.send(transmission({"address": address}))
    assert answer.body["results"]["total_accepted_recipients"] == 1
    (recipient,) = recipients_of(spool.last)
    assert (recipient.rcpt_to, recipient.name) == (rcpt_to, name)


@pytest.mark.parametrize(
    ("recipient", "code", "description"),
    [
        ({}, "1400", "address.email is required for each recipient"),
        ({"address": {"name": "x"}}, "1400", "address.email is required for each recipient"),
        ({"address": "not an address"}, "1300", "invalid recipient address.email: not an address"),
        ({"address": "a@b"}, "1300", "invalid recipient address.email: a@b"),
        ({"address": "a@b..co"}, "1300", "invalid recipient address.email: a@b..co"),
        ({"address": "a@[127.0.0.1]"}, "1300", "invalid recipient address.email: a@[127.0.0.1]"),
        ({"address": "a@x.co\r\nRCPT TO:<b@y.co>"}, "1300", "line breaks"),
        ({"address": "sarï@x.co"}, "1300", "invalid recipient address.email: sarï@x.co"),
        ({"address": 5}, "1300", "address must be"),
        ({"address": "a@x.co", "tags": "one"}, "1300", "tags must be array, not string"),
        ({"address": "a@x.co", "metadata": {"k": "x" * 10_300}}, "1300", "at most 10 KB"),
        ({"address": "a@x.co", "substitution_data": {"k": "x" * 102_500}}, "1300", "100 KB"),
        ({"address": "a@x.co", "metadata": {"k": 2**70}}, "1300", "64 bits"),
        ({"address": {"email": "a@x.co", "name": "x\r\nBcc: b@y.co"}}, "1300", "address.name"),
        ({"address": {"email": "a@x.co", "header_to": "x\nB: c"}}, "1300", "address.header_to"),
        ({"address": "a@x.co", "return_path": "b@rival.example"}, "1300", "return_path"),
        (7, "1300", "a recipient must be object"),
    ],
)
def test_a_bad_recipient_is_rejected_alone(
    acme: Customer, spool: CollectingSpool, recipient: Any, code: str, description: str
) -> None:
    answer = acme.send(transmission({"address": "good@x.co"}, recipient))
    assert answer.status == 200
    assert answer.error == {
        "message": "transmission created, but with validation errors",
        "code": "2000",
    }
    results = answer.body["results"]
    assert results["total_accepted_recipients"] == 1
    assert results["total_rejected_recipients"] == 1
    (rejected,) = results["rcpt_to_errors"]
    assert rejected["code"] == code
    assert description in rejected["description"]
    assert spool.last.size == 1


def test_num_rcpt_errors_caps_what_is_shown_and_nothing_else(acme: Customer) -> None:
    body = transmission({"address": "a@x.co"}, {}, {}, {})
    shown = [
        acme.send(body, query).body["results"].get("rcpt_to_errors")
        for query in ("", "?num_rcpt_errors=2", "?num_rcpt_errors=0", "?num_rcpt_errors=")
    ]
    assert [len(errors) if errors is not None else None for errors in shown] == [3, 2, None, 3]
    assert acme.send(body, "?num_rcpt_errors=0").body["results"]["total_rejected_recipients"] == 3
    assert acme.send(body, "?num_rcpt_errors=x").status == 400


def test_no_valid_recipient_is_refused(acme: Customer, spool: CollectingSpool) -> None:
    answer = acme.send(transmission({"address": "nobody"}))
    assert answer.status == 400
    assert answer.error["code"] == "5002"
    assert answer.error["message"] == "At least one valid recipient is required"
    assert "nobody" in answer.error["description"]
    assert spool.batches == []


def test_suppressed_recipients_count_as_accepted_and_have_no_row(
    acme: Customer, rival: Customer, spool: CollectingSpool
) -> None:
    for customer, address in ((acme, "gone@x.co"), (rival, "kept@x.co")):
        suppress(
            customer.account_id,
            address,
            [SuppressionType.NON_TRANSACTIONAL],
            SuppressionSource.BOUNCE_RULE,
            by="test",
            now=NOW,
        )
    body = transmission({"address": "GONE@x.co"}, {"address": "kept@x.co"})
    assert acme.send(body).body["results"]["total_accepted_recipients"] == 2
    batch = spool.last
    assert batch.size == 2
    assert [row.index for row in batch.messages] == [1]
    assert [r.suppressed_by for r in injection_of(batch).recipients] == ["Bounce Rule", None]
    acme.send(body | {"options": {"transactional": True}})
    assert len(spool.last.messages) == 2
    acme.send(body | {"options": {"skip_suppression": True}})
    assert len(spool.last.messages) == 2


REFUSED = [
    pytest.param({"content": None}, 422, "1400", "content object or template_id", id="no content"),
    pytest.param(
        {"content": {"text": None, "from": None}},
        *(422, "1400", "content object or template_id required"),
        id="content of nulls",
    ),
    pytest.param({"recipients": None}, 422, "1400", "recipients is a required", id="no recipients"),
    pytest.param({"recipients": []}, 400, "5002", "", id="empty recipients"),
    pytest.param(
        {"recipients": {"list_id": "l"}}, 422, "1603", "list 'l' does not exist", id="stored list"
    ),
    pytest.param({"recipients": "a@x.co"}, 422, "1300", "recipients must be", id="no array"),
    pytest.param({"campaign_id": "é" * 33}, 422, "1300", "campaign_id must be at most 64", id="id"),
    pytest.param({"campaign_id": 5}, 422, "1300", "campaign_id must be string", id="number"),
    pytest.param({"description": "x" * 1025}, 422, "1300", "description", id="description"),
    pytest.param({"metadata": {"k": "x" * 10_300}}, 422, "2007", "metadata", id="metadata"),
    pytest.param({"metadata": {"k": 2**70}}, 422, "1300", "64 bits", id="huge number"),
    pytest.param(
        {"substitution_data": {"k": "x" * 102_500}}, 422, "2002", "substitution_data", id="data"
    ),
    pytest.param({"return_path": "x@rival.example"}, 400, "7001", "", id="foreign return path"),
    pytest.param({"return_path": "x@notacme.example"}, 400, "7001", "", id="like ours"),
    pytest.param({"return_path": "nobody"}, 422, "1300", "return_path", id="no return path"),
    pytest.param({"tracking_domain": "t.co"}, 400, "1200", "'t.co' is not a reg", id="tracking"),
    pytest.param({"options": {"ip_pool": "nope"}}, 422, "1603", "ip_pool 'nope'", id="pool"),
    pytest.param({"options": {"ip_pool": ""}}, 422, "1603", "ip_pool ''", id="pool of no name"),
    pytest.param({"options": {"start_time": "soon"}}, 422, "1300", "start_time", id="no time"),
    pytest.param(
        {"options": {"start_time": "2026-03-06T09:30:00Z"}}, 422, "1300", "3 days", id="too late"
    ),
    pytest.param({"options": {"transactional": "yes"}}, 422, "1300", "transactional", id="bool"),
    pytest.param({"options": {"sandbox": True}}, 420, "2103", "sandbox", id="sandbox"),
    pytest.param({"options": {"dkim_key": "k2"}}, 400, "1100", "", id="dkim key"),
]


@pytest.mark.parametrize(("change", "status", "code", "says"), REFUSED)
def test_a_transmission_is_refused_with_the_tabled_code(
    acme: Customer,
    rival: Customer,
    spool: CollectingSpool,
    change: dict[str, Any],
    status: int,
    code: str,
    says: str,
) -> None:
    answer = acme.send(transmission() | change)
    assert (answer.status, answer.error["code"]) == (status, code)
    assert says in answer.error.get("description", "")
    assert spool.batches == []


CONTENT_REFUSED = [
    pytest.param({"sender": None}, "1400", "content.from is a required field", id="no from"),
    pytest.param({"sender": {"name": "x"}}, "1400", "content.from is a required", id="name only"),
    pytest.param({"subject": None}, "1400", "content.subject is a required", id="no subject"),
    pytest.param({"text": None}, "1400", "content.text or content.html", id="no body"),
    pytest.param({"sender": "nobody"}, "1300", "'nobody' is not an email address", id="from"),
    pytest.param({"email_rfc822": "x"}, "1301", "email_rfc822", id="raw with others"),
    pytest.param({"template_id": "t"}, "1301", "Both content object and", id="stored with inline"),
    pytest.param({"ab_test_id": "t"}, "1603", "ab_test_id 't' does not exist", id="test"),
    pytest.param({"html": 5}, "1300", "content.html must be string, not number", id="type"),
    pytest.param({"headers": {"To": "a@x.co"}}, "3002", "header_to", id="own field"),
    pytest.param({"headers": {"bcc": "a@x.co"}}, "3002", "header_to", id="bcc"),
    pytest.param({"headers": {"X A": "b"}}, "3002", "not a valid header name", id="no token"),
    pytest.param({"headers": {"X-A": 5}}, "3002", "must be string", id="header type"),
    pytest.param(
        {"attachments": [{"name": "a", "type": "b", "data": "?"}]}, "1300", "base64", id="base64"
    ),
    pytest.param(
        {"attachments": [{"name": "a", "data": "aGk="}]}, "1400", "attachments[].type", id="type"
    ),
    pytest.param(
        {"attachments": [{"name": "a" * 256, "type": "b", "data": "aGk="}]},
        *("1300", "255 bytes"),
        id="long name",
    ),
    pytest.param(
        {"inline_images": [{"name": "a", "type": "b", "data": ""}] * 2},
        *("1300", "its own name"),
        id="same image twice",
    ),
    pytest.param({"text": "x" * (20 * 1024 * 1024 + 1)}, "1300", "20 MB", id="too large"),
]


@pytest.mark.parametrize(("content", "code", "says"), CONTENT_REFUSED)
def test_content_is_refused_naming_the_field(
    acme: Customer, spool: CollectingSpool, content: dict[str, Any], code: str, says: str
) -> None:
    answer = acme.send(transmission(**content))
    assert (answer.status, answer.error["code"]) == (422, code)
    assert says in answer.error["description"]
    assert spool.batches == []


def test_everything_that_is_missing_is_named_at_once(acme: Customer) -> None:
    answer = acme.send({"content": {"html": "x"}})
    assert answer.status == 422
    assert [error["description"] for error in answer.body["errors"]] == [
        "content.from is a required field",
        "content.subject is a required field",
        "recipients is a required field",
    ]


def test_stored_and_raw_content_are_refused_clearly(acme: Customer) -> None:
    recipients = [{"address": "a@x.co"}]
    stored = acme.send({"content": {"template_id": "t1"}, "recipients": recipients})
    assert (stored.status, stored.error["code"]) == (422, "1603")
    assert stored.error["message"] == "Subresource not found"
    assert stored.error["description"] == "template 't1' does not exist"
    raw = acme.send({"content": {"email_rfc822": "From: x"}, "recipients": recipients})
    assert raw.status == 422
    assert "not supported by this version" in raw.error["description"]


BREAKS = ["x\r\nBcc: v@y.co", "x\nBcc: v@y.co", "x\rBcc: v@y.co", "=?utf-8?Q?x=0D=0ABcc:_v?="]
BREAKS += ["=?utf-8?B?eA0KQmNjOiB2?=", "x\x00", "x\u2028y", "x\x0by"]
FIELDS = [
    ("content.subject", lambda text: transmission(subject=text)),
    ("content.reply_to", lambda text: transmission(reply_to=f"a{text}b@x.co")),
    ("content.from.name", lambda t: transmission(sender={"email": "n@acme.example", "name": t})),
    ("content.from.email", lambda t: transmission(sender={"email": f"n{t}@acme.example"})),
    ("content.from.name", lambda text: transmission(sender=f"{text} <n@acme.example>")),
    ("campaign_id", lambda text: transmission() | {"campaign_id": text}),
    ("content.headers.X-A", lambda text: transmission(headers={"X-A": text})),
    ("content.headers", lambda text: transmission(headers={f"X-{text}": "a"})),
    (
        "content.attachments",
        lambda text: transmission(attachments=[{"name": text, "type": "a/b", "data": ""}]),
    ),
    (
        "content.inline_images",
        lambda text: transmission(inline_images=[{"name": "a", "type": text, "data": ""}]),
    ),
]


@pytest.mark.parametrize("text", BREAKS, ids=ascii)
@pytest.mark.parametrize(("field", "body"), FIELDS, ids=[name for name, _ in FIELDS])
def test_what_could_add_a_header_is_refused_naming_the_field(
    acme: Customer, spool: CollectingSpool, field: str, body: Any, text: str
) -> None:
    """H1: CR, LF and their kin, raw or in an encoded word."""
    answer = acme.send(body(text))
    assert (answer.status, answer.error["code"]) == (422, "3002")
    assert field in answer.error["description"]
    assert spool.batches == []


def test_a_header_that_could_not_be_composed_is_refused_at_once(acme: Customer) -> None:
    assert acme.send(transmission(headers={"X" * 76: "a"})).status == 200
    answer = acme.send(transmission(headers={"X" * 77: "a"}))
    assert (answer.status, answer.error["code"]) == (422, "3002")
    assert "more than 76 characters" in answer.error["description"]


def test_percent_encoded_line_ends_stay_text(acme: Customer, spool: CollectingSpool) -> None:
    """H1: nothing decodes them, so they are as harmless as any other text."""
    assert acme.send(transmission(subject="x%0d%0aBcc: v@y.co")).status == 200
    assert content_of(spool.last).subject == "x%0d%0aBcc: v@y.co"


def test_mime_structure_and_our_own_headers_are_dropped(
    acme: Customer, spool: CollectingSpool
) -> None:
    """H3."""
    headers = dict.fromkeys(
        ("DKIM-Signature", "Return-Path", "Received", "content-type", "MIME-Version", "X-Mine"), "x"
    )
    assert acme.send(transmission(headers=headers)).status == 200
    assert content_of(spool.last).headers == {"X-Mine": "x"}


@pytest.mark.parametrize("domain", ["rival.example", "unknown.example", "sub.acme.example"])
def test_only_the_accounts_own_verified_domains_may_send(
    acme: Customer, rival: Customer, spool: CollectingSpool, domain: str
) -> None:
    """R4."""
    answer = acme.send(transmission(sender=f"x@{domain}"))
    assert answer.status == 400
    assert answer.error == {
        "message": "Invalid domain",
        "description": "Unconfigured or unverified sending domain.",
        "code": "7001",
    }
    assert spool.batches == []


def test_a_templated_sender_is_checked_when_it_is_rendered(
    acme: Customer, spool: CollectingSpool
) -> None:
    assert acme.send(transmission(sender="{{user}}@rival.example")).status == 200
    assert content_of(spool.last).sending_domain == ""
    assert acme.send(transmission(sender="{{name}} <n@acme.example>")).status == 200
    assert content_of(spool.last).sending_domain == "acme.example"


def test_an_international_sender_domain_becomes_ascii(
    acme: Customer, spool: CollectingSpool
) -> None:
    domain = {"domain": "bücher.example"}
    assert acme.call("POST", "/api/v1/sending-domains", domain).status == 200
    SendingDomain.objects.filter(domain="xn--bcher-kva.example").update(verified_at=NOW)
    assert acme.send(transmission(sender="Ü <a@Bücher.example>")).status == 200
    content = content_of(spool.last)
    assert (content.sender.email, content.sender.name) == ("a@xn--bcher-kva.example", "Ü")
    assert content.sending_domain == "xn--bcher-kva.example"


def test_override_replaces_what_the_content_says(acme: Customer, spool: CollectingSpool) -> None:
    body = transmission(sender="Acme <a@acme.example>") | {
        "override": {"from": "b@acme.example", "reply_to": "c@x.co", "list_id": "news.acme"}
    }
    assert acme.send(body).status == 200
    content = content_of(spool.last)
    assert (content.sender.email, content.sender.name) == ("b@acme.example", "Acme")
    assert content.reply_to == "c@x.co"
    assert content.headers == {"List-Id": "news.acme"}


def test_a_node_buffer_is_an_attachment(acme: Customer, spool: CollectingSpool) -> None:
    data = {"type": "Buffer", "data": list(b"\xffhi")}
    part = {"name": "a.bin", "type": "application/octet-stream", "data": data}
    assert acme.send(transmission(attachments=[part])).status == 200
    assert content_of(spool.last).attachments[0].data == b"\xffhi"


def test_a_pool_is_named_in_any_case_and_must_hold_an_ip(
    acme: Customer, spool: CollectingSpool
) -> None:
    acme.call("POST", "/api/v1/ip-pools", {"name": "Bulk Mail"})
    refused = acme.send(transmission() | {"options": {"ip_pool": "bulk_mail"}})
    assert (refused.status, refused.error["code"]) == (400, "1910")
    assert "has no sending IP" in refused.error["description"]
    acme.call("PUT", "/api/v1/sending-ips/127.0.0.2", {"ip_pool": "bulk_mail"})
    assert acme.send(transmission() | {"options": {"ip_pool": "BULK_Mail"}}).status == 200
    assert content_of(spool.last).ip_pool == "bulk_mail"
    assert acme.send(transmission()).error["code"] == "1910"
    remove_sending_ip(acme.account_id, "127.0.0.2", by="test", now=NOW)
    assert acme.send(transmission() | {"options": {"ip_pool": "bulk_mail"}}).status == 400


def test_a_past_start_is_now(acme: Customer, spool: CollectingSpool) -> None:
    body = transmission() | {"options": {"start_time": "2020-01-01T00:00:00"}}
    assert acme.send(body).status == 200
    assert spool.last.messages[0].due_at == spool.last.injected_at


@pytest.mark.parametrize(
    "failure", [SpoolUnavailable("fsync failed"), SpoolFull("below the reserve")]
)
def test_nothing_is_acknowledged_that_is_not_durable(
    acme: Customer, spool: CollectingSpool, failure: Exception
) -> None:
    """D5."""
    spool.failure = failure
    answer = acme.send(transmission())
    assert acme.send(transmission()).status == 503
    assert answer.status == 503
    assert answer.headers["Retry-After"]
    assert "fsync" not in str(answer.body)
    spool.failure = None
    assert acme.send(transmission()).status == 200


def test_an_idempotency_key_goes_with_the_batch(
    acme: Customer, spool: CollectingSpool, clock: SteppingClock
) -> None:
    first = acme.send(transmission(), HTTP_IDEMPOTENCY_KEY="order-1")
    one = spool.last
    acme.send(transmission(), HTTP_IDEMPOTENCY_KEY="order-1")
    two = spool.last
    assert one.idempotency_key == "order-1"
    assert one.fingerprint == two.fingerprint
    assert msgspec.json.decode(one.reply) == first.body
    acme.send(transmission(subject="other"), HTTP_IDEMPOTENCY_KEY="order-1")
    assert spool.last.fingerprint != one.fingerprint
    acme.send(transmission())
    assert (spool.last.idempotency_key, spool.last.reply) == (None, b"")
    for unusable in ("k" * 256, "", "é"):
        assert acme.send(transmission(), HTTP_IDEMPOTENCY_KEY=unusable).status == 400


def test_a_key_used_for_another_request_is_a_conflict(
    acme: Customer, spool: CollectingSpool
) -> None:
    spool.failure = IdempotencyConflict("order-1")
    answer = acme.send(transmission(), HTTP_IDEMPOTENCY_KEY="order-1")
    assert (answer.status, answer.error["code"]) == (409, "1602")
    assert "Idempotency-Key" in answer.error["description"]


# Cancelling.


def test_a_campaign_is_cancelled_by_the_worker_that_owns_the_account(
    acme: Customer, spool: CollectingSpool
) -> None:
    answer = acme.call("DELETE", "/api/v1/transmissions?campaign_id=spring+sale")
    assert (answer.status, answer.body) == (204, None)
    assert spool.cancelled == [(acme.account_id % 16, acme.account_id, "spring sale", "")]
    entry = AuditEntry.objects.get(action="cancel_campaign")
    assert (entry.account_id, entry.subject) == (acme.account_id, "spring sale")


@pytest.mark.parametrize("query", ["", "?campaign_id=", "?campaign=spring"])
def test_cancelling_names_a_campaign(acme: Customer, spool: CollectingSpool, query: str) -> None:
    answer = acme.call("DELETE", f"/api/v1/transmissions/{query}")
    assert (answer.status, answer.error["code"]) == (400, "1401")
    assert spool.cancelled == []


def test_no_cancellation_is_promised_that_is_not_durable(
    acme: Customer, spool: CollectingSpool
) -> None:
    spool.failure = SpoolUnavailable("no worker")
    assert acme.call("DELETE", "/api/v1/transmissions?campaign_id=spring").status == 503


def test_the_campaign_travels_with_the_batch(acme: Customer, spool: CollectingSpool) -> None:
    acme.send(transmission() | {"campaign_id": "spring"})
    assert spool.last.campaign_id == "spring"
    acme.send(transmission())
    assert spool.last.campaign_id == ""
