"""POST /api/v1/transmissions: each recipient in their own language."""

from __future__ import annotations

from typing import Any

import pytest

from merpati.contracts.batch import Variant
from tests.api.conftest import CollectingSpool, Customer, transmission
from tests.api.test_transmissions import content_of, recipients_of


def test_variants_and_languages_travel_with_the_batch(
    acme: Customer, spool: CollectingSpool
) -> None:
    body = transmission(
        {"address": "sari@x.example", "language": "id-ID"},
        {"address": "tom@x.example", "language": "tlh"},
        {"address": "ann@x.example", "language": None},
        language="EN",
        variants={"id": {"subject": "Halo", "text": "Apa kabar?"}},
    )
    assert acme.send(body).status == 200
    content = content_of(spool.last)
    assert content.language == "en"
    assert content.variants == {"id": Variant("Halo", "Apa kabar?")}
    assert [one.language for one in recipients_of(spool.last)] == ["id-ID", "tlh", ""]


def test_a_language_that_cannot_be_one_rejects_its_recipient_alone(acme: Customer) -> None:
    body = transmission(
        {"address": "a@x.example", "language": "bahasa indonesia"}, {"address": "b@x.example"}
    )
    answer = acme.send(body)
    assert answer.body["results"]["total_accepted_recipients"] == 1
    (told,) = answer.body["results"]["rcpt_to_errors"]
    assert told["description"] == "language is not a BCP 47 tag such as id-ID: bahasa indonesia"


@pytest.mark.parametrize(
    ("content", "status", "says"),
    [
        ({"language": "i d"}, 422, "content.language: 'i d' is not a BCP 47 tag"),
        ({"variants": {"i d": {"text": "x"}}}, 422, "content.variants.i d: 'i d' is not"),
        ({"variants": {"": {"text": "x"}}}, 422, "is not a BCP 47 tag"),
        ({"variants": {"id": {}}}, 422, "content.variants.id needs subject"),
        ({"variants": {"id": {"amp_html": "x"}}}, 422, "content.variants.id needs text or html"),
        ({"variants": {"id": {"subject": 5}}}, 422, "content.variants[].subject must be string"),
        ({"variants": {"id": None}}, 422, "content.variants[] must be object"),
        ({"variants": []}, 422, "content.variants must be object"),
        (
            {"variants": {"id-ID": {"text": "x"}, "ID_id": {"text": "y"}}},
            422,
            "content.variants.id-ID is given twice",
        ),
        (
            {"variants": {"id": {"subject": "a\r\nBcc: x@y.co"}}},
            422,
            "content.variants.id.subject must not contain line breaks",
        ),
        ({"variants": {f"a-{n:03}": {"text": "x"} for n in range(51)}}, 422, "at most 50"),
        ({"variants": {"id": {"text": "x" * (20 << 20)}}}, 422, "20 MB"),
    ],
)
def test_what_is_wrong_with_a_variant_is_named(
    acme: Customer, spool: CollectingSpool, content: dict[str, Any], status: int, says: str
) -> None:
    answer = acme.send(transmission(**content))
    assert answer.status == status
    assert says in answer.error["description"]
    assert spool.batches == []
