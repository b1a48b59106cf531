"""Mail comes in by SMTP: over STARTTLS and over TLS, from smtplib and swaks, to the receiver."""

from __future__ import annotations

import shutil
import smtplib
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.service import wait_until
from tests.journeys.conftest import Journey, running

TEXT = "From: Toko Kirim <halo@kirim.example>\r\nTo: <{to}>\r\nSubject: Halo\r\n\r\nApa kabar?\r\n"


@pytest.fixture
def journey(tmp_path: Path) -> Iterator[Journey]:
    with running(tmp_path, "--submission-tls", "127.0.0.1:0") as it:
        yield it


def connected(journey: Journey, port: str = "submission") -> smtplib.SMTP:
    """Return a client that has authenticated, as a customer's program does."""
    tls = ssl.create_default_context(cafile=str(journey.merpati.data / "tls" / "ca.pem"))
    host, _, number = journey.merpati.addresses[port].rpartition(":")
    client: smtplib.SMTP
    if port == "submission":
        client = smtplib.SMTP(host, int(number), timeout=20)
        client.starttls(context=tls)
    else:
        client = smtplib.SMTP_SSL(host, int(number), timeout=20, context=tls)
    client.login("SMTP_Injection", journey.customer.api_key)
    return client


def test_over_starttls_and_over_tls_mail_arrives(journey: Journey) -> None:
    with connected(journey) as client:
        for to in ("a@example.net", "b@example.net"):
            client.sendmail("anything@elsewhere.example", [to], TEXT.format(to=to))
    with connected(journey, "submission_tls") as client:
        client.sendmail("x@kirim.example", ["c@example.net"], TEXT.format(to="c@example.net"))
    wanted = {"a@example.net", "b@example.net", "c@example.net"}
    wait_until(lambda: set(journey.sink.recipients()) == wanted, "three messages")
    wait_until(lambda: journey.balance()["delivered"] == 3, "their records")


def test_killed_right_after_250_the_message_is_delivered_once(journey: Journey) -> None:
    """D1, for SMTP."""
    client = connected(journey)
    to = ["a@example.net", "b@example.net"]
    client.sendmail("x@kirim.example", to, TEXT.format(to=to[0]))  # returns at the 250
    journey.merpati.kill()
    client.close()
    journey.merpati.start()
    wait_until(lambda: set(journey.sink.recipients()) == set(to), "both messages")
    wait_until(lambda: journey.balance()["delivered"] == 2, "their records")
    assert len({arrival.message_id for arrival in journey.sink.arrivals()}) == 1


def test_a_full_disk_is_answered_452_and_taking_mail_resumes_by_itself(journey: Journey) -> None:
    """D5: temporary in words and code, nothing kept; then 250 again."""
    text = TEXT.format(to="a@example.net")
    journey.faults.write_text("spool.commit=full")
    with connected(journey) as client, pytest.raises(smtplib.SMTPDataError) as refused:
        client.sendmail("x@kirim.example", ["refused@example.net"], text)
    assert refused.value.smtp_code in {452, 421}
    journey.faults.unlink()

    def accepted() -> bool:
        with connected(journey) as client:
            try:
                client.sendmail("x@kirim.example", ["kept@example.net"], text)
            except smtplib.SMTPException:
                return False
        return True

    wait_until(accepted, "acceptance to resume")
    wait_until(lambda: "kept@example.net" in journey.sink.recipients(), "the message")
    assert "refused@example.net" not in journey.sink.recipients()


def test_neither_port_is_an_open_relay(journey: Journey) -> None:
    """R1."""
    for port in ("submission", "inbound"):
        host, _, number = journey.merpati.addresses[port].rpartition(":")
        with smtplib.SMTP(host, int(number), timeout=20) as client:
            client.ehlo()
            client.mail("stranger@elsewhere.example")
            code, text = client.rcpt("victim@example.net")
        assert code in {503, 550}, text


@pytest.mark.skipif(not shutil.which("swaks"), reason="swaks is not installed")
def test_swaks_submits(journey: Journey) -> None:
    for port, flag in (("submission", "-tls"), ("submission_tls", "-tlsc")):
        host, _, number = journey.merpati.addresses[port].rpartition(":")
        words = ["swaks", "--server", host, "--port", number, flag, "--auth", "LOGIN", "--pipeline"]
        words += ["--auth-user", "SMTP_Injection", "--auth-password", journey.customer.api_key]
        words += ["--from", "halo@kirim.example", "--to", f"{port}@example.net"]
        done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    wanted = {"submission@example.net", "submission_tls@example.net"}
    wait_until(lambda: set(journey.sink.recipients()) == wanted, "the messages")


def test_a_client_of_a_trusted_network_sends_without_a_password_until_the_key_ends(
    journey: Journey,
) -> None:
    host, _, port = journey.merpati.addresses["submission"].rpartition(":")

    def send(to: str) -> bool:
        with smtplib.SMTP(host, int(port), timeout=20) as client:
            try:
                client.sendmail("x@y.example", [to], TEXT.format(to=to))
            except smtplib.SMTPSenderRefused as refused:
                assert refused.smtp_code == 530
                return False
            return True

    assert not send("a@example.net")
    key = journey.merpati.command(
        *("key", "create", "--account", journey.customer.account_id, "--label", "Printer"),
        *("--grant", "smtp/inject", "--trust-network", "127.0.0.0/8"),
    )
    wait_until(lambda: send("b@example.net"), "trust to be followed", 5)
    journey.merpati.command("key", "revoke", str(key["key_id"]))
    wait_until(lambda: not send("c@example.net"), "the end of trust to be followed", 5)
