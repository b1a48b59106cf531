"""Reports come back to our return paths: kept when they are answered 250, and found afterwards."""

from __future__ import annotations

import email
import email.policy
import shutil
import smtplib
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.customer import sign_up
from harness.service import CommandFailed, Merpati, answers, free_port, wait_until
from merpati.adapters.crypto import SecretBox
from merpati.message import return_path
from merpati.runtime.paths import DataFolder
from tests.support.http_calls import send, transmission
from tests.support.postfix import missing, postfix
from tests.support.prepared import prepared

BOUNCES = "bounces.kirim.example"
REPORT = "Subject: Undelivered Mail\r\n\r\nNo such user.\r\n"


@pytest.fixture
def merpati(tmp_path: Path) -> Iterator[Merpati]:
    service = Merpati(
        prepared(tmp_path / "data"),
        *("--workers", "1"),
        environment={
            "MERPATI_MAIL__BOUNCE_DOMAIN": BOUNCES,
            "MERPATI_FAULTS_FILE": str(tmp_path / "faults"),
        },
    )
    service.start()
    yield service
    (tmp_path / "faults").unlink(missing_ok=True)
    code = service.stop()
    assert code == 0, service.log.read_text()[-2000:]


def port_of(merpati: Merpati) -> int:
    return int(merpati.addresses["inbound"].rpartition(":")[2])


def return_path_of(merpati: Merpati, message_id: int) -> str:
    """Return the path that a message of account 1 leaves with."""
    key = SecretBox(DataFolder(merpati.data).secret_key).derive("return-path")
    return return_path.make(key, 1, 1, message_id, BOUNCES)


def report(merpati: Merpati, to: str) -> None:
    """Send a report as a mail server does: with the null sender."""
    with smtplib.SMTP("127.0.0.1", port_of(merpati), timeout=20) as client:
        client.sendmail("", [to], REPORT)


def came_in(merpati: Merpati) -> list[Any]:
    found = merpati.command("inbound", "list")["inbound"]
    assert isinstance(found, list)
    return found


def test_a_report_answered_250_survives_a_kill(merpati: Merpati) -> None:
    """D1, for reports."""
    to = return_path_of(merpati, 7)
    report(merpati, to)
    merpati.kill()
    merpati.start()
    (found,) = wait_until(lambda: came_in(merpati), "the report")
    assert (found["account_id"], found["rcpt_to"], found["msg_from"]) == (1, to, "")
    assert found["message_id"] == "0100000000000007"
    assert merpati.command("inbound", "show", found["id"])["data"] == REPORT
    with pytest.raises(CommandFailed, match="no inbound message 42"):
        merpati.command("inbound", "show", "42")


def test_a_full_disk_defers_reports_and_taking_them_resumes_by_itself(
    merpati: Merpati, tmp_path: Path
) -> None:
    """D5."""
    (tmp_path / "faults").write_text("spool.commit=full")
    with pytest.raises(smtplib.SMTPDataError) as refused:
        report(merpati, return_path_of(merpati, 7))
    assert refused.value.smtp_code in {452, 421}
    (tmp_path / "faults").unlink()

    def accepted() -> bool:
        try:
            report(merpati, return_path_of(merpati, 8))
        except smtplib.SMTPException:
            return False
        return True

    wait_until(accepted, "acceptance to resume")
    wait_until(lambda: came_in(merpati), "the report")
    assert {found["message_id"][-1] for found in came_in(merpati)} == {"8"}


@pytest.mark.skipif(missing() is not None, reason=str(missing()))
@pytest.mark.skipif(not shutil.which("smtp-sink"), reason="smtp-sink is not installed")
def test_what_postfix_could_not_deliver_comes_back_for_its_message(merpati: Merpati) -> None:
    """A relay takes our mail, its next hop says 550: the DSN names the message by its path."""
    customer = sign_up(merpati)
    gone = free_port()
    sink = subprocess.Popen(["smtp-sink", "-u", "nobody", "-f", "rcpt", f"127.0.0.1:{gone}", "10"])
    try:
        wait_until(lambda: answers(gone), "smtp-sink")
        relays = {"gone.example": gone, BOUNCES: port_of(merpati)}
        with postfix("receiver.example", {}, relays) as relay:
            merpati.command("route", "add", "*", f"127.0.0.1:{relay.port}")
            status, _ = send(
                merpati.addresses["http"], customer.api_key, transmission("x@gone.example")
            )
            assert status == 200
            (found,) = wait_until(lambda: came_in(merpati), lambda: f"the DSN:\n{relay.log()}")
            assert "TLS connection established to 127.0.0.1" in relay.log()
    finally:
        sink.kill()
        sink.wait()
    events = merpati.command("events", "--type", "delivery")["events"]
    assert [event["message_id"] for event in events] == [found["message_id"]]
    text = merpati.command("inbound", "show", found["id"])["data"]
    parsed = email.message_from_string(text, policy=email.policy.default)
    assert parsed.get_content_type() == "multipart/report"
    assert "x@gone.example" in text
