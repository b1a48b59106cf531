"""Signed records: ours are told from changed ones and from others'."""

from __future__ import annotations

import base64
import copy
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from merpati.adapters.record_signing import BadSignature, RecordSigner

SIGNER = RecordSigner(b"1" * 32)
RECORD: dict[str, Any] = {"case": 7, "text": "Terima kasih – “ok”", "steps": [{"b": 1, "a": None}]}


def test_a_record_survives_being_printed_and_read_again() -> None:
    printed = json.dumps(SIGNER.sign(RECORD), indent=2, sort_keys=True)
    assert RecordSigner(b"1" * 32).verify(json.loads(printed)) == RECORD


def test_anybody_can_check_it_with_the_public_key_alone() -> None:
    """As docs/how-to/use-support-cases-by-api.md tells: the recipe, not our code."""
    signature = SIGNER.sign(RECORD)["signature"]
    key = Ed25519PublicKey.from_public_bytes(base64.b64decode(signature["public_key"]))
    text = json.dumps(RECORD, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    key.verify(base64.b64decode(signature["value"]), b"merpati record 1\n" + text.encode())


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        (("record", "case"), 8, "changed"),
        (("record", "more"), 1, "changed"),
        (("signature", "value"), "AAAA", "changed"),
        (("signature", "value"), "%", "changed"),
        (("signature", "public_key"), RecordSigner(b"2" * 32).public_key, "not signed by this"),
        (("signature", "algorithm"), "none", "no signed record"),
        (("signature",), None, "no signed record"),
        (("record",), [], "no signed record"),
    ],
)
def test_a_changed_document_is_refused(path: tuple[str, ...], value: Any, says: str) -> None:
    document = copy.deepcopy(SIGNER.sign(RECORD))
    inner: Any = document
    for name in path[:-1]:
        inner = inner[name]
    inner[path[-1]] = value
    with pytest.raises(BadSignature, match=says):
        SIGNER.verify(document)


def test_anothers_record_is_not_ours_however_well_signed() -> None:
    with pytest.raises(BadSignature, match="not signed by this instance"):
        SIGNER.verify(RecordSigner(b"2" * 32).sign(RECORD))


def test_the_key_is_not_shown() -> None:
    assert repr(SIGNER) == f"RecordSigner({SIGNER.public_key})"
