"""`merpati person`, `tam`, `onboarding` and `case`: the desk's side by command."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.control import run_script
from tests.support.prepared import prepared
from tests.support.shell import Shell, SteadyShell

OPEN = """
from merpati.desk.case_opening import NewCase, NewContact, open_case
from merpati.desk.evidence import Sources
case = open_case(1, NewCase("platform_problem", sys.argv[1], "Since this morning.",
                 NewContact("Sari", "sari@kirim.example"), severity=sys.argv[2]),
                 via="api:key 1f3a", sources=Sources(DATA / "events.sqlite3", DATA / "spool"),
                 now=datetime.now(UTC))
print(case.pk)
"""
AS_CUSTOMER = """
from merpati.desk import case_actions
from merpati.desk.parties import customer_party
by = customer_party("api:key 1f3a", "Sari", "sari@kirim.example")
getattr(case_actions, sys.argv[1])(1, "Because.", by=by, now=datetime.now(UTC))
"""
TAM = ("person", "add", "Tari", "tari@desk.example", "--role", "tam", "--phone", "+44 20 7946 0000")


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    given = SteadyShell(prepared(tmp_path))
    given.json("account", "create", "Toko Kirim", "--service-time-zone", "uk")
    yield given
    given.close()


def opened(shell: Shell, subject: str, severity: str = "normal") -> str:
    return run_script(shell.data, OPEN, subject, severity).strip()


def whats(document: Any) -> list[str]:
    return [entry["what"] for entry in document["timeline"]]


def test_a_tam_is_assigned_shown_and_away(shell: Shell) -> None:
    assert "phone" in shell.refused(*TAM[:-2])
    shell.json(*TAM)
    shell.json("person", "add", "Budi", "budi@desk.example", "--language", "id")
    assert "Nobody of the staff" in shell.refused("tam", "assign", "1", "x@desk.example")
    assert "No Technical Account Manager" in shell.refused("tam", "show", "1")
    shell.json("tam", "assign", "1", "tari@desk.example", "--deputy", "budi@desk.example")
    shown = shell.json("tam", "show", "Toko Kirim")
    assert (shown["tam"]["name"], shown["role"]) == ("Tari", "primary_contact")
    assert shown["deputy"]["email"] == "budi@desk.example"
    away = ("person", "away", "tari@desk.example", "--from", "2026-12-21", "--to", "2026-12-31")
    assert shell.json(*away, "--reason", "leave")["ends_on"] == "2026-12-31"
    assert [p["name"] for p in shell.json("person", "list")["people"]] == ["Budi", "Tari"]
    assert shell.json("onboarding", "complete", "1")["account_id"] == 1
    assert "was completed by" in shell.refused("onboarding", "complete", "1")
    assert "escalation point" in shell("tam", "show", "1").stdout


def test_a_call_is_booked_moved_and_cancelled(shell: Shell) -> None:
    shell.json(*TAM)
    shell.json("contact", "add", "Sari", "sari@kirim.example", "--account", "1")
    assert "No Technical Account Manager" in shell.refused("call-back", "slots", "--account", "1")
    shell.json("tam", "assign", "1", "tari@desk.example")
    first, second, *_ = shell.json("call-back", "slots", "--account", "1")["slots"]
    wanted = ("call-back", "book", "sari@kirim.example", first, "--account", "1")
    said = ("--topic", "Warm-up", "--phone", "+62 21 5550 100")
    assert "is no contact of" in shell.refused(
        "call-back", "book", "x@y.example", *wanted[3:], *said
    )
    booked = shell.json(*wanted, *said)
    assert (booked["person"], booked["starts_at"]) == ("Tari", first)
    assert "cannot call then" in shell.refused(*wanted, *said)
    moved = shell.json("call-back", "move", str(booked["id"]), second)
    assert moved["starts_at"] == second
    assert [row["id"] for row in shell.json("call-back", "list")["call_backs"]] == [booked["id"]]
    assert "Cancelled" in shell("call-back", "cancel", str(booked["id"])).stdout
    assert shell.json("call-back", "list", "--account", "1")["call_backs"] == []


def test_the_desk_carries_a_case_to_the_customers_proposal_and_agrees(
    shell: Shell, tmp_path: Path
) -> None:
    number = opened(shell, "Mail waits")
    assert "say with --as EMAIL" in shell.refused("case", "answer", number, "Hello.")
    shell.json(*TAM)
    taken = shell.json("case", "assign", number, "tari@desk.example")
    assert taken["representative"]["name"] == "Tari"
    shell.json("case", "note", number, "Penerima lists the IP.")
    shell.json("case", "answer", number, "We look at it.")
    assert shell.json("case", "ask", number, "Which IP?")["turn"] == "customer"
    assert whats(shell.json("case", "update", number, "Form sent."))[-1] == "progress_update"
    shell.json("case", "propose", number, "Listed no more.")
    assert "You proposed" in shell.refused("case", "propose", number, "Again.")
    assert shell.json("case", "withdraw", number)["status"] == "open"
    scope = shell.json("case", "answer", number, "--out-of-scope", "templates")
    assert scope["timeline"][-1]["detail"]["topic"] == "templates"
    assert "onboarding" in shell.refused("case", "escalate", number, "Too slow.")
    run_script(shell.data, AS_CUSTOMER, "propose")
    assert shell.json("case", "dispute", number, "One waits.")["status"] == "open"
    run_script(shell.data, AS_CUSTOMER, "propose")
    assert "not resolved" in shell.refused("case", "record", number)
    done = shell.json("case", "agree", number, "Glad that it works.")
    assert (done["status"], done["timeline"][-1]["via"]) == (
        "resolved",
        taken["timeline"][1]["via"],
    )
    assert "note (internal)" in shell("case", "show", number).stdout
    assert shell.json("case", "list")["cases"] == []
    assert len(shell.json("case", "list", "--status", "resolved")["cases"]) == 1

    file = tmp_path / "record.json"
    file.write_text(shell("case", "record", number).stdout)
    told = shell.json("case", "verify", str(file))
    assert told["record"]["steps"][-1]["name"] == "Tari"
    exported = shell.json("case", "export", number)["case"]
    assert exported["resolution_record"] == json.loads(file.read_text())
    file.write_text(file.read_text().replace("Because.", "Because of you."))
    assert "changed after it was signed" in shell.refused("case", "verify", str(file))
    file.write_text("no json")
    assert "holds no JSON" in shell.refused("case", "verify", str(file))


def test_cases_are_merged_split_and_linked(shell: Shell) -> None:
    shell.json("person", "add", "Budi", "budi@desk.example")
    first, second, third = (opened(shell, subject) for subject in ("a", "b", "c"))
    linked = shell.json("case", "link", first, third)
    assert [case["number"] for case in linked["related"]] == [int(third)]
    entry = str(shell.json("case", "show", first)["timeline"][0]["id"])
    apart = shell.json("case", "split", first, entry, "Apart")
    assert (apart["subject"], apart["related"][0]["number"]) == ("Apart", int(first))
    assert "another one" in shell.refused("case", "merge", second, second)
    assert shell.json("case", "merge", second, first)["number"] == int(first)
    assert shell.json("case", "show", second)["merged_into"] == int(first)
    assert f"goes on in case {first}" in shell.refused("case", "answer", second, "Hello.")


def test_a_month_is_reported(shell: Shell) -> None:
    shell.json("person", "add", "Budi", "budi@desk.example")
    number = opened(shell, "Mail waits")
    shell.json("case", "answer", number, "We look at it.")
    month = shell.json("case", "show", number)["opened_at"][:7]
    asked = ("case", "report", "--month", month, "--account", "Toko Kirim")
    report = shell.json(*asked)
    assert (report["opened"], report["first_answers"]["on_time"]) == (1, 1)
    assert "1 on time, 0 late (100%)" in shell(*asked).stdout
    assert shell(*asked, "--csv").stdout.splitlines()[1].startswith(f"{number},Mail waits,")
    assert "write 2026-11" in shell.refused(*asked[:3], "11/2026", "--account", "1")
    assert "not begun" in shell.refused(*asked[:3], "2099-01", "--account", "1")


def test_the_queue_is_sorted_by_what_falls_due(shell: Shell) -> None:
    shell.json("person", "add", "Budi", "budi@desk.example")
    low, urgent, asked = (
        opened(shell, s, severity) for s, severity in (("a", "low"), ("b", "urgent"), ("c", "high"))
    )
    shell.json("case", "ask", asked, "Which?")
    shell.json("person", "add", "Dewi", "dewi@desk.example")
    shell.json("case", "assign", low, "dewi@desk.example")
    queue = shell.json("case", "list")["cases"]
    assert [str(case["number"]) for case in queue] == [urgent, low, asked]
    mine = shell.json("case", "list", "--as", "dewi@desk.example")["cases"]
    assert [str(case["number"]) for case in mine] == [low]
    text = shell("case", "list").stdout
    assert "first answer" in text
    assert "customer's turn" in text
    assert "There is no case 99" in shell.refused("case", "show", "99")


MAILS = """
from merpati.contracts.desk_mail import DeskMail
from merpati.desk.evidence import Sources
from merpati.desk.mail.drop import MailDrop
from merpati.desk.mail.intake import Intake
from merpati.desk.mail.place import Place
drop = MailDrop(DATA / "incoming")
for at in (1, 2):
    data = b"From: Wati <wati@kirim.example>\\r\\nSubject: Mail\\r\\n\\r\\nHalo.\\r\\n"
    drop.put(DeskMail(at, "support@desk.example", "x@other.example", "192.0.2.9", "mx", data))
place = Place("support@desk.example", b"k" * 32, "", Sources(DATA / "events", DATA / "spool"))
assert Intake(place, drop).step(datetime.now(UTC)) == 2
"""


def test_mail_that_waits_is_sorted_by_a_person(shell: Shell) -> None:
    shell.json(*TAM)
    number = run_script(shell.data, OPEN + MAILS, "Mail waits", "normal").strip()
    second, first = (mail["id"] for mail in shell.json("case", "mail", "list")["mails"])
    attach = ("case", "mail", "attach", str(first), number, "--as", "tari@desk.example")
    attached = shell.json(*attach)
    assert (attached["case"], attached["decided_by"]) == (int(number), "tari@desk.example")
    assert "sorted already" in shell.refused(*attach)
    reject = ("case", "mail", "reject", str(second), "Spam", "--as", "tari@desk.example")
    assert shell.json(*reject)["reason"] == "Spam"
    assert shell.json("contact", "list")["contacts"][-1]["email"] == "wati@kirim.example"
