"""A support case from its opening to the signed agreement, by API and command (clauses C2, C9)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.service import CommandFailed, wait_until
from tests.journeys.conftest import Journey
from tests.support.http_calls import call, send, transmission

CASES = "/api/merpati/v1/cases"
BUDI = "budi@desk.example"
SARI = {"name": "Sari", "email": "sari@kirim.example"}


def test_a_case_goes_on_until_both_sides_agree(journey: Journey, tmp_path: Path) -> None:
    command, key = journey.merpati.command, journey.customer.api_key

    def api(method: str, path: str, body: Any = None) -> tuple[int, Any]:
        return call(journey.http, method, path, body, key=key)

    def does(act: str, **body: Any) -> Any:
        status, answer = api("POST", f"{CASES}/{number}/{act}", body | {"contact": SARI})
        assert status == 200, answer
        return answer["results"]

    command("person", "add", "Budi", BUDI, "--role", "tam", "--phone", "+44 20 7946 0000")
    command("tam", "assign", journey.customer.account_id, BUDI)
    status, answer = api("GET", "/api/merpati/v1/tam")
    assert (status, answer["results"]["tam"]["email"]) == (200, BUDI)

    assert send(journey.http, key, transmission("tari@penerima.example"))[0] == 200
    wait_until(lambda: journey.balance()["delivered"] == 1, "the message to be delivered")
    wait_until(
        lambda: command("events", "--type", "delivery")["events"], "the delivery to be recorded"
    )
    status, answer = api(
        *("POST", CASES),
        {
            "kind": "information_request",
            "subject": "Which IP sent this?",
            "text": "Our log does not say.",
            "contact": SARI,
            "language": "id",
            "links": [{"kind": "domain", "value": "penerima.example"}],
        },
    )
    assert status == 201, answer
    case = answer["results"]
    number = str(case["number"])
    assert case["representative"]["email"] == BUDI  # the TAM, during onboarding
    assert case["clocks"]["first_answer"]["explanation"]
    seen = case["links"][0]["evidence"]["traffic"]["last_24_hours"]["counts"]
    assert seen == {"delivery": 1, "injection": 1}

    command("case", "answer", number, "We look at it.")
    command("case", "ask", number, "Which recipient?")
    status, answer = api("GET", f"{CASES}/{number}")
    assert answer["results"]["status"] == "waiting_for_customer"
    assert answer["results"]["clocks"]["next_update"]["state"] == "standing"
    assert does("messages", text="tari@penerima.example")["clock"] == "next_update"
    command("case", "update", number, "Found the event.")
    command("case", "propose", number, "It was 127.0.0.2.")
    assert does("dispute", reason="There were two.")["status"] == "open"
    command("case", "propose", number, "It was 127.0.0.2; the other was a test.")
    with pytest.raises(CommandFailed, match="other side"):
        command("case", "agree", number)
    assert does("agree", text="Terima kasih.")["status"] == "resolved"
    status, answer = api("POST", f"{CASES}/{number}/agree", {})
    assert (status, answer["type"].rpartition("/")[2]) == (409, "case-resolved")

    status, record = api("GET", f"{CASES}/{number}/record")
    assert status == 200
    file = tmp_path / "record.json"
    file.write_text(json.dumps(record, indent=4))
    verified = command("case", "verify", str(file))
    assert verified["record"]["resolution"] == "It was 127.0.0.2; the other was a test."
    assert [step["what"] for step in verified["record"]["steps"]] == [
        *("proposal", "dispute", "proposal", "agreement")
    ]
    command("onboarding", "complete", journey.customer.account_id)
    assert api("GET", "/api/merpati/v1/tam")[1]["results"]["role"] == "escalation_point"
