"""Files of cases by API: given with a case or a message, read back as downloads by the account."""

from __future__ import annotations

from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest

from merpati.desk import case_actions
from merpati.desk.attachments import NewFile
from merpati.desk.models import CaseAttachment
from tests.api.conftest import NOW, Customer
from tests.api.test_cases import CASES, budi, does, new_case, opened, problem  # noqa: F401

LOG = b"451 4.7.1 later\n" * 40


@pytest.fixture(autouse=True)
def kept_here(tmp_path: Path, settings: Any) -> None:
    settings.DATA_DIR = tmp_path


def given(name: str, data: bytes, **fields: Any) -> dict[str, Any]:
    return {"name": name, "data": b64encode(data).decode()} | fields


def test_files_come_with_a_case_and_its_messages_and_are_read_back(
    acme: Customer, rival: Customer
) -> None:
    number = opened(acme, files=[given("../../log.txt", LOG)])
    page = given("page.html", b"<script>alert(1)</script>", type="text/html")
    case = does(acme, number, "messages", {"text": "More.", "files": [page]}).body["results"]
    first, second = (entry["files"] for entry in case["timeline"])
    assert [(file["name"], file["size_bytes"]) for file in first] == [("log.txt", len(LOG))]
    assert [(file["name"], file["type"]) for file in second] == [("page.html", "text/html")]
    path = f"{CASES}/{number}/files/{first[0]['id']}"
    answer = acme.client.get(path, headers={"authorization": acme.key})
    assert answer.content == LOG
    assert answer["Content-Disposition"].startswith("attachment;")
    shown = acme.client.get(
        f"{CASES}/{number}/files/{second[0]['id']}", headers={"authorization": acme.key}
    )
    assert shown["Content-Type"] == "application/octet-stream"
    assert shown["X-Content-Type-Options"] == "nosniff"
    viewer = {"HTTP_AUTHORIZATION": acme.key_with("support_cases/view")}
    assert acme.client.get(path, **viewer).status_code == 200
    assert problem(rival.call("GET", path)) == (404, "not-found")
    other = opened(rival)
    foreign = f"{CASES}/{other}/files/{first[0]['id']}"
    assert problem(rival.call("GET", foreign)) == (404, "not-found")


def test_files_of_internal_notes_stay_at_the_desk(acme: Customer, budi: Any) -> None:  # noqa: F811
    number = opened(acme)
    case_actions.note(number, "Look.", [NewFile("secret.txt", b"x")], by=budi, now=NOW)
    file_id = CaseAttachment.objects.get().pk
    assert problem(acme.call("GET", f"{CASES}/{number}/files/{file_id}")) == (404, "not-found")
    assert "secret.txt" not in str(acme.call("GET", f"{CASES}/{number}").body)


@pytest.mark.parametrize(
    ("files", "pointer"),
    [
        ([given("empty.txt", b"")], "/files"),
        ([given(f"{n}.txt", b"x") for n in range(21)], "/files"),
        ([given("large.bin", b"x" * (10 * 1024 * 1024 + 1))], "/files"),
        ([{"name": "a.txt", "data": "no base64!"}], "/files[0]/data"),
        ([{"name": "a.txt"}], "/files[0]"),
    ],
)
def test_a_file_that_is_refused_opens_nothing(acme: Customer, files: Any, pointer: str) -> None:
    answer = acme.call("POST", CASES, new_case(files=files))
    assert problem(answer) == (422, "invalid-request")
    assert answer.body["errors"][0]["pointer"] == pointer
    assert acme.call("GET", CASES).body["results"] == []


def test_a_repeat_keeps_its_files_once(acme: Customer) -> None:
    wanted = new_case(files=[given("log.txt", LOG)])
    for _ in range(2):
        assert acme.call("POST", CASES, wanted, HTTP_IDEMPOTENCY_KEY="k").status == 201
    assert CaseAttachment.objects.count() == 1
